// The log: its latest checkpoint, the key that signs it, and two checks: of the signature here, of everything by the host.

import { h, put } from "../dom.js";
import { get, may, me, post, request, save } from "../session.js";
import { PURPOSES, count, words } from "../format.js";
import { ask } from "../parts/dialog.js";
import { card, facts, failed, figure, fill, head, loading, table } from "../parts/view.js";

export async function show(place, { signal }) {
  const result = h("div", { "aria-live": "polite" });
  const body = h("div");
  const check = h("button", { class: "button main", onclick: () => verify(result) }, "Verify the log");
  const take = may("export-ledger") && h("button", { class: "button", onclick: () => takeOut(me().client) }, "Export…");
  put(place, head("Ledger", "An append-only Merkle log of every event, verdict and access. Whoever has the public key can check it without trusting this host.", take, check), result, body);
  await fill(body, async () => {
    const [text, { vkey }] = await Promise.all([request("GET", "/v1/ledger/checkpoint", { signal }).then((r) => r.text()), get("/v1/ledger/key", {}, signal)]);
    const [origin, size, root] = text.split("\n");
    return h(
      "div",
      { class: "stack" },
      h("div", { class: "grid small" }, figure("Entries", Number(size).toLocaleString()), figure("Signature", await signature(text, vkey))),
      card("Latest checkpoint", null, h("div", { class: "body stack" }, facts([["Log", h("code", {}, origin)], ["Root", h("code", { class: "wrap" }, root)], ["Public key", h("code", { class: "wrap" }, vkey)]]), h("pre", { tabindex: "0", "aria-label": "The checkpoint as it is signed" }, text))),
      card("To check it yourself", null, h("div", { class: "body" }, h("pre", { tabindex: "0", "aria-label": "Commands" }, "caveat ledger export --client CLIENT bundle/\ncaveat ledger verify bundle/ --key KEY    # KEY by another way than the bundle"))),
    );
  }, 8);
}

function takeOut(client) {
  return ask({
    title: "Export the log",
    text: "One file with every entry and its proofs, for `caveat ledger verify`. It names and describes nobody. Give the key by another way.",
    fields: [
      { name: "purpose", label: "Purpose", options: PURPOSES, value: "oversight" },
      { name: "reason", label: "Reason", type: "textarea" },
    ],
    yes: "Export",
    act: (given) => save("/v1/ledger/export", given, `log-${client}.tar`),
  });
}

async function verify(place) {
  put(place, card("Being checked", null, loading(2)));
  try {
    const { "is-good": good, "took-ms": took, report } = await post("/v1/ledger/verify");
    put(
      place,
      h("div", { class: `note ${good ? "recording" : "refused"}`, role: "status" }, h("b", {}, good ? "The log is good" : "The log is not good"), `${count(report.entries, "entry", "entries")} read in ${(took / 1000).toFixed(1)} s, ${count(report["open-recordings"] ?? 0, "recording")} open. Signature, tree, and what the entries mean were checked.`),
      report.problems.length ? card("Problems", null, table("Problems", [["Severity", (p) => words(p.severity)], ["Kind", (p) => words(p.kind)], ["What", (p) => p.what ?? p.message ?? JSON.stringify(p)]], report.problems)) : null,
    );
  } catch (problem) {
    put(place, card("The log could not be checked", null, failed(problem, () => verify(place))));
  }
}

/** Checks the note's Ed25519 signature in this browser (C2SP signed-note). */
async function signature(text, vkey) {
  try {
    const end = text.indexOf("\n\n");
    // NAME+HASH+KEY; base64 has a plus, too.
    const key = vkey.trim().split("+").slice(2).join("+");
    const bytes = (b64) => Uint8Array.from(atob(b64), (c) => c.charCodeAt(0));
    const imported = await crypto.subtle.importKey("raw", bytes(key).slice(1), { name: "Ed25519" }, false, ["verify"]);
    const body = new TextEncoder().encode(text.slice(0, end + 1));
    const lines = text.slice(end + 2).split("\n").filter((line) => line.startsWith("\u2014 "));
    for (const line of lines) {
      const signed = bytes(line.split(" ").at(-1)).slice(4);
      if (await crypto.subtle.verify({ name: "Ed25519" }, imported, signed, body)) return "Good";
    }
    return "Not good";
  } catch {
    return "Not checked";
  }
}
