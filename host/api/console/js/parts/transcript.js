// Words in step with the sound; where the rules hide some, what was found there and by which rule.

import { h } from "../dom.js";
import { count, length, words } from "../format.js";
import { empty } from "./view.js";

/** A turn ends where the other leg speaks, or after this much silence. */
const TURN_MS = 2500;

/** `said`: { words: [{ leg, start, end, text, hidden }], decided }. `heard`: what the player gives. `labels`: what was found. */
export function transcript(said, heard, labels = []) {
  if (!said.words.length) return empty("No words were recognized", "Words come from a recognizer beside the phone system, if there is one.");
  const found = ({ leg, start, end }) => labels.find(({ where }) => where.start < end && start < where.end && (where.leg ?? leg) === leg)?.kind;
  const turns = [];
  for (const told of said.words) {
    const word = told.hidden ? { ...told, kind: found(told), many: 1 } : told;
    const turn = turns.at(-1);
    const last = turn?.words.at(-1);
    const goesOn = turn && turn.leg === word.leg && word.start - last.end < TURN_MS;
    if (!goesOn) turns.push({ leg: word.leg, words: [word] });
    else if (word.hidden && last.hidden && word.kind === last.kind) Object.assign(last, { end: word.end, many: last.many + 1 });
    else turn.words.push(word);
  }
  const reasons = said.decided?.reasons ?? [];
  const cite = ([rule, citation]) => [rule, citation].filter(Boolean).join(" · ");
  const spoken = [];
  const of = (word) => {
    const what = word.hidden && `${word.kind ? words(word.kind) : "Hidden"}${word.many > 1 ? `, ${count(word.many, "word")}` : ""}`;
    const button = word.hidden
      ? h("button", { class: "word is-hidden", title: ["The rules hide this from you", ...reasons.map(cite)].join("\n"), "aria-label": `Hidden: ${what}`, onclick: () => heard.seek(word.start) }, what)
      : h("button", { class: "word", tabindex: "-1", onclick: () => heard.seek(word.start) }, word.text);
    spoken.push([word, button]);
    return [button, " "];
  };
  const why = said.words.some((word) => word.hidden)
    ? h("div", { class: "body" }, h("div", { class: "note redacted" }, h("b", {}, "Some of it is hidden from you"), h("ul", {}, reasons.map((reason) => h("li", {}, reason[2], " ", h("span", { class: "cite" }, cite(reason)))))))
    : null;
  const list = h(
    "div",
    { class: "transcript", tabindex: "0", role: "region", "aria-label": "Words, in step with the sound" },
    turns.map((turn) => h("div", { class: `turn leg-${turn.leg}` }, h("time", {}, length(turn.words[0].start)), h("div", {}, h("h3", {}, heard.whose(turn.leg)), h("p", {}, turn.words.map(of))))),
  );
  let shown = null;
  heard.onTime((ms) => {
    const [, now] = spoken.find(([word]) => word.start <= ms && ms < word.end) ?? [];
    if (now === shown) return;
    shown?.classList.remove("is-now");
    now?.classList.add("is-now");
    if (now) now.scrollIntoView({ block: "nearest" });
    shown = now ?? null;
  });
  return [why, list];
}
