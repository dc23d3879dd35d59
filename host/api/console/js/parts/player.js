// Hearing a recording: its drawing, its sound, a stretch of it chosen by dragging or by keys.

import { h, icon, put } from "../dom.js";
import { get, may, media } from "../session.js";
import { length, place as placeOf, words } from "../format.js";
import { failed } from "./view.js";
import { waveform } from "./waveform.js";
import { problemText } from "./dialog.js";

/**
 * Shows it in `place`. Gives what others follow it by: `onTime(f)` calls `f(ms)` as it plays, `seek(ms)`.
 * `redact({ from, to, leg, mode })` is called for the stretch that was chosen.
 */
export async function player(place, { id, purpose, known, signal, redact }) {
  const listeners = [];
  let wave;
  try {
    wave = await get(`/v1/recordings/${id}/waveform`, { purpose }, signal);
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    if (problem.status !== 404) {
      put(place, failed(problem));
      return { seek: () => {}, onTime: () => {}, whose: (leg) => `Leg ${leg}` };
    }
    wave = { ms: known["duration-ms"], legs: [], gaps: [] };
  }
  wave.ms ||= known["duration-ms"];
  for (const gap of wave.gaps) gap.text = [words(gap.reason), gap.rule].filter(Boolean).join(": ");
  const hides = (known.facts.labels ?? []).map((label) => ({ from: label.where.start, to: label.where.end, leg: label.where.leg, kind: "paused", text: `${words(label.kind)} was found here` }));
  const redacted = wave.gaps.filter((gap) => /redact|mask|shred/.test(gap.reason)).map((gap) => ({ from: gap["from-ms"], to: gap["to-ms"], leg: gap.leg, kind: "redacted", text: gap.text }));

  const audio = h("audio", { preload: "none" });
  const time = h("span", { class: "time" });
  const playing = h("button", { class: "button main", "aria-label": "Play", onclick: () => toggle() }, icon("play"), "Play");
  const trouble = h("div", { class: "body", hidden: true });
  const from = h("input", { id: "from-ms" });
  const to = h("input", { id: "to-ms" });
  const chosen = h(
    "div",
    { class: "selection", hidden: true },
    h("div", { class: "field" }, h("label", { for: "from-ms" }, "From"), from),
    h("div", { class: "field" }, h("label", { for: "to-ms" }, "To"), to),
    h("button", { class: "button", onclick: () => { const [a] = span(); seek(a); play(); } }, "Play it"),
    may("redact-recording") && h("button", { class: "button", onclick: () => wanted("mask") }, "Mask…"),
    may("shred-recording") && h("button", { class: "button grave", onclick: () => wanted("shred") }, "Destroy…"),
    h("button", { class: "button quiet", onclick: () => choose(null) }, "Clear"),
  );
  const drawn = waveform(wave, [...hides, ...redacted], { seek: (ms) => seek(ms), select: (s) => choose(s, false), toggle: () => toggle() });

  const span = () => [placeOf(from.value) ?? 0, placeOf(to.value) ?? wave.ms];
  const wanted = (mode) => {
    const [a, b] = span();
    redact({ from: a, to: b, mode });
  };
  function choose(s, draw = true) {
    chosen.hidden = !s;
    if (s) [from.value, to.value] = s.map((ms) => length(ms, true));
    if (draw) drawn.select(s);
  }
  for (const field of [from, to]) field.addEventListener("change", () => drawn.select(span()));

  let opened = null;
  let start = 0;
  async function open() {
    if (opened) return true;
    playing.classList.add("is-busy");
    try {
      opened = await media(`/v1/recordings/${id}/audio`, { purpose }, signal);
      audio.src = opened.url;
      if (start) audio.addEventListener("loadedmetadata", () => { audio.currentTime = start / 1000; }, { once: true });
      trouble.hidden = true;
      return true;
    } catch (problem) {
      if (problem.name === "AbortError") return false;
      put(trouble, h("div", { class: "note refused", role: "alert" }, problemText(problem)));
      trouble.hidden = false;
      return false;
    } finally {
      playing.classList.remove("is-busy");
    }
  }
  async function play() {
    if (await open()) await audio.play();
  }
  const toggle = () => (audio.paused ? play() : audio.pause());
  function seek(ms) {
    start = ms;
    if (opened) audio.currentTime = ms / 1000;
    tell(ms);
  }
  function tell(ms) {
    drawn.moveTo(ms);
    time.textContent = `${length(ms, true)} / ${length(wave.ms, true)}`;
    for (const listener of listeners) listener(ms);
  }
  const looks = (is) => {
    put(playing, icon(is ? "pause" : "play"), is ? "Pause" : "Play");
    playing.setAttribute("aria-label", is ? "Pause" : "Play");
  };
  let frame = 0;
  const follow = () => {
    tell(audio.currentTime * 1000);
    frame = audio.paused ? 0 : requestAnimationFrame(follow);
  };
  audio.addEventListener("play", () => { looks(true); frame ||= requestAnimationFrame(follow); });
  audio.addEventListener("pause", () => looks(false));
  audio.addEventListener("ended", () => looks(false));
  audio.addEventListener("seeked", () => tell(audio.currentTime * 1000));
  signal.addEventListener("abort", () => {
    audio.pause();
    opened?.done();
  });

  const speed = h("select", { "aria-label": "Speed", onchange: () => { audio.playbackRate = Number(speed.value); } }, ["0.75", "1", "1.25", "1.5", "2"].map((s) => h("option", { value: s, selected: s === "1" }, `${s}×`)));
  const legs = wave.legs.length ? wave.legs : [{ leg: 0 }];
  const whose = (leg) => words((known.facts.parties ?? []).find((p) => p.leg === leg)?.role ?? `leg ${leg}`);
  put(
    place,
    h("div", { class: "lanes" }, drawn.element),
    h("div", { class: "controls" }, playing, time, speed, h("span", { class: "muted small" }, "Drag over the picture to choose a stretch; or press [ and ] where it begins and ends.")),
    trouble,
    chosen,
    h(
      "div",
      { class: "legend" },
      legs.map(({ leg }) => h("span", {}, h("i", { class: leg === 0 ? "leg-0" : "leg-1" }), whose(leg))),
      wave.gaps.length ? h("span", {}, h("i", { class: "gap" }), "Nothing kept") : null,
      hides.length ? h("span", {}, h("i", { class: "paused" }), "Something was found") : null,
      redacted.length ? h("span", {}, h("i", { class: "redacted" }), "Redacted") : null,
    ),
    gaps(wave.gaps, seek),
    audio,
  );
  tell(0);
  return { seek, play, whose, onTime: (listener) => listeners.push(listener) };
}

/** The gaps in words, for whoever does not see the drawing. */
function gaps(all, seek) {
  if (!all.length) return null;
  const seen = new Map();
  for (const gap of all) seen.set(`${gap["from-ms"]} ${gap["to-ms"]} ${gap.text}`, gap);
  return h(
    "details",
    { class: "body gaps" },
    h("summary", {}, "What is missing, and why"),
    h("ul", { class: "stack tight" }, [...seen.values()].map((gap) => h("li", { class: "row" }, h("button", { class: "button tight", onclick: () => seek(gap["from-ms"]) }, `${length(gap["from-ms"], true)} to ${length(gap["to-ms"], true)}`), gap.text))),
  );
}
