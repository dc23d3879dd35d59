// What goes when, and by which rule; what the rules leave to a person; what is gone.

import { h } from "../dom.js";
import { get, may, post } from "../session.js";
import { count, day, moment, short, words } from "../format.js";
import { ask, attempt } from "../parts/dialog.js";
import { badge, card, empty, figure, fill, head, settled, table } from "../parts/view.js";
import { columns } from "../parts/chart.js";

const DAY_MS = 86_400_000;
const SPANS = { 90: "Three months", 365: "A year", 1826: "Five years", 3652: "Ten years" };

export async function show(place, { signal }) {
  const plan = h("div");
  const reviews = h("div");
  const receipts = h("div");
  const span = h("select", { id: "plan-span", onchange: () => fill(plan, () => planned(Number(span.value), signal), 8) }, Object.entries(SPANS).map(([days, word]) => h("option", { value: days, selected: days === "365" }, word)));
  const confirm = may("resolve-conflict") && h("button", { class: "button", onclick: () => attempt(() => post("/v1/retention/confirm-clock"), "The clock is confirmed.") }, "The clock is right");
  const top = head("Retention", "Recordings are destroyed on their day, ruled on and logged before. A hold stops it.", confirm);
  const parts = [
    card("To be decided", null, reviews),
    card("What goes when", h("div", { class: "row" }, h("label", { for: "plan-span", class: "visually-hidden" }, "How far ahead"), span), plan),
    card("What is gone", null, receipts),
  ];
  const decide = () => fill(reviews, () => open(signal, decide), 3);
  await settled(place, top, parts, decide(), fill(plan, () => planned(365, signal), 8), fill(receipts, () => gone(signal), 4));
}

async function planned(days, signal) {
  const until = new Date(Date.now() + days * DAY_MS).toISOString();
  const rows = await get("/v1/retention/plan", { until }, signal);
  if (!rows.length) return empty("Nothing goes in this time", "No rule and no practice of this client has a date in it.");
  const wide = days > 1000 ? 91 : 7;
  const start = Date.now() - (Date.now() % DAY_MS);
  const place = (due) => Math.max(0, Math.floor((Date.parse(due) - start) / (wide * DAY_MS)));
  const weeks = Array.from({ length: Math.ceil(days / wide) + 1 }, (_, n) => ({ from: start + n * wide * DAY_MS, due: 0, held: 0, odds: 0 }));
  for (const row of rows) {
    const week = weeks[Math.min(weeks.length - 1, place(row.due))];
    week[row["held-by"].length ? "held" : row["at-odds"] ? "odds" : "due"] += 1;
  }
  const held = rows.filter((row) => row["held-by"].length).length;
  const odds = rows.filter((row) => row["at-odds"]).length;
  const legend = (kind, word) => h("span", { class: "row" }, badge(word, kind));
  return [
    h("div", { class: "body grid small" }, figure("Go", (rows.length - held).toLocaleString()), figure("Held", held.toLocaleString()), figure("At odds", odds.toLocaleString())),
    columns(
      `Recordings that go, by ${wide === 7 ? "week" : "quarter"}`,
      weeks.map((week) => ({ name: day(new Date(week.from)).replace(/,? \d{4}$/, ""), title: `From ${day(new Date(week.from))}: ${week.due} go, ${week.held} held, ${week.odds} at odds`, parts: [["due", week.due], ["held", week.held], ["odds", week.odds]] })),
    ),
    h("div", { class: "body row" }, legend("accent", "Goes"), legend("paused", "Held"), legend("refused", "At odds: a person decides")),
    table(
      "What goes, the next first",
      [
        ["Goes", (row) => day(row.due), "nowrap"],
        ["Recording", (row) => h("a", { href: `#/recordings/${row.recording}` }, h("code", { title: row.recording }, short(row.recording)))],
        ["Began", (row) => moment(row.began), "nowrap"],
        ["By", (row) => h("code", { class: "wrap" }, row.why)],
        ["Against it", (row) => h("div", { class: "badges" }, row["held-by"].map((matter) => badge(matter, "redacted")), row["at-odds"] && badge("At odds", "refused"))],
      ],
      rows.slice(0, 50),
    ),
    rows.length > 50 ? h("p", { class: "body muted small" }, `${count(rows.length - 50, "recording")} more: \`caveat retention plan\` lists them all.`) : null,
  ];
}

async function open(signal, again) {
  const rows = await get("/v1/retention/reviews", { limit: 100 }, signal);
  if (!rows.length) return empty("Nothing waits for a decision", "What the rules cannot settle among themselves appears here.");
  const decide = (review) =>
    ask({
      title: "Decide it",
      text: review.what,
      fields: [
        { name: "what", label: "Decision", options: { keep: "Keep it until a day", destroy: "Destroy it as soon as nothing stands against it", leave: "Leave it as it is" } },
        { name: "until", label: "Until, if kept", type: "date" },
      ],
      yes: "Decide",
      act: async ({ what, until }) => {
        if (what === "keep" && !until) throw new Error("Say until when it is kept.");
        const decision = what === "keep" ? { "keep-until": new Date(until).toISOString() } : what === "destroy" ? "destroy" : "leave-as-is";
        await post(`/v1/retention/reviews/${review.id}`, { decision });
        again();
      },
    });
  return table(
    "Reviews",
    [
      ["Since", (review) => moment(review.opened), "nowrap"],
      ["Recording", (review) => h("a", { href: `#/recordings/${review.recording}` }, h("code", { title: review.recording }, short(review.recording)))],
      ["What", (review) => [words(review.kind), h("div", { class: "muted" }, review.what)]],
      ["Rule", (review) => h("code", { class: "wrap" }, review.rule)],
      ["", (review) => may("resolve-conflict") && h("button", { class: "button tight", onclick: () => decide(review) }, "Decide…"), "acts"],
    ],
    rows,
  );
}

async function gone(signal) {
  const rows = await get("/v1/retention/receipts", { limit: 50 }, signal);
  if (!rows.length) return empty("Nothing is gone yet", "Every destruction leaves a receipt here, with its ledger entries.");
  return table(
    "Receipts",
    [
      ["When", (r) => moment(r.at), "nowrap"],
      ["Recording", (r) => h("code", { title: r.recording }, short(r.recording))],
      ["What", (r) => words(r.what)],
      ["On account of", (r) => words(r.basis)],
      ["Rule", (r) => h("code", { class: "wrap" }, r.rule)],
      ["Ledger", (r) => `${r.verdict}, ${r.intent}, ${r.result}`, "nowrap"],
      ["Object", (r) => (r["object-gone"] ? badge("Deleted") : badge("Keys destroyed", "accent"))],
    ],
    rows,
  );
}
