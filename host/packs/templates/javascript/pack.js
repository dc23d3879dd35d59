// One rule: large conferences are not recorded.

import { Ruling } from "./caveat.js";

const SIZE = { id: "conference.size", citation: "House rule 1" };

let maxParties;

export const settings = {
  // As settings.schema.json describes them; the host has filled in the defaults.
  configure(given) {
    maxParties = JSON.parse(given)["max-parties"];
  },
};

export const capture = {
  rule(event, facts) {
    const ruling = new Ruling();
    const present = facts.parties.filter((party) => party.traits.present);
    if (present.length > maxParties) {
      ruling.suspend(SIZE, "More people are on the call than the house rule allows.");
    }
    return ruling;
  },
};
