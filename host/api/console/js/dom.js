// Elements. Text is always text: nothing here takes markup.

/** An element. Keys that begin with `on` are listeners, `class` and `data` are what they say, false and null leave out. */
export function h(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(given)) {
    if (value === false || value === null || value === undefined) continue;
    if (key === "class") element.className = value;
    else if (key === "data") Object.assign(element.dataset, value);
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "value" || key === "checked" || key === "disabled" || key === "selected") element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An SVG element. */
export function svg(tag, given = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(given)) element.setAttribute(key, value);
  element.append(...children.flat(Infinity));
  return element;
}

/** Puts these in the place of whatever a place holds. */
export function put(place, ...children) {
  place.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return place;
}

/** A sentence that names things `so`: what it names is shown as code. */
export function prose(text) {
  const parts = String(text ?? "").split("`");
  // A backtick without another is one.
  if (parts.length % 2 === 0) return [String(text)];
  return parts.map((part, n) => (n % 2 ? h("code", {}, part) : part));
}

const ICONS = {
  play: "M4 2.5v11l9.5-5.5z",
  pause: "M4 2.5h3v11H4zM9 2.5h3v11H9z",
  menu: "M2 4h12M2 8h12M2 12h12",
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.6M8 13.4V15M1 8h1.6M13.4 8H15M3 3l1.2 1.2M11.8 11.8 13 13M13 3l-1.2 1.2M4.2 11.8 3 13",
  out: "M6 2.5H3v11h3M10 5l3 3-3 3M13 8H6",
  hold: "M4.5 7V5a3.5 3.5 0 0 1 7 0v2M3.5 7h9v6.5h-9z",
  copy: "M5 5h8.5v8.5H5zM3 11H2.5V2.5H11V3",
};

export function icon(name) {
  const filled = name === "play" || name === "pause";
  const path = svg("path", {
    d: ICONS[name],
    fill: filled ? "currentColor" : "none",
    stroke: filled ? "none" : "currentColor",
    "stroke-width": "1.5",
    "stroke-linecap": "round",
    "stroke-linejoin": "round",
  });
  return svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, path);
}
