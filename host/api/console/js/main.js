// The shell: who is signed in, where one can go, which page is shown.

import { h, icon, put } from "./dom.js";
import { get, may, me, onStepUp, resume, showFactor, signOut } from "./session.js";
import { ask } from "./parts/dialog.js";
import { failed } from "./parts/view.js";
import { signInPage } from "./pages/sign-in.js";
import { passkeyStepUp } from "./ways.js";

// [address, title, module, what it takes], by group.
const PAGES = [
  ["Calls", [
    ["live", "Live", "live", "watch-live-calls"],
    ["recordings", "Recordings", "recordings", "search-recordings"],
    ["scorecards", "Scorecards", "scorecards", "search-recordings"],
  ]],
  ["Rules", [["packs", "Packs", "packs", "read-packs"]]],
  ["Keeping", [
    ["retention", "Retention", "retention", "read-ledger"],
    ["holds", "Holds", "holds", "read-ledger"],
    ["requests", "Requests", "requests", "read-ledger"],
    ["disclosures", "Disclosures", "disclosures", "read-disclosures"],
  ]],
  ["House", [
    ["ledger", "Ledger", "ledger", "read-ledger"],
    ["people", "People", "people", "read-people"],
    ["health", "Health", "health", "read-health"],
  ]],
  ["You", [["account", "Your account", "account", "manage-own-factors"]]],
];

const app = document.querySelector("#app");
let leave = new AbortController();
let main = null;
let side = null;

const allowed = () => PAGES.map(([group, pages]) => [group, pages.filter(([, , , action]) => may(action))]).filter(([, pages]) => pages.length);

function shell() {
  const { name, role, client } = me();
  main = h("main", { class: "page", id: "main", tabindex: "-1" });
  side = h(
    "nav",
    { class: "side", id: "side", "aria-label": "Pages" },
    allowed().map(([group, pages]) => [h("h2", {}, group), pages.map(([at, title]) => h("a", { href: `#/${at}`, data: { at } }, title))]),
  );
  const menu = h("button", { class: "icon menu", "aria-label": "Pages", "aria-expanded": "false", "aria-controls": "side", onclick: () => open(!side.classList.contains("is-open")) }, icon("menu"));
  const open = (is) => {
    side.classList.toggle("is-open", is);
    menu.setAttribute("aria-expanded", String(is));
  };
  side.addEventListener("click", (event) => event.target.closest("a") && open(false));
  put(
    app,
    h(
      "div",
      { class: "shell" },
      h(
        "header",
        { class: "bar" },
        menu,
        h("a", { class: "brand", href: "#/" }, h("img", { src: "/console/mark.svg", alt: "" }), "Caveat"),
        h("span", { class: "client" }, client),
        h("span", { class: "fill" }),
        h("a", { class: "who", href: "#/account", title: "Your account" }, name || me().person, h("small", {}, role)),
        h("button", { class: "icon", "aria-label": "Light or dark", title: "Light or dark", onclick: theme }, icon("sun")),
        h("button", { class: "icon", "aria-label": "Sign out", title: "Sign out", onclick: out }, icon("out")),
      ),
      side,
      main,
    ),
  );
}

function theme() {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  localStorage.setItem("caveat-theme", root.dataset.theme);
}

async function out() {
  await signOut().catch(() => {});
  door();
}

function door(text) {
  leave.abort();
  main = null;
  document.title = "Sign in · Caveat";
  put(app, signInPage(enter, text));
}

function enter() {
  if (!me()) return door();
  shell();
  if (!location.hash.startsWith("#/") || location.hash === "#/") {
    const [[, [[first]]]] = allowed();
    history.replaceState(null, "", `#/${first}`);
  }
  show();
}

/** `#/recordings/ID?purpose=training` as its parts. */
function whereTo() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [at, ...rest] = path.split("/").map(decodeURIComponent);
  return { at, rest, query: new URLSearchParams(query ?? "") };
}

async function show() {
  if (!main) return;
  leave.abort();
  leave = new AbortController();
  const { at, rest, query } = whereTo();
  const page = PAGES.flatMap(([, pages]) => pages).find(([name]) => name === at);
  for (const link of side.querySelectorAll("a")) {
    if (link.dataset.at === at) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!page || !may(page[3])) {
    document.title = "Caveat";
    put(main, h("div", { class: "empty" }, h("h1", {}, page ? "This page is not for your role" : "There is no such page"), h("p", {}, "Choose another among the pages.")));
    return;
  }
  document.title = `${page[1]} · Caveat`;
  const place = h("div", { class: "stack" });
  put(main, place);
  scrollTo(0, 0);
  try {
    const module = await import(`./pages/${page[2]}.js`);
    await module.show(place, { rest, query, signal: leave.signal });
  } catch (problem) {
    if (problem.name === "AbortError") return;
    console.error(problem);
    put(place, failed(problem, show));
  }
  main.focus({ preventScroll: true });
}

onStepUp(async () => {
  const passkeys = await get("/v1/me/passkeys").catch(() => []);
  const given = await ask({
    title: "Show your second factor",
    text: "This needs a code that was shown within the last minutes.",
    fields: [{ name: "code", label: "Code", inputmode: "numeric", pattern: "[0-9A-Za-z -]{6,}", required: true, autocomplete: "one-time-code" }],
    yes: "Continue",
    act: ({ code }) => showFactor(code),
    other: passkeys.length ? { word: "Use a passkey", act: passkeyStepUp } : null,
  });
  return given !== null;
});

addEventListener("hashchange", show);
addEventListener("signed-out", () => door("You were signed out: sign in again."));

try {
  const isInvited = /^#(invitation=|second-factor)/.test(location.hash);
  if (!isInvited && (await resume())) enter();
  else door();
} catch (problem) {
  put(app, h("div", { class: "door" }, h("main", { class: "card", id: "main" }, failed(problem, () => location.reload()))));
}
