// The house standard: agents read a disclosure, and do not ask for a full card number.
//
// A pack remembers nothing from event to event. What it found earlier on the call comes back to it as a label.

import { Ruling, wrong } from "./caveat.js";
import * as phrase from "./phrase.js";

const DISCLOSURE = { id: "house.disclosure", citation: "House standard 1" };
const CARD_NUMBER = { id: "house.card-number", citation: "House standard 2" };

// Of a phrase that was recognized word for word.
const CONFIDENCE = 90;
const FULL_SCORE = 10;

let disclosure, disclosureWithinMs, cardRequests, pauseMs;

export const settings = {
  configure(given) {
    const chosen = JSON.parse(given);
    disclosure = listenFor("/disclosure", chosen["disclosure"]);
    disclosureWithinMs = chosen["disclosure-within-s"] * 1_000;
    cardRequests = chosen["card-requests"].map((text, n) => listenFor(`/card-requests/${n}`, text));
    pauseMs = chosen["pause-s"] * 1_000;
  },
};

export const capture = {
  rule(event, facts) {
    const ruling = new Ruling();
    switch (event.tag) {
      case "words":
        listen(event.val, facts, ruling);
        break;
      case "ended":
        judgeDisclosure(facts, ruling);
        return ruling;
    }
    pauseAfterRequest(facts, ruling);
    return ruling;
  },
};

function listenFor(at, text) {
  const words = phrase.words(text);
  if (words.length === 0) throw wrong(at, "no word in it to listen for");
  return words;
}

/** Labels what the standard asks for and what it forbids, in what agents have just said. */
function listen(speech, facts, ruling) {
  for (const leg of agentLegs(facts)) {
    for (const place of phrase.places(disclosure, speech, leg)) {
      ruling.label("required-phrase", place, CONFIDENCE);
    }
    for (const place of cardRequests.flatMap((request) => phrase.places(request, speech, leg))) {
      ruling
        .label("forbidden-phrase", place, CONFIDENCE)
        .alert(CARD_NUMBER, "An agent asked for a full card number.")
        .remedy(CARD_NUMBER, "use-the-keypad")
        .score(CARD_NUMBER, 0, FULL_SCORE, place);
    }
  }
}

/** The answer to such a request may be the number. */
function pauseAfterRequest(facts, ruling) {
  const requests = places([...facts.labels, ...ruling.labels], "forbidden-phrase");
  if (requests.length === 0) return;
  const last = Math.max(...requests.map((place) => place.end));
  if (facts.now - facts.began < last + pauseMs) {
    ruling.suspend(CARD_NUMBER, "A full card number was asked for: the answer is not kept.");
  } else if (ruling.scores.length > 0) {
    ruling.because(CARD_NUMBER, "A full card number was asked for.");
  }
}

function judgeDisclosure(facts, ruling) {
  if (facts.now - facts.began < disclosureWithinMs || agentLegs(facts).length === 0) return;
  const [first] = places(facts.labels, "required-phrase").sort((a, b) => a.start - b.start);
  if (first === undefined) {
    ruling
      .because(DISCLOSURE, "The disclosure was not read.")
      .alert(DISCLOSURE, "An agent did not read the disclosure.")
      .seeTo(DISCLOSURE, "coach-agent")
      .score(DISCLOSURE, 0, FULL_SCORE);
  } else if (first.start <= disclosureWithinMs) {
    ruling.score(DISCLOSURE, FULL_SCORE, FULL_SCORE, first);
  } else {
    ruling
      .because(DISCLOSURE, "The disclosure was read too late.")
      .score(DISCLOSURE, FULL_SCORE / 2, FULL_SCORE, first);
  }
}

function agentLegs(facts) {
  return facts.parties.filter((party) => party.role === "agent" && party.leg != null).map((party) => party.leg);
}

function places(labels, kind) {
  return labels.filter((label) => label.kind === kind).map((label) => label.where);
}
