// Asking and telling.

import { h, prose } from "../dom.js";

/** A second factor may be asked for above another dialog. */
let count = 0;

/**
 * A form in a dialog. `fields`: { name, label, type, value, options, hint, required, rows }. Gives what was filled in, or
 * null. Where `act` is given the dialog stays until it worked, and shows why not. `body`: what else is shown above them;
 * `other`: { word, act }, another way to the same end.
 */
export function ask({ title, text, body, fields = [], yes = "Go on", grave = false, act, other }) {
  const titled = `dialog-${(count += 1)}`;
  return new Promise((resolve) => {
    const error = h("p", { class: "note refused", role: "alert", hidden: true });
    const inputs = fields.map((field) => [field, input(field)]);
    const main = h("button", { class: `button ${grave ? "grave" : "main"}`, type: "submit" }, yes);
    const close = (value) => {
      dialog.close();
      dialog.remove();
      resolve(value);
    };
    const attempted = async (how, given) => {
      main.classList.add("is-busy");
      error.hidden = true;
      try {
        close((await how()) ?? given);
      } catch (problem) {
        error.replaceChildren(...problemText(problem));
        error.hidden = false;
      } finally {
        main.classList.remove("is-busy");
      }
    };
    const form = h(
      "form",
      {
        method: "dialog",
        onsubmit: async (event) => {
          event.preventDefault();
          const given = Object.fromEntries(inputs.map(([field, element]) => [field.name, read(field, element)]));
          if (!act) return close(given);
          await attempted(() => act(given), given);
        },
      },
      h("h2", { id: titled }, title),
      text && h("p", { class: "muted" }, text),
      body ?? [],
      inputs.map(([field, element]) => labeled(field, element)),
      error,
      h("div", { class: "row end" }, h("button", { class: "button", type: "button", onclick: () => close(null) }, "Cancel"), other && h("button", { class: "button", type: "button", onclick: () => attempted(other.act, {}) }, other.word), main),
    );
    const dialog = h("dialog", { "aria-labelledby": titled, oncancel: (event) => { event.preventDefault(); close(null); } }, form);
    document.body.append(dialog);
    dialog.showModal();
    (inputs[0]?.[1] ?? main).focus();
  });
}

export function input(field) {
  const given = { name: field.name, id: `field-${field.name}`, required: field.required, autocomplete: field.autocomplete ?? "off" };
  if (field.options) {
    const options = Object.entries(field.options);
    return h("select", given, options.map(([value, word]) => h("option", { value, selected: value === field.value }, word)));
  }
  if (field.type === "textarea") return h("textarea", { ...given, rows: field.rows ?? 3, value: field.value ?? "" });
  if (field.type === "checkbox") return h("input", { ...given, type: "checkbox", checked: Boolean(field.value) });
  const more = { type: field.type ?? "text", inputmode: field.inputmode, pattern: field.pattern, min: field.min, step: field.step, accept: field.accept };
  return h("input", { ...given, ...more, ...(field.type === "file" ? {} : { value: field.value ?? "" }) });
}

export function read(field, element) {
  if (field.type === "checkbox") return element.checked;
  if (field.type === "file") return element.files[0] ?? null;
  return element.value.trim();
}

export function labeled(field, element) {
  if (field.type === "checkbox") return h("label", { class: "check" }, element, field.label);
  return h("div", { class: "field" }, h("label", { for: element.id }, field.label), element, field.hint && h("small", {}, field.hint));
}

/** What is wrong, as the host says it; with the rule and its citation where packs said no. */
export function problemText(problem) {
  const reasons = problem.decided?.reasons ?? [];
  if (!reasons.length) return [h("b", {}, problem.title ?? "It did not work"), prose(sentence(problem.message))];
  return [
    h("b", {}, problem.title),
    h("ul", {}, reasons.map(([rule, citation, message]) => h("li", {}, prose(message), " ", h("span", { class: "cite" }, [rule, citation].filter(Boolean).join(" · "))))),
  ];
}

/** As it stands alone; the host's messages also stand behind others. */
function sentence(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : text;
}

/** Says something in passing. */
export function toast(text, kind = "") {
  let place = document.querySelector(".toasts");
  if (!place) {
    place = h("div", { class: "toasts", role: "status", "aria-live": "polite" });
    document.body.append(place);
  }
  const one = h("div", { class: `toast ${kind}` }, prose(text));
  place.append(one);
  setTimeout(() => one.remove(), 6000);
}

/** Does it, and says in passing when it does not work. */
export async function attempt(act, done) {
  try {
    const result = await act();
    if (done) toast(typeof done === "function" ? done(result) : done);
    return result ?? true;
  } catch (problem) {
    if (problem.name === "AbortError") return null;
    const [first] = problem.decided?.reasons ?? [];
    toast(first ? `${first[2]} (${[first[0], first[1]].filter(Boolean).join(", ")})` : problem.message, "refused");
    return null;
  }
}
