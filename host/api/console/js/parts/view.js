// The states that every page and every card has: loading, empty, failed; and tables, heads, badges.

import { h, put } from "../dom.js";
import { STATES, words } from "../format.js";
import { problemText } from "./dialog.js";

/** The head of a page. */
export const head = (title, text, ...acts) =>
  h("div", { class: "head" }, h("div", {}, h("h1", {}, title), text && h("p", {}, text)), acts.length ? h("div", { class: "row" }, acts) : null);

export const card = (title, acts, ...body) =>
  h("section", { class: "card", "aria-label": title }, h("div", { class: "top" }, h("h2", {}, title), acts), body);

/** Bones of the same height as what will come, so that nothing jumps. */
export const loading = (lines = 4) =>
  h("div", { class: "body stack tight", "aria-busy": "true" }, h("span", { class: "visually-hidden" }, "Loading"), Array.from({ length: lines }, () => h("div", { class: "bone" })));

export const empty = (title, text, ...acts) =>
  h("div", { class: "empty" }, h("p", { class: "title" }, title), h("p", {}, text), acts.length ? h("div", { class: "row" }, acts) : null);

export function failed(problem, again) {
  const kind = problem.status === 403 ? "paused" : "refused";
  return h("div", { class: "body" }, h("div", { class: `note ${kind}`, role: "alert" }, problemText(problem), again && h("div", { class: "row" }, h("button", { class: "button tight", onclick: again }, "Try again"))));
}

/** Shows a page of several parts when all of them have loaded, so that none pushes another away. */
export async function settled(place, top, parts, ...loads) {
  put(place, top, h("div", { class: "card" }, loading(12)));
  await Promise.all(loads);
  put(place, top, parts);
}

/** Shows bones in a place, then what `load` gives, or why it does not. */
export async function fill(place, load, lines) {
  put(place, loading(lines));
  try {
    put(place, await load());
  } catch (problem) {
    if (problem.name === "AbortError") return;
    if (!("status" in problem)) console.error(problem);
    put(place, failed(problem, () => fill(place, load, lines)));
  }
}

/** A table that folds into a list where it is narrow. Columns: [label, row => content, class]. */
export function table(label, columns, rows, link) {
  const named = columns.map(([name]) => name);
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": `${label}: table` },
    h(
      "table",
      { class: "folds" },
      h("thead", {}, h("tr", {}, columns.map(([name, , kind]) => h("th", { scope: "col", class: kind ?? "" }, name || h("span", { class: "visually-hidden" }, "Actions"))))),
      h(
        "tbody",
        {},
        rows.map((row) => {
          const to = link?.(row);
          const open = (event) => {
            if (!event.target.closest("a, button, input, select")) location.hash = to;
          };
          return h("tr", to ? { class: "is-link", onclick: open } : {}, columns.map(([, content, kind], at) => h("td", { class: kind ?? "", data: { label: named[at] } }, together(content(row)))));
        }),
      ),
    ),
  );
}

/** Several things in one cell stay together where the table folds. */
function together(content) {
  const things = [content].flat(Infinity).filter((thing) => thing !== null && thing !== undefined && thing !== false && thing !== "");
  return things.length > 1 ? h("div", {}, things) : things;
}

export const badge = (word, kind = "") => h("span", { class: `badge ${kind}` }, word);

export function state(code) {
  const [word, kind] = STATES[code] ?? [words(code), ""];
  return badge(word, kind);
}

/** allow, restrain (suspend, step-up, a person decides), refuse: the color of an outcome at any stage. */
export function strictness(outcome) {
  if (outcome === "allow") return "allow";
  if (outcome === "refuse") return "refuse";
  return "restrain";
}

const COLOR = { allow: "recording", restrain: "paused", refuse: "refused" };
export const outcome = (code) => badge(words(code), COLOR[strictness(code)]);

export const figure = (name, value, more) =>
  h("div", { class: "card figure" }, h("dl", {}, h("dt", {}, name), h("dd", {}, value, more && h("small", {}, " ", more))));

export const facts = (pairs) =>
  h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== undefined && value !== null && value !== "").map(([name, value]) => [h("dt", {}, name), h("dd", { class: "wrap" }, value)]));
