// Finding recordings: why first, then by date, who, state, and what was found in them.

import { h, put } from "../dom.js";
import { page } from "../session.js";
import { LABELS, STATES, count, length, moment, words } from "../format.js";
import { badge, empty, failed, head, loading, state, table } from "../parts/view.js";
import { purposePicker } from "../parts/purpose.js";
import { showOne } from "./recording.js";

export function show(place, { rest, query, signal }) {
  return rest[0] ? showOne(place, rest[0], { signal }) : list(place, query, signal);
}

function list(place, query, signal) {
  const results = h("div", { "aria-live": "polite" });
  const picker = purposePicker(() => search());
  const value = (name) => query.get(name) ?? "";
  const field = (name, label, element) => h("div", { class: "field" }, h("label", { for: `f-${name}` }, label), (element.id = `f-${name}`, element.name = name, element));
  const choice = (name, all, options) => h("select", {}, h("option", { value: "" }, all), options.map(([code, word]) => h("option", { value: code, selected: value(name) === code }, word)));
  const filters = h(
    "form",
    { class: "filters", role: "search", onsubmit: (event) => { event.preventDefault(); search(); }, onchange: (event) => event.target.matches("select, [type=date]") && search() },
    field("from", "From", h("input", { type: "date", value: value("from") })),
    field("to", "To", h("input", { type: "date", value: value("to") })),
    field("who", "Who", h("input", { type: "search", placeholder: "Number or agent", value: value("who") })),
    field("call", "Call", h("input", { type: "search", placeholder: "Phone system's id", value: value("call") })),
    field("state", "State", choice("state", "Any", ["sealed", "recording", "interrupted", "discarded", "destroyed"].map((s) => [s, STATES[s][0]]))),
    field("label", "Found in it", choice("label", "Anything", LABELS.map((l) => [l, words(l)]))),
    h("button", { class: "button", type: "submit" }, "Search"),
  );
  put(
    place,
    head("Recordings", "Every search is ruled on and logged, with the purpose that you state.", picker.element),
    h("section", { class: "card", "aria-label": "Recordings" }, filters, results),
  );

  let before = [];
  async function search(cursor = null, back = []) {
    before = back;
    if (!picker.purpose()) {
      put(results, empty("Say what it is for", "Choose a purpose above. What you may see, and of what, depends on it."));
      return;
    }
    const given = Object.fromEntries([...new FormData(filters)].filter(([, v]) => v));
    history.replaceState(null, "", `#/recordings?${new URLSearchParams(given)}`);
    // A day that is meant to be in is asked for up to its end.
    if (given.to) given.to = new Date(Date.parse(given.to) + 86_400_000).toISOString();
    if (given.from) given.from = new Date(given.from).toISOString();
    put(results, loading(8));
    try {
      const { rows, next } = await page("/v1/recordings", { purpose: picker.purpose(), limit: 25, cursor, ...given }, signal);
      if (!rows.length && !cursor) {
        const clear = h("button", { class: "button", type: "button", onclick: () => { for (const e of filters.elements) e.value = ""; search(); } }, "Clear the filters");
        const filtered = Object.keys(given).length > 0;
        put(results, empty("Nothing found", filtered ? "No recording matches these filters." : "Nothing has been recorded yet. Point a phone system at this host; the README shows how.", filtered && clear));
        return;
      }
      put(
        results,
        table("Recordings found", COLUMNS, rows, (row) => (row.state === "recording" ? null : `#/recordings/${row.id}`)),
        h(
          "div",
          { class: "pager" },
          h("button", { class: "button tight", type: "button", disabled: !before.length, onclick: () => search(before.at(-1), before.slice(0, -1)) }, "Newer"),
          h("span", { class: "muted small" }, count(rows.length, "recording")),
          h("button", { class: "button tight", type: "button", disabled: !next, onclick: () => search(next, [...before, cursor]) }, "Older"),
        ),
      );
    } catch (problem) {
      if (problem.name !== "AbortError") put(results, failed(problem, () => search(cursor, back)));
    }
  }
  return search();
}

const COLUMNS = [
  ["Began", (row) => (row.state === "recording" ? moment(row.began) : h("a", { class: "whole", href: `#/recordings/${row.id}` }, moment(row.began))), "nowrap"],
  ["Length", (row) => (row.state === "recording" ? "…" : length(row["duration-ms"])), "number"],
  ["State", (row) => h("div", { class: "badges" }, state(row.state), row.held && badge("Held", "redacted"))],
  ["Agent", (row) => row.agent || h("span", { class: "muted" }, "Not told")],
  ["Direction", (row) => words(row.direction ?? "")],
  ["Found in it", (row) => h("div", { class: "badges" }, (row.labels ?? []).map((label) => h("span", { class: "badge plain" }, words(label))))],
];

