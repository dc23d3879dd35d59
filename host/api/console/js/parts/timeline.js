// Everything that was decided on a recording, with the rule and its citation.

import { h, prose } from "../dom.js";
import { clock, length, words } from "../format.js";
import { badge, empty, outcome, strictness } from "./view.js";

/** `events`: as `GET /v1/recordings/{id}/timeline` answers. */
export function timeline({ events, "is-cut": isCut }) {
  if (!events.length) return empty("Nothing is in the log", "No entry of the ledger is about this recording.");
  const list = h("ol", { class: "timeline", tabindex: "0", "aria-label": "Events and verdicts" }, events.map(one));
  return isCut ? [list, h("p", { class: "body muted small" }, "There is more: the log has all of it.")] : list;
}

function one(event) {
  const when = h("time", { datetime: event.at, title: event.at }, event.ms === undefined ? clock(event.at) : length(event.ms));
  if (!event.outcome) {
    return h("li", {}, h("div", { class: "row" }, h("b", {}, words(event.event)), event.text && h("span", { class: "muted" }, event.text), h("span", { class: "fill" }), when));
  }
  const note = event.note ? h("blockquote", {}, event.note) : null;
  const said = event.reasons.map((reason) => h("li", {}, prose(reason.message), h("div", { class: "cite" }, [reason.pack, reason.rule, reason.citation].filter(Boolean).join(" · "))));
  const has = note || said.length || event.obligations.length || event.conflicts.length;
  return h(
    "li",
    { class: strictness(event.outcome) },
    h(
      "details",
      { open: Boolean(note) || strictness(event.outcome) !== "allow" },
      h("summary", {}, h("b", {}, event.note ? "Note" : words(event.event)), outcome(event.outcome), event.who && h("span", { class: "muted small" }, event.who), when),
      h(
        "div",
        { class: "why" },
        note,
        said.length ? h("ul", { class: "stack tight" }, said) : null,
        event.conflicts.map((conflict) => h("p", { class: "note paused" }, conflict.resolution)),
        event.obligations.length ? h("div", { class: "badges" }, event.obligations.map((o) => h("span", { class: "badge plain", title: o.rule }, words(o.duty)))) : null,
        event.labels?.length ? h("div", { class: "badges" }, event.labels.map((label) => badge(`${words(label.kind)} at ${length(label.where.start)}`, "paused"))) : null,
        event.packs.some((pack) => pack.failure) ? h("p", { class: "note refused" }, event.packs.filter((p) => p.failure).map((p) => `${p.name} could not answer: ${p.failure}`)) : null,
        event["is-erased"] && h("p", { class: "muted" }, "Its details were erased; that it was decided stays in the log."),
        !has && !event["is-erased"] && h("p", { class: "muted" }, "No rule had a say."),
        h("p", { class: "cite" }, `Ledger entry ${event.index}. Asked: ${event.packs.map((p) => `${p.name} ${p.version}${p.mode === "monitor" ? " (monitored)" : ""}`).join(", ")}`),
      ),
    ),
  );
}
