// Sound as it is drawn: a lane a leg, gaps hatched with their reasons, what is hidden, a selection, where one is.
//
// Drawn here and not by wavesurfer.js (looked at: 8.0, with its regions): it tells a screen reader nothing and takes no keys,
// and it writes styles into the page, which the policy of the console's pages forbids.

import { h } from "../dom.js";
import { length } from "../format.js";

const LANE = 84;

/**
 * `wave`: as `GET /v1/recordings/{id}/waveform` answers; `marks`: [{ from, to, leg, kind, text }] of kinds `redacted` and
 * `paused`. `on.seek(ms)`, `on.select(from, to)` or `on.select(null)`, `on.toggle()`.
 */
export function waveform(wave, marks, on) {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const slider = h(
    "div",
    { class: "canvas", role: "slider", tabindex: "0", "aria-label": "Place in the recording", "aria-valuemin": "0", "aria-valuemax": String(Math.round(wave.ms / 1000)), "aria-valuenow": "0", title: "" },
    canvas,
  );
  const legs = wave.legs.length ? wave.legs : [{ leg: 0, peaks: [] }];
  let now = 0;
  let selected = null;
  let from = null;

  const resolve = (name) => {
    // light-dark() is a function: let the browser give the color that it comes to.
    const probe = h("i");
    probe.style.color = `var(${name})`;
    slider.append(probe);
    const got = getComputedStyle(probe).color;
    probe.remove();
    return got;
  };

  function draw() {
    const ratio = devicePixelRatio || 1;
    const [width, height] = [slider.clientWidth, LANE * legs.length];
    if (!width) return;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const x = (ms) => (ms / Math.max(1, wave.ms)) * width;
    const colors = Object.fromEntries(["line", "line-strong", "accent", "accent-soft", "redacted", "redacted-soft", "paused-soft", "paused", "ink", "leg-0", "leg-1"].map((name) => [name, resolve(`--${name}`)]));
    if (selected) {
      pen.fillStyle = colors["accent-soft"];
      pen.fillRect(x(selected[0]), 0, Math.max(1, x(selected[1]) - x(selected[0])), height);
    }
    legs.forEach((leg, lane) => {
      const top = lane * LANE;
      const middle = top + LANE / 2;
      pen.fillStyle = colors.line;
      pen.fillRect(0, middle - 0.5, width, 1);
      const of = (gap) => gap.leg === undefined || gap.leg === null || gap.leg === leg.leg;
      for (const gap of wave.gaps.filter(of)) hatch(pen, x(gap["from-ms"]), top + 6, Math.max(2, x(gap["to-ms"]) - x(gap["from-ms"])), LANE - 12, colors["line-strong"]);
      const peaks = leg.peaks;
      const columns = Math.max(1, Math.floor(width / 3));
      pen.fillStyle = colors[leg.leg === 0 ? "leg-0" : "leg-1"];
      for (let column = 0; column < columns && peaks.length; column += 1) {
        const first = Math.floor((column / columns) * peaks.length);
        const last = Math.max(first + 1, Math.floor(((column + 1) / columns) * peaks.length));
        let [low, high] = [0, 0];
        for (let i = first; i < last; i += 1) {
          low = Math.min(low, peaks[i][0]);
          high = Math.max(high, peaks[i][1]);
        }
        // The ear hears loudness, not samples: quiet speech is to be seen as well.
        const loud = (v) => Math.sign(v) * Math.sqrt(Math.abs(v) / 127) * (LANE / 2 - 8);
        if (high !== low) pen.fillRect(column * 3, middle - loud(high), 2, Math.max(1, loud(high) - loud(low)));
      }
      for (const mark of marks.filter(of)) {
        const [left, wide] = [x(mark.from), Math.max(3, x(mark.to) - x(mark.from))];
        pen.fillStyle = colors[`${mark.kind}-soft`];
        pen.globalAlpha = 0.85;
        pen.fillRect(left, top + 4, wide, LANE - 8);
        pen.globalAlpha = 1;
        pen.fillStyle = colors[mark.kind];
        pen.fillRect(left, top + 4, wide, 3);
      }
    });
    pen.fillStyle = colors.accent;
    if (selected) {
      pen.fillRect(x(selected[0]), 0, 1, height);
      pen.fillRect(x(selected[1]), 0, 1, height);
    }
    pen.fillStyle = colors.ink;
    pen.fillRect(Math.min(width - 2, x(now)), 0, 2, height);
  }

  const at = (event) => {
    const box = slider.getBoundingClientRect();
    return Math.round(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * wave.ms);
  };
  slider.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    slider.setPointerCapture(event.pointerId);
    from = at(event);
  });
  slider.addEventListener("pointermove", (event) => {
    const ms = at(event);
    const here = [...wave.gaps.map((g) => ({ from: g["from-ms"], to: g["to-ms"], text: g.text ?? g.reason })), ...marks];
    slider.title = here.filter((m) => m.from <= ms && ms < m.to).map((m) => m.text).join("\n");
    if (from === null || Math.abs(ms - from) < wave.ms / 200) return;
    select([Math.min(from, ms), Math.max(from, ms)]);
  });
  slider.addEventListener("pointerup", (event) => {
    if (from === null) return;
    const ms = at(event);
    if (Math.abs(ms - from) < wave.ms / 200) {
      select(null);
      on.seek(ms);
    }
    from = null;
  });
  slider.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 10_000 : 1_000;
    const keys = {
      ArrowRight: () => on.seek(Math.min(wave.ms, now + step)),
      ArrowLeft: () => on.seek(Math.max(0, now - step)),
      Home: () => on.seek(0),
      End: () => on.seek(wave.ms),
      " ": () => on.toggle(),
      "[": () => select([now, Math.max(now, selected?.[1] ?? wave.ms)]),
      "]": () => select([Math.min(now, selected?.[0] ?? 0), now]),
      Escape: () => select(null),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });

  function select(span, tell = true) {
    selected = span;
    draw();
    if (tell) on.select(span);
  }
  function moveTo(ms) {
    now = ms;
    slider.setAttribute("aria-valuenow", String(Math.round(ms / 1000)));
    slider.setAttribute("aria-valuetext", `${length(ms)} of ${length(wave.ms)}`);
    draw();
  }

  canvas.style.height = `${LANE * legs.length}px`;
  new ResizeObserver(draw).observe(slider);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new MutationObserver(draw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  return { element: slider, moveTo, select: (span) => select(span, false) };
}

function hatch(pen, left, top, width, height, color) {
  pen.save();
  pen.beginPath();
  pen.rect(left, top, width, height);
  pen.clip();
  pen.strokeStyle = color;
  pen.globalAlpha = 0.55;
  pen.lineWidth = 1;
  pen.beginPath();
  for (let i = left - height; i < left + width; i += 6) {
    pen.moveTo(i, top + height);
    pen.lineTo(i + height, top);
  }
  pen.stroke();
  pen.restore();
}
