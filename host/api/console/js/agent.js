// One call, in a frame of an agent's desktop: /agent?call=ID. It signs in by itself, since a frame gets no cookie, and holds
// the session in memory.

import { h, put } from "./dom.js";
import { get, me, post, signIn, watch } from "./session.js";
import { length } from "./format.js";
import { problemText } from "./parts/dialog.js";
import { reasons } from "./pages/live.js";

const main = document.querySelector("#main");
const asked = new URLSearchParams(location.search);
const call = asked.get("call");
const EVERY_MS = 1500;
const WORDS = { recording: "Recording", suspended: "Paused", "not-recorded": "Not recorded" };

function door() {
  const error = h("div", { role: "alert" });
  const field = (name, label, more) => h("div", { class: "field" }, h("label", { for: `in-${name}` }, label), h("input", { id: `in-${name}`, name, required: true, ...more }));
  const form = h(
    "form",
    {
      class: "stack tight",
      onsubmit: async (event) => {
        event.preventDefault();
        const { client, person, password, code } = Object.fromEntries(new FormData(form));
        try {
          await signIn(client, person, password, code, true);
          follow();
        } catch (problem) {
          put(error, h("div", { class: "note refused" }, problemText(problem)));
        }
      },
    },
    h("h1", {}, "This call"),
    field("client", "Client", { value: asked.get("client") ?? "", autocomplete: "organization" }),
    field("person", "Person", { value: asked.get("person") ?? "", autocomplete: "username" }),
    field("password", "Password", { type: "password", autocomplete: "current-password" }),
    field("code", "Code", { autocomplete: "one-time-code" }),
    error,
    h("button", { class: "button main big" }, "Sign in"),
  );
  put(main, form);
}

async function follow() {
  const lamp = h("span", { class: "lamp" });
  const word = h("h1", {});
  const time = h("span", { class: "muted" });
  const says = h("div", { class: "stack tight", "aria-live": "polite" });
  const button = h("button", { class: "button big" });
  put(main, h("div", { class: "stack tight" }, h("div", { class: "state" }, lamp, h("div", {}, word, time)), button, says));
  let paused = false;
  // Whoever is on a call is at work; a view that is left open after it keeps nobody signed in.
  let runs = true;
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await post(`/v1/calls/${encodeURIComponent(call)}/events`, { [paused ? "resume-asked" : "pause-asked"]: "person" });
      await look();
    } catch (problem) {
      put(says, h("div", { class: "note refused", role: "alert" }, problemText(problem)));
    }
    button.disabled = false;
  });
  async function look() {
    try {
      const now = await (runs ? get : watch)(`/v1/calls/${encodeURIComponent(call)}`);
      runs = true;
      paused = Boolean(now.pause);
      lamp.className = `lamp ${now.state}`;
      word.textContent = WORDS[now.state] ?? now.state;
      time.textContent = length(now.at);
      button.textContent = paused ? "Resume recording" : "Pause recording";
      button.className = `button big ${paused ? "main" : ""}`;
      button.hidden = false;
      put(says, now.state === "recording" && !now["open-duties"]?.length ? null : reasons(now));
    } catch (problem) {
      if (problem.status === 401) return door();
      runs = false;
      lamp.className = "lamp";
      word.textContent = problem.status === 404 ? "No such call" : "No answer";
      time.textContent = problem.status === 404 ? "It is over, or has not begun." : problem.message;
      button.hidden = true;
    }
    return null;
  }
  for (;;) {
    await look();
    if (!me()) return;
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

if (!call) put(main, h("h1", {}, "No call is named"), h("p", {}, "Open this page as /agent?call=ID, with the phone system's id of the call."));
else door();
