// Points that packs gave, by agent: where a standard is kept, and where not.

import { h, put } from "../dom.js";
import { get } from "../session.js";
import { count, short } from "../format.js";
import { card, empty, fill, head } from "../parts/view.js";
import { bars } from "../parts/chart.js";
import { purposePicker } from "../parts/purpose.js";

const DAY_MS = 86_400_000;

export function show(place, { signal }) {
  const body = h("div");
  const picker = purposePicker(() => load());
  const span = h("select", { id: "score-span", onchange: () => load() }, Object.entries({ 7: "A week", 30: "30 days", 90: "90 days" }).map(([days, word]) => h("option", { value: days, selected: days === "30" }, word)));
  put(place, head("Scorecards", "Where a pack gives points for a written standard.", picker.element, h("div", { class: "field" }, h("label", { for: "score-span" }, "Of the last"), span)), body);
  function load() {
    const purpose = picker.purpose();
    if (!purpose) return put(body, h("div", { class: "card" }, empty("Say what it is for", "Choose a purpose above.")));
    return fill(body, async () => {
      const since = new Date(Date.now() - Number(span.value) * DAY_MS).toISOString();
      const cards = await get("/v1/scorecards", { purpose, since }, signal);
      if (!cards.length) return h("div", { class: "card" }, empty("No scores in this time", "No pack in force gives points, or no call was scored."));
      return h("div", { class: "grid" }, cards.map(one));
    }, 6);
  }
  return load();
}

const share = ({ points, "out-of": most }) => (most ? points / most : 1);
const kind = (of) => (of < 0.6 ? "low" : of < 0.85 ? "middle" : "");

function one(scored) {
  const rows = scored.rules.map((rule) => ({ name: h("span", { title: rule.pack }, rule.rule), share: share(rule), text: `${rule.points} / ${rule["out-of"]}`, kind: kind(share(rule)) }));
  const missed = scored.rules.flatMap((rule) => rule.examples.slice(0, 1).map((id) => h("li", {}, `${rule.rule}: `, h("a", { href: `#/recordings/${id}` }, h("code", {}, short(id))))));
  return card(
    scored.agent || "Agent not told",
    h("span", { class: "muted" }, count(scored.calls, "call")),
    h("div", { class: "body stack" }, h("p", {}, h("b", {}, `${Math.round(share(scored) * 100)} %`), h("span", { class: "muted" }, ` ${scored.points} of ${scored["out-of"]} points`)), bars(rows), missed.length ? h("details", {}, h("summary", {}, "Calls to listen to"), h("ul", { class: "stack tight" }, missed)) : null),
  );
}
