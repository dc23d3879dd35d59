// The packs of this client: what rules, what only watches, what ruled before; settings, other versions, what they would change.

import { h, put } from "../dom.js";
import { get, may, post, upload } from "../session.js";
import { count, moment, short, words } from "../format.js";
import { ask, toast } from "../parts/dialog.js";
import { badge, card, empty, failed, fill, head, outcome, table } from "../parts/view.js";
import { impactOf } from "../parts/impact.js";
import { settingsForm } from "../parts/settings.js";

export async function show(place, { rest, signal }) {
  if (rest[0]) return showOne(place, rest[0], rest[1] ?? "active", signal);
  const body = h("div", { class: "stack" });
  const add = may("change-packs") && h("button", { class: "button main", onclick: () => change(null, signal, () => load()) }, "Add a pack…");
  put(place, head("Packs", "The rules that are asked before anything of a call is kept or played. The strictest answer is obeyed.", add), body);
  const load = () => fill(body, async () => {
    const [{ "in-force": inForce, sets }, watched] = await Promise.all([get("/v1/packs", { limit: 20 }, signal), get("/v1/packs/monitor", { limit: 50 }, signal)]);
    return [
      card("In force", null, table("Packs in force", COLUMNS, inForce, (pack) => `#/packs/${encodeURIComponent(pack.name)}/${pack.mode}`)),
      inForce.some((pack) => pack.mode === "monitor") ? card("What monitored packs would have done", null, watched.length ? table("Differences", DIFFERENCES, watched) : empty("No difference yet", "Monitored packs agreed with what was done, since the host started.")) : null,
      card("Before", null, history(sets, load)),
    ];
  });
  await load();
}

const COLUMNS = [
  ["Pack", (pack) => [h("a", { class: "whole", href: `#/packs/${encodeURIComponent(pack.name)}/${pack.mode}` }, pack.title), h("div", { class: "muted small" }, pack.name)]],
  ["Version", (pack) => pack.version, "nowrap"],
  ["Mode", (pack) => (pack.mode === "active" ? badge("Obeyed", "recording") : badge("Only watches", "paused"))],
  ["Digest", (pack) => h("code", { title: pack.digest }, short(pack.digest))],
  ["Settings", (pack) => h("code", { title: pack.settings }, short(pack.settings))],
];

const DIFFERENCES = [
  ["When", (d) => moment(d.at), "nowrap"],
  ["Pack", (d) => `${d.pack.name} ${d.pack.version}`],
  ["Event", (d) => words(d.event)],
  ["Was", (d) => outcome(d.outcome)],
  ["Would be", (d) => outcome(d["would-be"])],
  ["Obligations", (d) => [...d.added.map((o) => `+ ${words(o)}`), ...d.missing.map((o) => `− ${words(o)}`)].join(", ") || "The same"],
];

function history(sets, again) {
  const back = (set) =>
    ask({
      title: `Back to set ${set.number}`,
      text: `The packs of ${moment(set.at)} rule again from the next event on. Running calls go on.`,
      fields: [{ name: "why", label: "Reason", type: "textarea", required: true }],
      yes: "Roll back",
      act: async ({ why }) => {
        await post("/v1/packs/rollback", {}, { to: set.number, why });
        again();
      },
    });
  return table(
    "Sets that ruled",
    [
      ["Set", (set) => [String(set.number), set.origin !== set.number ? h("span", { class: "muted small" }, ` (as ${set.origin})`) : null]],
      ["Since", (set) => moment(set.at), "nowrap"],
      ["By", (set) => set.by],
      ["Why", (set) => set.why],
      ["Packs", (set) => set.packs.map((p) => `${p.name} ${p.version}${p.mode === "monitor" ? " (watches)" : ""}`).join(", ")],
      ["", (set) => (set === sets[0] ? badge("In force", "recording") : may("change-packs") && h("button", { class: "button tight", onclick: () => back(set) }, "Roll back…")), "acts"],
    ],
    sets,
  );
}

async function showOne(place, name, mode, signal) {
  const body = h("div", { class: "stack" });
  put(place, body);
  const load = () => fill(body, async () => {
    const { "in-force": inForce } = await get("/v1/packs", { limit: 1 }, signal);
    const pack = inForce.find((p) => p.name === name && p.mode === mode) ?? inForce.find((p) => p.name === name);
    if (!pack) return [h("h1", {}, name), h("div", { class: "card" }, empty("No such pack is in force", "It may have been replaced.", h("a", { class: "button", href: "#/packs" }, "All packs")))];
    const result = h("div");
    return [
      h(
        "div",
        { class: "head" },
        h("div", {}, h("a", { href: "#/packs", class: "small" }, "Packs"), h("h1", {}, pack.title), h("p", { class: "row" }, `${pack.name} ${pack.version}`, pack.mode === "active" ? badge("Obeyed", "recording") : badge("Only watches", "paused"), h("code", { title: pack.digest }, short(pack.digest)))),
        may("change-packs") && h("div", { class: "row" }, h("button", { class: "button main", onclick: () => change(pack, signal, load) }, "Replace…"), h("button", { class: "button quiet", onclick: () => retire(pack) }, "Take out…")),
      ),
      card("Settings", null, h("div", { class: "body" }, pack.schema ? settings(pack, result, load, signal) : h("p", { class: "muted" }, "This pack has no settings."))),
      result,
    ];
  });
  await load();
}

function settings(pack, result, again, signal) {
  const form = settingsForm(pack.schema, pack.configured, !may("change-packs"));
  const save = () =>
    ask({
      title: "Put these settings in force",
      text: "From the next event on. Running calls go on; going back is one click.",
      fields: [{ name: "why", label: "Reason", type: "textarea", required: true }],
      yes: "Put in force",
      act: async ({ why }) => {
        await post("/v1/packs/settings", { pack: pack.name, mode: pack.mode, settings: form.read(), why });
        again();
      },
    });
  const compare = () => impactOf(result, { replace: pack.name, settings: JSON.stringify(form.read()) }, null, signal);
  return [form.element, may("change-packs") && h("div", { class: "row end after" }, h("button", { class: "button", onclick: compare }, "What would change?"), h("button", { class: "button main", onclick: save }, "Save…"))];
}

/** Another version of a pack, or a new one: what it would have changed is shown before it is put in force. */
function change(pack, signal, again) {
  const result = h("div");
  const file = h("input", { type: "file", id: "pack-file", accept: ".wasm", required: true });
  const mode = h("select", { id: "pack-mode" }, h("option", { value: "monitor" }, "Only watches"), h("option", { value: "active", selected: pack?.mode === "active" }, "Is obeyed"));
  const why = h("input", { id: "pack-why" });
  const field = (id, label, element) => h("div", { class: "field" }, h("label", { for: id }, label), element);
  const bytes = async () => {
    if (!file.files[0]) throw new Error("Choose a pack first.");
    return file.files[0].arrayBuffer();
  };
  const given = () => ({ replace: pack?.name, mode: mode.value, why: why.value });
  const close = () => dialog.remove();
  // What fails is said in the dialog: nothing behind it is seen or read out.
  const here = async (act) => {
    try {
      await act();
    } catch (problem) {
      if (problem.name !== "AbortError") put(result, failed(problem));
    }
  };
  const dialog = h(
    "dialog",
    { "aria-labelledby": "change-title", onclose: close },
    h(
      "form",
      { method: "dialog", onsubmit: (event) => event.preventDefault() },
      h("h2", { id: "change-title" }, pack ? `Replace ${pack.name}` : "Add a pack"),
      h("p", { class: "muted" }, "It is checked, configured and held to its own cases first. What fails changes nothing."),
      field("pack-file", "Pack (.wasm)", file),
      field("pack-mode", "The pack", mode),
      field("pack-why", "Reason", why),
      result,
      h(
        "div",
        { class: "row end" },
        h("button", { class: "button quiet", type: "button", onclick: () => dialog.close() }, "Cancel"),
        h("button", { class: "button", type: "button", onclick: () => here(async () => impactOf(result, { replace: pack?.name }, await bytes(), signal)) }, "What would change?"),
        h("button", { class: "button main", type: "button", onclick: () => here(async () => {
          const set = await upload("/v1/packs/swap", await bytes(), given());
          dialog.close();
          toast(`Set ${set.number} is in force: ${count(set.packs.length, "pack")}.`);
          again();
        }) }, "Put in force"),
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
}

const retire = (pack) =>
  ask({
    title: `Take out ${pack.name}`,
    text: "Its rules are not asked any more, from the next event on.",
    fields: [{ name: "why", label: "Reason", type: "textarea", required: true }],
    yes: "Take out",
    grave: true,
    act: async ({ why }) => {
      await post("/v1/packs/swap", {}, { retire: pack.name, why });
      location.hash = "#/packs";
    },
  });
