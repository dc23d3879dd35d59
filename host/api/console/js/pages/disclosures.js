// The accounting of disclosures: who was given what of a recorded person, when, by whom, and why.

import { h, put } from "../dom.js";
import { get } from "../session.js";
import { PURPOSES, count, moment, short, words } from "../format.js";
import { badge, card, empty, failed, head, loading, table } from "../parts/view.js";

export function show(place, { query, signal }) {
  const results = h("div", { "aria-live": "polite" });
  const value = (name) => query.get(name) ?? "";
  const field = (name, label, given) => h("div", { class: "field" }, h("label", { for: `d-${name}` }, label), h("input", { id: `d-${name}`, name, value: value(name), ...given }));
  const owed = h("input", { type: "checkbox", name: "owed", value: "true", checked: value("owed") === "true" });
  const wanted = h(
    "form",
    { class: "filters", onsubmit: (event) => { event.preventDefault(); load(); }, onchange: (event) => event.target.matches("[type=date], [type=checkbox]") && load() },
    field("person", "Recorded person", { type: "search", placeholder: "Number or id; everybody" }),
    field("since", "From", { type: "date" }),
    field("until", "To", { type: "date" }),
    h("label", { class: "check" }, owed, "Only what they have a right to be told of"),
    h("button", { class: "button", type: "submit" }, "Show"),
  );
  const keep = h("button", { class: "button", disabled: true, onclick: () => save(rows) }, "Save as a table…");
  let rows = [];
  put(
    place,
    head("Disclosures", "Who was given what of somebody recorded, as the log has it (45 CFR 164.528: six years back).", keep),
    h("section", { class: "card", "aria-label": "Disclosures" }, wanted, results),
  );

  async function load() {
    const given = Object.fromEntries([...new FormData(wanted)].filter(([, v]) => v));
    history.replaceState(null, "", `#/disclosures?${new URLSearchParams(given)}`);
    // A day that is meant to be in is asked for up to its end.
    if (given.until) given.until = new Date(Date.parse(given.until) + 86_400_000).toISOString();
    if (given.since) given.since = new Date(given.since).toISOString();
    put(results, loading(8));
    try {
      rows = await get("/v1/disclosures", given, signal);
    } catch (problem) {
      if (problem.name !== "AbortError") put(results, failed(problem, load));
      return;
    }
    keep.disabled = !rows.length;
    put(results, rows.length ? [table("Disclosures", COLUMNS, rows), h("p", { class: "body muted small" }, count(rows.length, "disclosure"))] : empty("Nothing was disclosed", "Nobody was given anything of such a recording in this time."));
  }
  return load();
}

const COLUMNS = [
  ["When", (row) => moment(row.at), "nowrap"],
  ["To", (row) => [h("b", {}, row.recipient || row["to-name"] || row.to), h("div", { class: "muted small" }, row.recipient ? `by ${row["to-name"] || row.to}` : row.to)]],
  ["What", (row) => [words(row.act), h("div", { class: "muted small" }, words(row.form))]],
  ["Recording", (row) => h("a", { href: `#/recordings/${row.recording}` }, h("code", { title: row.recording }, short(row.recording)))],
  ["Purpose", (row) => [PURPOSES[row.purpose] ?? words(row.purpose), row.reason && h("div", { class: "muted small wrap" }, row.reason)]],
  ["To be told", (row) => row.owed && [badge("Yes", "accent"), h("div", { class: "cite" }, row.owed.filter(Boolean).join(" · "))]],
  ["Ledger", (row) => row["ledger-index"], "number"],
];

const KEYS = ["at", "to", "to-name", "recipient", "act", "form", "recording", "purpose", "reason", "bytes", "owed", "ledger-index"];

/** As RFC 4180 has it. What a spreadsheet would take for a formula is no formula. */
function save(rows) {
  const cell = (value) => {
    const text = Array.isArray(value) ? value.join(" ") : String(value ?? "");
    return `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
  };
  const lines = [KEYS.map(cell), ...rows.map((row) => KEYS.map((key) => cell(row[key])))];
  const url = URL.createObjectURL(new Blob([lines.map((line) => line.join(",")).join("\r\n")], { type: "text/csv" }));
  h("a", { href: url, download: "disclosures.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
