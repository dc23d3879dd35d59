// Words in step with the sound.

import { h } from "../dom.js";
import { length } from "../format.js";
import { empty } from "./view.js";

/** A turn ends where the other leg speaks, or after this much silence. */
const TURN_MS = 2500;

/** `said`: { words: [{ leg, start, end, text, hidden }], decided }. `heard`: what the player gives. */
export function transcript(said, heard) {
  if (!said.words.length) return empty("No words were recognized", "Words come from a recognizer beside the phone system, if there is one.");
  const turns = [];
  for (const word of said.words) {
    const last = turns.at(-1);
    if (last && last.leg === word.leg && word.start - last.words.at(-1).end < TURN_MS) last.words.push(word);
    else turns.push({ leg: word.leg, words: [word] });
  }
  const spoken = [];
  const of = (word) => {
    const button = word.hidden
      ? h("button", { class: "word is-hidden", title: "The rules hide this from you", "aria-label": "Hidden", onclick: () => heard.seek(word.start) }, "hidden")
      : h("button", { class: "word", tabindex: "-1", onclick: () => heard.seek(word.start) }, word.text);
    spoken.push([word, button]);
    return [button, " "];
  };
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
  return list;
}
