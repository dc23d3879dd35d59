// A form made of a JSON Schema: what packs have as settings is objects, lists, choices, numbers, words, yes or no.

import { h } from "../dom.js";
import { words } from "../format.js";

let count = 0;

/** The form, and `read()`, which gives the settings as they are filled in. */
export function settingsForm(schema, value, readOnly) {
  const root = field(schema, value ?? {}, "", schema, readOnly);
  return { element: h("div", { class: "settings" }, root.element), read: root.read };
}

const resolve = (schema, root) => (schema.$ref ? schema.$ref.replace(/^#\//, "").split("/").reduce((at, key) => at?.[key], root) ?? {} : schema);

function field(given, value, name, root, readOnly) {
  const schema = resolve(given, root);
  const about = schema.description ?? "";
  const id = `setting-${(count += 1)}`;
  const type = Array.isArray(schema.type) ? schema.type.find((t) => t !== "null") : schema.type;
  if (type === "object" && schema.properties) return object(schema, value ?? {}, name, root, readOnly);
  if (type === "boolean") {
    const box = h("input", { type: "checkbox", id, checked: Boolean(value ?? schema.default), disabled: readOnly });
    return { element: h("div", {}, h("label", { class: "check" }, box, label(name, schema)), about && h("small", { class: "muted" }, about)), read: () => box.checked };
  }
  const options = schema.enum ?? schema.oneOf?.map((one) => one.const).filter((one) => one !== undefined);
  if (options?.length) {
    const now = value ?? schema.default;
    const select = h("select", { id, disabled: readOnly }, options.map((one) => h("option", { value: String(one), selected: one === now }, words(one))));
    return { element: wrap(id, name, schema, about, select), read: () => options.find((one) => String(one) === select.value) };
  }
  if (type === "array") {
    const made = list(schema, value ?? schema.default ?? [], id, name, about, root, readOnly);
    // A list that nobody gave is left out, and not given as empty: that may mean something else.
    const read = () => { const now = made.read(); return value === undefined && Array.isArray(now) && !now.length ? undefined : now; };
    return { element: made.element, read };
  }
  if (type === "integer" || type === "number") {
    const box = h("input", { type: "number", id, value: value ?? schema.default ?? "", min: schema.minimum, max: schema.maximum, step: type === "integer" ? 1 : "any", disabled: readOnly });
    return { element: wrap(id, name, schema, about, box), read: () => (box.value === "" ? undefined : Number(box.value)) };
  }
  if (type === "string") {
    const box = h("input", { type: "text", id, value: value ?? schema.default ?? "", disabled: readOnly });
    return { element: wrap(id, name, schema, about, box), read: () => (box.value === "" && value === undefined ? undefined : box.value) };
  }
  // Whatever else a schema can say is edited as it is written.
  const box = h("textarea", { id, rows: 4, class: "mono", value: JSON.stringify(value ?? schema.default ?? null, null, 2), disabled: readOnly });
  return { element: wrap(id, name, schema, about || "JSON", box), read: () => JSON.parse(box.value) };
}

function object(schema, value, name, root, readOnly) {
  const fields = Object.entries(schema.properties).map(([key, of]) => [key, field(of, value[key], key, root, readOnly)]);
  const body = fields.map(([, f]) => f.element);
  return {
    element: name ? h("fieldset", {}, h("legend", {}, label(name, schema)), schema.description && h("small", { class: "muted" }, schema.description), body) : h("div", { class: "stack" }, body),
    read: () => Object.fromEntries(fields.map(([key, f]) => [key, f.read()]).filter(([, v]) => v !== undefined)),
  };
}

/** Choices of a known few as boxes, words and numbers one a line, anything else as it is written. */
function list(schema, value, id, name, about, root, readOnly) {
  const items = resolve(schema.items ?? {}, root);
  if (items.enum) {
    const boxes = items.enum.map((one) => [one, h("input", { type: "checkbox", checked: value.includes(one), disabled: readOnly })]);
    return {
      element: h("fieldset", {}, h("legend", {}, label(name, schema)), about && h("small", { class: "muted" }, about), boxes.map(([one, box]) => h("label", { class: "check" }, box, words(one)))),
      read: () => boxes.filter(([, box]) => box.checked).map(([one]) => one),
    };
  }
  if (items.type === "string" || items.type === "integer" || items.type === "number") {
    const box = h("textarea", { id, rows: Math.min(8, Math.max(2, value.length + 1)), value: value.join("\n"), disabled: readOnly });
    const read = () => box.value.split("\n").map((line) => line.trim()).filter(Boolean);
    return { element: wrap(id, name, schema, about || "One a line", box), read: () => (items.type === "string" ? read() : read().map(Number)) };
  }
  const box = h("textarea", { id, rows: 6, class: "mono", value: JSON.stringify(value, null, 2), disabled: readOnly });
  return { element: wrap(id, name, schema, about || "JSON", box), read: () => JSON.parse(box.value) };
}

const label = (name, schema) => schema.title ?? words(name);
const wrap = (id, name, schema, about, input) => h("div", { class: "field" }, h("label", { for: id }, label(name, schema)), input, about && h("small", {}, about));
