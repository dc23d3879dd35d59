// Charts: stacked columns over time, and bars in rows. Each has its figures in a table beside it.

import { h, put, svg } from "../dom.js";

/** `columns`: [{ name, title, parts: [[class, n]] }]. Drawn as wide as it stands, so that its words have the size of all others. */
export function columns(label, data) {
  const guess = Math.min(1080, Math.max(290, innerWidth - (innerWidth > 860 ? 340 : 66)));
  const place = h("div", { class: "chart" }, drawn(label, data, Math.round(guess)));
  new ResizeObserver(([{ contentRect }]) => {
    const width = Math.round(contentRect.width);
    if (width && Math.abs(width - place.firstChild.viewBox.baseVal.width) > 8) put(place, drawn(label, data, width));
  }).observe(place);
  return place;
}

function drawn(label, data, width) {
  const [height, left, bottom] = [200, 32, 24];
  const most = Math.max(1, ...data.map((c) => c.parts.reduce((sum, [, n]) => sum + n, 0)));
  const step = (width - left) / Math.max(1, data.length);
  const y = (n) => height - bottom - (n / most) * (height - bottom - 12);
  const every = Math.ceil(data.length / Math.max(2, Math.floor((width - left) / 90)));
  return svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    [0, most / 2, most].map((n) => [
      svg("line", { class: "axis", x1: left, x2: width, y1: y(n), y2: y(n) }),
      svg("text", { x: left - 6, y: y(n) + 4, "text-anchor": "end" }, Number.isInteger(n) ? String(n) : ""),
    ]),
    data.map((column, at) => {
      let sum = 0;
      const x = left + at * step + step * 0.15;
      const bars = column.parts.filter(([, n]) => n).map(([kind, n]) => {
        const top = y(sum + n);
        const bar = svg("rect", { class: kind, x, y: top, width: Math.max(1, step * 0.7), height: y(sum) - top, rx: 1.5 });
        sum += n;
        return bar;
      });
      const name = at % every === 0 ? svg("text", { x: x + (step * 0.7) / 2, y: height - 6, "text-anchor": "middle" }, column.name) : [];
      return svg("g", {}, svg("title", {}, column.title ?? column.name), bars, name);
    }),
  );
}

/** `rows`: [{ name, share (0 to 1), text, kind }]. */
export function bars(rows) {
  return h(
    "div",
    { class: "bars" },
    rows.map(({ name, share, text, kind }) => {
      const fill = h("div", { class: `fill ${kind ?? ""}` });
      fill.style.width = `${Math.round(Math.min(1, Math.max(0, share)) * 100)}%`;
      return h("div", { class: "bar-row" }, h("span", { class: "wrap" }, name), h("div", { class: "track", "aria-hidden": "true" }, fill), h("span", { class: "number" }, text));
    }),
  );
}
