// What has to be preserved, for which matter.

import { h, put } from "../dom.js";
import { get, may, post, save } from "../session.js";
import { PURPOSES, moment, words } from "../format.js";
import { ask, toast } from "../parts/dialog.js";
import { badge, card, empty, fill, head, table } from "../parts/view.js";

const SCOPES = { person: "Calls somebody is on", call: "A call", case: "Calls of a case", recording: "A recording", dates: "Calls from a day on", everything: "Everything" };

export async function show(place, { signal }) {
  const body = h("div");
  const load = () => fill(body, () => list(signal, load), 4);
  put(place, head("Holds", "A hold stops every destruction of what it takes in, now and later. Two people lift it.", may("set-hold") && h("button", { class: "button main", onclick: () => add(load) }, "Set a hold…")), card("In force", null, body));
  await load();
}

const add = (again) =>
  ask({
    title: "Set a hold",
    fields: [
      { name: "matter", label: "Matter", required: true, hint: "A name for the case, such as Smith v. Acme." },
      { name: "kind", label: "Takes in", options: SCOPES },
      { name: "value", label: "Which", hint: "A number or an id; the id of the call, case or recording; a day as 2030-01-31." },
      { name: "reason", label: "Reason", type: "textarea" },
    ],
    yes: "Set",
    act: async ({ matter, kind, value, reason }) => {
      if (kind !== "everything" && !value) throw new Error("Say which.");
      const scope = kind === "everything" ? "everything" : kind === "dates" ? { dates: { from: value } } : { [kind]: value };
      const hold = await post("/v1/holds", { matter, scope, reason });
      toast(`The hold is set: ${hold.recordings} recordings are under it.`);
      again();
    },
  });

async function list(signal, again) {
  const rows = await get("/v1/holds", { all: true, limit: 100 }, signal);
  if (!rows.length) return empty("No hold", "Nothing has to be preserved beyond its dates.");
  const lift = (hold) =>
    ask({
      title: `Lift the hold for ${hold.matter}`,
      text: "A second person has to confirm it.",
      fields: [{ name: "reason", label: "Reason", type: "textarea", required: true }],
      yes: "Ask for it",
      act: async ({ reason }) => {
        await post(`/v1/holds/${hold.id}/lift`, { reason });
        toast("A second person has to confirm it, under Requests.");
        again();
      },
    });
  const evidence = (hold) =>
    ask({
      title: `Evidence for ${hold.matter}`,
      text: "Every recording under the hold, in one file.",
      fields: [{ name: "purpose", label: "Purpose", options: PURPOSES, value: "legal" }, { name: "reason", label: "Reason", type: "textarea" }],
      yes: "Export",
      act: (given) => save(`/v1/cases/${encodeURIComponent(hold.matter)}/evidence`, given, "evidence-case.tar"),
    });
  return table(
    "Holds",
    [
      ["Matter", (hold) => [h("b", {}, hold.matter), hold.reason && h("div", { class: "muted" }, hold.reason)]],
      ["Takes in", (hold) => scope(hold.scope)],
      ["Recordings", (hold) => hold.recordings.toLocaleString(), "number"],
      ["Since", (hold) => moment(hold.since), "nowrap"],
      ["By", (hold) => hold["set-by"]],
      ["", (hold) => (hold.lifted ? badge(`Lifted ${moment(hold.lifted)}`) : h("div", { class: "row end" }, may("export-recording") && h("button", { class: "button tight", onclick: () => evidence(hold) }, "Evidence…"), may("lift-hold") && h("button", { class: "button tight", onclick: () => lift(hold) }, "Lift…"))), "acts"],
    ],
    rows,
  );
}

function scope(of) {
  if (of === "everything") return "Everything";
  const [[kind, value]] = Object.entries(of);
  const text = typeof value === "string" ? value : `from ${value.from}${value.until ? ` until ${value.until}` : ""}`;
  return [words(kind), " ", h("code", { class: "wrap" }, text)];
}
