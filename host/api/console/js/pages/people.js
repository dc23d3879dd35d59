// The people of this client: roles, standing, invitations; machine tokens; and what each role may do.

import { h } from "../dom.js";
import { get, may, me, post, remove } from "../session.js";
import { moment, words } from "../format.js";
import { ask, attempt } from "../parts/dialog.js";
import { badge, card, empty, fill, head, settled, table } from "../parts/view.js";

const ROLES = Object.fromEntries(["agent", "supervisor", "trainer", "compliance", "auditor", "integrator", "admin"].map((role) => [role, words(role)]));
const SCOPES = ["capture", "call-events", "read-api", "admin"];

export async function show(place, { signal }) {
  const people = h("div");
  const tokens = h("div");
  const roles = h("div");
  const load = () => fill(people, () => list(signal, load), 5);
  const loadTokens = () => fill(tokens, () => machines(signal, loadTokens), 3);
  const top = head("People", "Who may do what. Nobody changes their own role or standing.", may("manage-people") && h("button", { class: "button main", onclick: () => invite(load) }, "Invite somebody…"));
  const parts = [
    card("People", null, people),
    may("manage-tokens") ? card("Machine tokens", h("button", { class: "button tight", onclick: () => token(loadTokens) }, "Make a token…"), tokens) : null,
    card("What each role may do", null, roles),
  ];
  await settled(place, top, parts, load(), may("manage-tokens") ? loadTokens() : null, fill(roles, () => allowed(signal), 8));
}

const STANDING = { active: ["Active", "recording"], suspended: ["Suspended", "paused"], terminated: ["Left", "refused"] };

async function list(signal, again) {
  const rows = await get("/v1/people", {}, signal);
  const change = (person) =>
    ask({
      title: `Change ${person.name || person.id}`,
      fields: [
        { name: "name", label: "Name", value: person.name },
        { name: "role", label: "Role", options: ROLES, value: person.role },
        { name: "function", label: "Job", value: person.function, hint: "In the client's words, such as disputes or billing; packs read it." },
        { name: "standing", label: "Standing", options: { active: "Active", suspended: "Suspended", terminated: "Left" }, value: person.standing },
      ],
      yes: "Change",
      act: async (given) => {
        const changed = Object.fromEntries(Object.entries(given).filter(([key, value]) => value !== (person[key] ?? "")));
        await post(`/v1/people/${person.id}`, changed);
        again();
      },
    });
  const again2 = (person) =>
    ask({
      title: `Invite ${person.name || person.id} anew`,
      text: "Password, authenticator, passkeys and recovery codes are taken from them. See first that it is them who ask.",
      yes: "Invite anew",
      grave: true,
      act: async () => shown(await post(`/v1/people/${person.id}/invitation`)),
    });
  return table(
    "People",
    [
      ["Person", (person) => [h("b", {}, person.name || person.id), h("div", { class: "muted small" }, person.id)]],
      ["Role", (person) => words(person.role)],
      ["Job", (person) => person.function],
      ["Standing", (person) => badge(...(STANDING[person.standing] ?? [words(person.standing), ""]))],
      ["Last here", (person) => moment(person.last_used), "nowrap"],
      ["", (person) => may("manage-people") && person.id !== me().person && h("div", { class: "row end" }, h("button", { class: "button tight", onclick: () => change(person) }, "Change…"), h("button", { class: "button tight quiet", onclick: () => again2(person) }, "Invite anew…")), "acts"],
    ],
    rows,
  );
}

const invite = (again) =>
  ask({
    title: "Invite somebody",
    fields: [
      { name: "id", label: "Id", required: true, pattern: "[a-z0-9][a-z0-9-]*", hint: "Small letters, digits, hyphens." },
      { name: "name", label: "Name" },
      { name: "role", label: "Role", options: ROLES },
      { name: "function", label: "Job", hint: "In the client's words; packs read it." },
    ],
    yes: "Invite",
    act: async (given) => {
      const made = await post("/v1/people", given);
      again();
      shown(made);
    },
  });

/** What is shown once. */
function shown(made) {
  const text = made.link ?? made.invitation ?? made.token;
  setTimeout(() => ask({ title: "Shown once", text: "Hand it over by a way that is safe. It cannot be shown again.", fields: [{ name: "secret", label: made.token ? "Token" : "Invitation", type: "textarea", value: text }], yes: "Done" }));
}

async function machines(signal, again) {
  const rows = await get("/v1/tokens", {}, signal);
  if (!rows.length) return empty("No token", "Machines that send calls or read the API need one.");
  const revoke = async (row) => {
    if (await attempt(() => remove(`/v1/tokens/${row.id}`), "The token is revoked.")) again();
  };
  return table(
    "Machine tokens",
    [
      ["Token", (row) => [h("b", {}, row.name), h("div", { class: "muted small mono" }, row.id)]],
      ["Good for", (row) => h("div", { class: "badges" }, row.scopes.map((scope) => h("span", { class: "badge plain" }, words(scope))))],
      ["Until", (row) => moment(row.expires ?? row.until), "nowrap"],
      ["", (row) => (row.revoked ? badge("Revoked", "refused") : h("button", { class: "button tight", onclick: () => revoke(row) }, "Revoke")), "acts"],
    ],
    rows,
  );
}

const token = (again) =>
  ask({
    title: "Make a machine token",
    fields: [
      { name: "name", label: "What it is for", required: true },
      ...SCOPES.map((scope) => ({ name: scope, label: words(scope), type: "checkbox" })),
      { name: "days", label: "Good for, in days", type: "number", value: "90", min: "1" },
    ],
    yes: "Make it",
    act: async (given) => {
      const made = await post("/v1/tokens", { name: given.name, scopes: SCOPES.filter((scope) => given[scope]), valid_days: Number(given.days) });
      again();
      shown(made);
    },
  });

/** The table of roles. Packs rule on top of it, and may allow less. */
async function allowed(signal) {
  const rows = await get("/v1/roles", {}, signal);
  const has = (row, role) => (row.roles.includes(role) ? h("span", { class: "yes" }, h("span", { "aria-hidden": "true" }, "●"), h("span", { class: "visually-hidden" }, "Yes")) : h("span", { class: "visually-hidden" }, "No"));
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "What each role may do: table" },
    h(
      "table",
      { class: "matrix" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Action"), Object.values(ROLES).map((role) => h("th", { scope: "col" }, role)), h("th", { scope: "col" }, "Takes"))),
      h(
        "tbody",
        {},
        rows.map((row) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, words(row.action)),
            Object.keys(ROLES).map((role) => h("td", {}, has(row, role))),
            h("td", { class: "small muted" }, [row["step-up"] && "a fresh factor", row["two-people"] && "two people"].filter(Boolean).join(", ")),
          ),
        ),
      ),
    ),
  );
}
