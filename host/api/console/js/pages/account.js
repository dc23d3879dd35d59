// What somebody signs in with, and what they may do: their own, whatever their role.

import { h } from "../dom.js";
import { get, may, me, prove, remove } from "../session.js";
import { moment, words } from "../format.js";
import { ask, attempt, toast } from "../parts/dialog.js";
import { badge, card, empty, fill, head, settled, table } from "../parts/view.js";
import { addPasskey } from "../ways.js";

export async function show(place, { signal }) {
  const passkeys = h("div");
  const load = () => fill(passkeys, () => list(signal, load), 2);
  const { person, name, role, client } = me();
  const top = head("Your account", `${name || person} (${person}), ${words(role).toLowerCase()} of ${client}.`);
  const parts = [
    role === "agent" ? h("p", { class: "note" }, "Agents pause and resume their calls in the view that their desktop shows, at ", h("code", {}, "/agent"), ".") : null,
    card("What you sign in with", null, ways()),
    card("Your passkeys", may("manage-own-factors") && h("button", { class: "button tight", onclick: () => passkey(load) }, "Add a passkey…"), passkeys),
    card("What you may do", null, allowed()),
  ];
  await settled(place, top, parts, load());
}

function ways() {
  const one = (title, text, ...acts) => h("li", { class: "way" }, h("div", {}, h("h3", {}, title), h("p", { class: "muted" }, text)), h("div", { class: "row end" }, acts));
  const own = may("manage-own-factors");
  return h(
    "ul",
    { class: "body stack" },
    one("Password", "12 characters or more, with letters and digits; none of your last four.", h("button", { class: "button", onclick: password }, "Change it…")),
    one("Authenticator", "The app that shows codes of six digits.", own && h("button", { class: "button", onclick: authenticator }, "Use another…")),
    one("Recovery codes", "Each stands for a code once, when the authenticator is not at hand.", own && h("button", { class: "button", onclick: recovery }, "Make new ones…")),
  );
}

const password = () =>
  ask({
    title: "Change your password",
    text: "You stay signed in here, and nowhere else.",
    fields: [
      { name: "current", label: "Current password", type: "password", required: true, autocomplete: "current-password" },
      { name: "new", label: "New password", type: "password", required: true, autocomplete: "new-password" },
      { name: "again", label: "The new one again", type: "password", required: true, autocomplete: "new-password" },
    ],
    yes: "Change",
    act: async (given) => {
      if (given.new !== given.again) throw new Error("The new password was typed in two ways.");
      await prove("/v1/me/password", { current: given.current, new: given.new });
      toast("The password is changed.");
    },
  });

async function authenticator() {
  const begun = await attempt(() => prove("/v1/me/totp/start"));
  if (!begun) return;
  await ask({
    title: "Use another authenticator",
    text: "Enter this secret there, then the code that it shows. The one before is good for nothing from then on.",
    body: [h("pre", { tabindex: "0", "aria-label": "Secret" }, begun.totp_secret_base32), h("a", { href: begun.otpauth_url }, "Open it in an app on this device")],
    fields: [{ name: "shown", label: "Code that it shows", inputmode: "numeric", required: true, autocomplete: "one-time-code" }],
    yes: "Use it",
    act: async ({ shown }) => {
      await prove("/v1/me/totp", { ceremony: begun.ceremony, code: shown });
      toast("Codes come from the new authenticator now.");
    },
  });
}

async function recovery() {
  const sure = await ask({ title: "Make new recovery codes", text: "Those that you have are good for nothing from then on.", yes: "Make them" });
  const made = sure && (await attempt(() => prove("/v1/me/recovery-codes")));
  if (!made) return;
  await ask({
    title: "Your recovery codes",
    text: "Keep them where only you can reach them. They cannot be shown again.",
    body: [h("pre", { tabindex: "0", "aria-label": "Recovery codes" }, made.recovery_codes.join("\n"))],
    yes: "I have them",
  });
}

async function list(signal, again) {
  const rows = await get("/v1/me/passkeys", {}, signal);
  if (!rows.length) return empty("You have no passkey", "A passkey is both factors in one: it knows you by your finger, face or PIN.");
  return table(
    "Your passkeys",
    [
      ["Passkey", (row) => h("b", {}, row.name)],
      ["Added", (row) => moment(row.created), "nowrap"],
      ["", (row) => may("manage-own-factors") && h("button", { class: "button tight", onclick: async () => { if (await attempt(() => remove(`/v1/me/passkeys/${row.id}`))) again(); } }, "Remove"), "acts"],
    ],
    rows,
  );
}

const passkey = (again) =>
  ask({
    title: "Add a passkey",
    fields: [{ name: "name", label: "What you call it", required: true, value: "This device" }],
    yes: "Add",
    act: async ({ name }) => {
      await addPasskey(name);
      again();
    },
  });

function allowed() {
  const rows = me().may;
  if (!rows.length) return empty("Nothing", "Your role may do nothing here.");
  return table(
    "What you may do",
    [
      ["Action", (row) => words(row.action)],
      ["Takes", (row) => h("div", { class: "badges" }, row["step-up"] && badge("A fresh second factor", "paused"), row["two-people"] && badge("Two people", "redacted"))],
    ],
    rows,
  );
}
