// The door: password and code, a passkey, the client's identity provider; and the answer to an invitation.

import { h, put } from "../dom.js";
import { signIn, ways } from "../session.js";
import { problemText } from "../parts/dialog.js";
import { enroll, invited, passkeySignIn, providerSignIn, secondFactor } from "../ways.js";

/** What the address asks for: `#invitation=TOKEN`, `#second-factor`, or nothing. */
export function signInPage(enter, text) {
  const [what, token] = location.hash.slice(1).split("=");
  if (what === "invitation" && token) return invitation(decodeURIComponent(token), enter);
  if (what === "second-factor") return second(enter);
  return door(enter, text);
}

const field = (name, label, more) => h("div", { class: "field" }, h("label", { for: `in-${name}` }, label), h("input", { id: `in-${name}`, name, required: true, autocapitalize: "none", spellcheck: "false", ...more }));

function card(title, ...body) {
  return h(
    "div",
    { class: "door" },
    h("main", { class: "card", id: "main", tabindex: "-1" }, h("div", { class: "brand" }, h("img", { src: "/console/mark.svg", alt: "" }), h("h1", {}, title)), body),
  );
}

/** A form that says what is wrong beside its button. */
function form(fields, word, act) {
  const error = h("div", { class: "error", role: "alert" });
  const main = h("button", { class: "button main", type: "submit" }, word);
  const attempt = async (how) => {
    main.classList.add("is-busy");
    error.className = "error";
    error.replaceChildren();
    try {
      await how();
    } catch (problem) {
      error.className = "note refused error";
      error.replaceChildren(...problemText(problem));
    } finally {
      main.classList.remove("is-busy");
    }
  };
  const element = h(
    "form",
    {
      onsubmit: (event) => {
        event.preventDefault();
        attempt(() => act(Object.fromEntries(new FormData(element))));
      },
    },
    fields,
    error,
    main,
  );
  return { element, error, attempt };
}

function door(enter, text) {
  const remembered = localStorage.getItem("caveat-client") ?? "";
  const began = (client) => {
    localStorage.setItem("caveat-client", client.trim());
    enter();
  };
  const { element, error, attempt } = form(
    [
      field("client", "Client", { autocomplete: "organization", value: remembered }),
      field("person", "Person", { autocomplete: "username" }),
      field("password", "Password", { type: "password", autocomplete: "current-password" }),
      field("code", "Code", { autocomplete: "one-time-code", placeholder: "6 digits, or a recovery code" }),
    ],
    "Sign in",
    async ({ client, person, password, code }) => {
      await signIn(client.trim(), person.trim(), password, code.trim());
      began(client);
    },
  );
  if (text) error.replaceChildren(text);
  const others = h("div", { class: "stack tight" });
  const named = () => ({ client: element.elements.client.value.trim(), person: element.elements.person.value.trim() });
  async function offer() {
    const offered = await ways(named().client);
    const buttons = [
      offered.passkey && h("button", { class: "button", type: "button", onclick: () => attempt(async () => { await passkeySignIn(named()); began(named().client); }) }, "Sign in with a passkey"),
      ...offered.providers.map(({ name, label }) => h("button", { class: "button", type: "button", onclick: () => attempt(() => providerSignIn(name, named().client)) }, label)),
    ].filter(Boolean);
    put(others, buttons.length ? [h("div", { class: "or" }, "or"), buttons] : null);
  }
  element.elements.client.addEventListener("change", offer);
  offer();
  return card("Caveat", element, others);
}

function second(enter) {
  const { element } = form([field("code", "Code", { autocomplete: "one-time-code" })], "Continue", async ({ code }) => {
    await secondFactor(code.trim());
    history.replaceState(null, "", "#/");
    enter();
  });
  return card("One more factor", h("p", { class: "muted" }, "Your organization vouched for you with one factor. Show the second one here."), element);
}

function invitation(token, enter) {
  const body = h("div", { class: "stack" }, h("p", { class: "muted", role: "status" }, "Reading the invitation"));
  invited(token).then(
    (found) => {
      const { element } = form(
        [
          field("password", "New password", { type: "password", autocomplete: "new-password", minlength: "12" }),
          field("code", "Code that your authenticator shows", { autocomplete: "one-time-code" }),
        ],
        "Enroll",
        async ({ password, code }) => {
          const codes = await enroll(token, password, code.trim());
          history.replaceState(null, "", "#/");
          put(
            body,
            h("p", {}, "Keep these recovery codes where only you can reach them. Each works once, in place of a code."),
            h("pre", { tabindex: "0" }, codes.join("\n")),
            h("button", { class: "button main", onclick: () => enter(null) }, "I have them: sign in"),
          );
        },
      );
      put(
        body,
        h("p", {}, `You are invited as ${found.name || found.person} (${found.person}) of ${found.client}.`),
        h("div", { class: "field" }, h("span", {}, "Secret for your authenticator"), h("pre", { tabindex: "0" }, found.totp_secret_base32), h("a", { href: found.otpauth_url }, "Open it in an app on this device")),
        element,
      );
    },
    (problem) => put(body, h("div", { class: "note refused", role: "alert" }, problemText(problem))),
  );
  return card("Welcome", body);
}
