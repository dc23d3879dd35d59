// One recording: why first, then its sound with what is missing and why, its words, and everything that was decided on it.

import { h, put } from "../dom.js";
import { get, may, post, save } from "../session.js";
import { PURPOSES, count, length, moment, place as placeOf, short, words } from "../format.js";
import { ask, toast } from "../parts/dialog.js";
import { badge, card, empty, facts, failed, fill, loading, state } from "../parts/view.js";
import { purposePicker } from "../parts/purpose.js";
import { player } from "../parts/player.js";
import { timeline } from "../parts/timeline.js";
import { transcript } from "../parts/transcript.js";

export async function showOne(place, id, { signal }) {
  const body = h("div", { class: "stack" });
  const picker = purposePicker(() => load());
  const waiting = h("p", { class: "row" }, state("recording"));
  waiting.style.visibility = "hidden";
  const title = h("div", {}, h("a", { href: "#/recordings", class: "small" }, "Recordings"), h("h1", {}, "Recording"), waiting);
  const acts = h("div", { class: "row" });
  put(place, h("div", { class: "head" }, title, h("div", { class: "row" }, picker.element, acts)), body);

  async function load() {
    const purpose = picker.purpose();
    put(acts);
    if (!purpose) {
      put(body, h("div", { class: "card" }, empty("Say what it is for", "Choose a purpose above. Looking at a recording is ruled on and logged, as listening is.")));
      return;
    }
    put(acts, actions(id, purpose, load));
    put(body, h("div", { class: "card" }, loading(10)));
    let known;
    try {
      known = await get(`/v1/recordings/${id}`, { purpose }, signal);
    } catch (problem) {
      if (problem.name !== "AbortError") put(body, h("div", { class: "card" }, failed(problem, load)));
      return;
    }
    put(
      title,
      h("a", { href: "#/recordings", class: "small" }, "Recordings"),
      h("h1", { class: "nowrap" }, moment(known.began)),
      h("p", { class: "row" }, state(known.state), h("span", {}, length(known["duration-ms"])), known.facts.holds?.length ? badge("Held", "redacted") : null, h("code", { class: "muted", title: id }, short(id))),
    );
    const kept = known.state === "sealed" || known.state === "interrupted";
    const sound = h("section", { class: "card player", "aria-label": "Sound" }, loading(5));
    const said = h("div");
    const decided = h("div");
    const masks = h("div");
    put(body, sound, masks, h("div", { class: "columns" }, h("section", { class: "card", "aria-label": "Words" }, h("div", { class: "top" }, h("h2", {}, "Words")), said), h("section", { class: "card", "aria-label": "Timeline" }, h("div", { class: "top" }, h("h2", {}, "Timeline")), decided)), about(known));
    fill(decided, async () => timeline(await get(`/v1/recordings/${id}/timeline`, { purpose }, signal)), 6);
    if (!kept) {
      put(sound, empty("There is no sound", `This recording is ${words(known.state).toLowerCase()}. What was decided about it stands in the timeline.`));
      put(said, empty("There are no words", "They went with the sound."));
      return;
    }
    const heard = await player(sound, { id, purpose, known, signal, redact: (span) => redact(id, purpose, { ...span, legs: legsOf(known) }, load) });
    fill(said, async () => transcript(await get(`/v1/recordings/${id}/transcript`, { purpose }, signal), heard, known.facts.labels), 8);
    showMasks(masks, id, purpose, load, signal);
  }
  await load();
}

function actions(id, purpose, again) {
  return [
    may("set-hold") && h("button", { class: "button", onclick: () => hold(id, again) }, "Hold…"),
    may("export-recording") && h("button", { class: "button", onclick: () => exportEvidence(id, purpose) }, "Export evidence…"),
    may("amend-recording") && h("button", { class: "button", onclick: () => note(id, purpose, again) }, "Add a note…"),
    may("disclose-recording") && h("button", { class: "button quiet", onclick: () => disclose(id, purpose, again) }, "Enter a disclosure…"),
    may("report-breach") && h("button", { class: "button quiet", onclick: () => reportBreach(id, again) }, "Report a breach…"),
    may("dispose-recording") && h("button", { class: "button quiet", onclick: () => dispose(id, purpose) }, "Destroy…"),
  ];
}

function hold(id, again) {
  return ask({
    title: "Hold this recording",
    text: "Nothing destroys it until two people lift the hold.",
    fields: [
      { name: "matter", label: "Matter", required: true, hint: "A name for the case, such as Smith v. Acme." },
      { name: "reason", label: "Reason", type: "textarea" },
    ],
    yes: "Hold",
    act: async ({ matter, reason }) => {
      await post("/v1/holds", { matter, reason, scope: { recording: id } });
      again();
    },
  });
}

function exportEvidence(id, purpose) {
  return ask({
    title: "Export evidence",
    text: "One file with the sound as far as the rules let it out, every decision, and the proof that both are what was sealed and logged.",
    fields: [
      { name: "purpose", label: "Purpose", options: PURPOSES, value: purpose },
      { name: "reason", label: "Reason", type: "textarea" },
    ],
    yes: "Export",
    act: (given) => save(`/v1/recordings/${id}/evidence`, given, `evidence-${id}.tar`),
  });
}

function note(id, purpose, again) {
  return ask({
    title: "Add a note",
    text: "It stands in the timeline under your name. The recording and what is known of it stay as they are.",
    fields: [{ name: "note", label: "Note", type: "textarea", required: true }],
    yes: "Add",
    act: async (given) => {
      await post(`/v1/recordings/${id}/notes`, { note: given.note, purpose });
      again();
    },
  });
}

function disclose(id, purpose, again) {
  return ask({
    title: "Enter a disclosure",
    text: "Before somebody outside is given this recording: it is ruled on, logged, and from then on in the accounting of disclosures. Export the file afterwards.",
    fields: [
      { name: "to", label: "To whom", required: true, hint: "A name, and an address if it is known." },
      { name: "purpose", label: "Purpose", options: PURPOSES, value: purpose },
      { name: "form", label: "What of it", options: { original: "All of it", redacted: "Without what was found in it", transcript: "Its words", "facts-only": "Facts of the call only" } },
      { name: "reason", label: "Reason", type: "textarea", required: true },
    ],
    yes: "Enter",
    act: async (given) => {
      await post(`/v1/recordings/${id}/disclosures`, given);
      again();
    },
  });
}

function reportBreach(id, again) {
  return ask({
    title: "Report a breach",
    text: "This recording may have reached somebody it should not have. The rules say whom to tell, and by when; each of it is something to see to on the live page.",
    fields: [
      { name: "reason", label: "What happened", type: "textarea", required: true, hint: "Without names: it stands in the log." },
      { name: "discovered", label: "Discovered", type: "date", hint: "Periods are counted from then. Empty: today." },
      { name: "persons", label: "Persons affected", type: "number", min: "0", hint: "Empty: nobody knows yet." },
      { name: "keys", label: "Its keys", options: { unknown: "Nobody took them", taken: "They were taken, or it was open when it was taken" } },
    ],
    yes: "Report",
    act: async ({ reason, discovered, persons, keys }) => {
      const report = { reason, facts: keys === "taken" ? [{ name: "breach.keys-taken", value: { flag: true } }] : [] };
      if (discovered) report.discovered = new Date(discovered).toISOString();
      if (persons) report.persons = Number(persons);
      const { tasks } = await post(`/v1/recordings/${id}/breach`, report);
      toast(tasks.length ? `${count(tasks.length, "thing", "things")} to see to` : "The rules ask for no notice");
      again();
    },
  });
}

function dispose(id, purpose) {
  return ask({
    title: "Have this recording destroyed",
    text: "A second person has to confirm it. It cannot be brought back.",
    fields: [
      { name: "basis", label: "On what account", options: { "person-asks": "The person recorded asks for it", "erasure-request": "By a right to erasure", "contract-end": "The contract with the client has ended" } },
      { name: "reason", label: "Reason", type: "textarea", required: true },
    ],
    yes: "Ask for it",
    grave: true,
    act: async ({ basis, reason }) => {
      await post(`/v1/recordings/${id}/disposal`, { basis, purpose, reason });
    },
  });
}

/** Whose sound each leg is. */
const legsOf = (known) => Object.fromEntries((known.facts.parties ?? []).filter((party) => party.leg !== undefined && party.leg !== null).map((party) => [party.leg, words(party.role)]));

/** A stretch was chosen: hide it, or have it destroyed. */
function redact(id, purpose, { from, to, leg, mode, legs }, again) {
  const shreds = mode === "shred";
  return ask({
    title: shreds ? "Destroy this stretch" : "Mask this stretch",
    text: shreds ? "Its keys are destroyed: sound, words and picture of it can never be opened again. A second person has to confirm it." : "Its keys go to escrow: nobody hears or reads it until two people bring it back.",
    fields: [
      { name: "from", label: "From", value: length(from, true), required: true },
      { name: "to", label: "To", value: length(to, true), required: true },
      { name: "leg", label: "Whose sound", options: { all: "Everybody's", ...legs }, value: String(leg ?? "all") },
      { name: "reason", label: "Reason", type: "textarea" },
    ],
    yes: shreds ? "Ask for it" : "Mask",
    grave: shreds,
    act: async (given) => {
      const [start, end] = [placeOf(given.from), placeOf(given.to)];
      if (start === null || end === null) throw new Error("A place is minutes and seconds: 1:07.5");
      const span = { start, end, ...(given.leg === "all" ? {} : { leg: Number(given.leg) }) };
      await post(`/v1/recordings/${id}/redactions`, { span, mode, purpose, reason: given.reason });
      if (!shreds) again();
      return { mode };
    },
  });
}

async function showMasks(place, id, purpose, again, signal) {
  const masks = await get(`/v1/recordings/${id}/masks`, {}, signal).catch(() => []);
  if (!masks.length) return;
  const lift = (mask) =>
    ask({
      title: "Bring back what is masked",
      text: "A second person has to confirm it.",
      fields: [{ name: "reason", label: "Reason", type: "textarea", required: true }],
      yes: "Ask for it",
      act: async ({ reason }) => {
        await post(`/v1/recordings/${id}/unmask`, { mask: mask.mask, purpose, reason });
      },
    });
  const spans = (mask) => [...new Set(mask.spans.map((s) => `${length(s.start)} to ${length(s.end)}`))].join(", ");
  put(
    place,
    h(
      "div",
      { class: "note redacted" },
      h("b", {}, count(masks.length, "stretch is masked", "stretches are masked")),
      h("ul", {}, masks.map((mask) => h("li", { class: "row" }, spans(mask), may("unmask-recording") && h("button", { class: "button tight", onclick: () => lift(mask) }, "Bring back…")))),
    ),
  );
}

const list = (rows, of) => (rows?.length ? h("ul", {}, rows.map((row) => h("li", {}, of(row)))) : null);

function about({ facts: known, ...listed }) {
  const party = (p) => [words(p.role), [...new Set(p.regions?.map((r) => r.region))].join(", "), p.leg !== undefined ? `leg ${p.leg}` : ""].filter(Boolean).join(", ");
  return card(
    "What is known of the call",
    null,
    h(
      "div",
      { class: "body" },
      facts([
        ["Recording", h("code", {}, listed.id)],
        ["Direction", words(known.direction ?? "")],
        ["Made for", (known.purposes ?? []).map(words).join(", ")],
        ["On the call", list(known.parties, party)],
        ["Notices", list(known.notices, (n) => `${words(n.kind)}${n.at !== undefined ? `, at ${length(n.at)}` : ""}`)],
        ["Consent", list(known.consents, (c) => `Party ${c.party} ${c.given ? "agreed" : "refused"} (${words(c.form).toLowerCase()})`)],
        ["Held for", (known.holds ?? []).map((hold) => hold.matter).join(", ")],
        ["Kept until", known["retain-until"] ? moment(known["retain-until"]) : ""],
        ["Facts", list(known.attributes, (a) => `${a.name}: ${typeof a.value === "object" ? Object.values(a.value)[0] : a.value}`)],
      ]),
    ),
  );
}

