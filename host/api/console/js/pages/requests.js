// What one person asked for and another has to confirm.

import { h, put } from "../dom.js";
import { get, may, me, post, remove } from "../session.js";
import { length, moment, short, words } from "../format.js";
import { ask, attempt } from "../parts/dialog.js";
import { badge, card, empty, fill, head, table } from "../parts/view.js";

const TAKES = { shred: "shred-recording", unmask: "unmask-recording", dispose: "dispose-recording", "lift-hold": "lift-hold", "destroy-keys": "destroy-keys" };
const WORDS = { shred: "Destroy a stretch", unmask: "Bring back what is masked", dispose: "Destroy a recording", "lift-hold": "Lift a hold", "destroy-keys": "Destroy old keys" };

export async function show(place, { signal }) {
  const body = h("div");
  const load = () => fill(body, () => list(signal, load), 4);
  put(place, head("Requests", "What takes two people: one asks, another confirms."), card("Waiting", null, body));
  await load();
}

async function list(signal, again) {
  const rows = await get("/v1/requests", {}, signal);
  if (!rows.length) return empty("Nothing waits", "Requests to destroy, to bring back and to lift appear here.");
  const confirm = (request, kind) =>
    ask({
      title: `${WORDS[kind] ?? words(kind)}?`,
      text: `${request["asked-by"]} asked for it: ${request.reason || "no reason was given"}`,
      yes: "Confirm",
      grave: kind !== "unmask",
      act: async () => {
        await post(`/v1/requests/${request.id}/confirm`);
        again();
      },
    });
  return table(
    "Requests",
    [
      ["What", (request) => { const [kind, of] = wanted(request); return [h("b", {}, WORDS[kind] ?? words(kind)), h("div", { class: "muted wrap" }, about(of))]; }],
      ["Reason", (request) => request.reason],
      ["Asked by", (request) => request["asked-by"]],
      ["Asked", (request) => moment(request.asked), "nowrap"],
      ["Valid until", (request) => moment(request.until), "nowrap"],
      ["", (request) => {
        const [kind] = wanted(request);
        const mine = request["asked-by"] === me().person;
        if (!may(TAKES[kind])) return null;
        return h("div", { class: "row end" }, h("button", { class: "button tight", onclick: async () => { if (await attempt(() => remove(`/v1/requests/${request.id}`))) again(); } }, mine ? "Take back" : "Turn down"), mine ? badge("Another confirms") : h("button", { class: "button tight grave", onclick: () => confirm(request, kind) }, "Confirm…"));
      }, "acts"],
    ],
    rows,
  );
}

/** What is wanted stands in the request beside who wants it. */
const wanted = (request) => [request.act, request];

function about(of) {
  const parts = [];
  if (of.recording) parts.push(h("a", { href: `#/recordings/${of.recording}` }, h("code", { title: of.recording }, short(of.recording))));
  if (of.span) parts.push(`${length(of.span.start, true)} to ${length(of.span.end, true)}`);
  if (of.hold !== undefined) parts.push(`hold ${of.hold}`);
  if (of.mask !== undefined) parts.push(`mask ${of.mask}`);
  if (of.basis) parts.push(words(of.basis));
  if (of.before !== undefined) parts.push(`versions before ${of.before}`);
  return parts.flatMap((part, at) => (at ? [", ", part] : [part]));
}
