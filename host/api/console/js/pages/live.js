// Running calls: what is done with each, why, what somebody has to do; and what happens as it happens.

import { h, prose, put } from "../dom.js";
import { get, may, news, post, watch } from "../session.js";
import { clock, count, length, words } from "../format.js";
import { attempt } from "../parts/dialog.js";
import { badge, card, empty, fill, head, outcome, settled, state } from "../parts/view.js";

const LINES_MAX = 60;

export async function show(place, { signal }) {
  const grid = h("div", { class: "live" });
  const lines = h("ol", { class: "timeline stream", tabindex: "0", "aria-label": "What happens" });
  const alerts = h("div");
  const nobody = h("div", { class: "card" }, empty("No call is running", "Calls appear here as they begin."));
  const quiet = h("li", {}, h("p", { class: "muted" }, "Nothing has happened since this page was opened."));
  lines.append(quiet);
  const top = head("Live", "Calls that run now, with what the rules say of each.");
  const calls = new Map();
  async function look(id) {
    try {
      const call = await watch(`/v1/calls/${encodeURIComponent(id)}`, {}, signal);
      if (!calls.has(id)) {
        calls.set(id, callCard(id));
        grid.append(calls.get(id).element);
      }
      calls.get(id).show(call);
    } catch (problem) {
      if (problem.status !== 404 && problem.status !== 409) return;
      calls.get(id)?.element.remove();
      calls.delete(id);
    }
    nobody.hidden = calls.size > 0;
  }
  async function all() {
    for (const id of await get("/v1/calls", {}, signal)) await look(id);
    nobody.hidden = calls.size > 0;
  }
  await settled(place, top, [alerts, nobody, grid, card("As it happens", null, lines)], all(), fill(alerts, () => openAlerts(alerts, signal), 2));
  const ticking = setInterval(() => calls.forEach((call) => call.tick()), 1000);
  signal.addEventListener("abort", () => clearInterval(ticking));

  for await (const event of news("/v1/live", {}, signal)) {
    if (event.kind === "missed") {
      for (const id of await watch("/v1/calls", {}, signal)) await look(id);
      continue;
    }
    const told = JSON.parse(event.data);
    if (event.kind === "alert") fill(alerts, () => openAlerts(alerts, signal), 2);
    if (event.kind === "verdict") {
      quiet.remove();
      lines.prepend(line(told));
      while (lines.children.length > LINES_MAX) lines.lastChild.remove();
    }
    if (told.call) await look(told.call);
  }
}

/** A call as it stands, and the button that pauses it. */
export function callCard(id) {
  const status = h("div", { class: "state" });
  const time = h("span", { class: "clock" });
  const says = h("div", { class: "says" });
  const packs = h("ul", { class: "packs", "aria-label": "What each pack says" });
  const acts = h("div", { class: "row" });
  const element = h("section", { class: "card call", "aria-label": `Call ${id}` }, h("div", { class: "top" }, h("h2", { class: "wrap mono" }, id)), h("div", { class: "body" }, status, says, packs, acts));
  let since = 0;
  const tick = () => { time.textContent = length(Date.now() - since); };
  function showCall(call) {
    since = Date.now() - call.at;
    element.className = `card call is-${call.state}`;
    put(status, state(call.state), time);
    put(says, reasons(call));
    put(packs, (call.packs ?? []).map((pack) => h("li", { title: pack.failure ?? "" }, h("span", { class: "wrap" }, pack.name, h("span", { class: "muted small" }, ` ${pack.version}${pack.mode === "monitor" ? ", watches" : ""}`)), outcome(pack.outcome), pack.failure && badge("Could not answer", "refused"))));
    const asks = (what, word, kind) =>
      h("button", { class: `button ${kind}`, onclick: () => attempt(() => post(`/v1/calls/${encodeURIComponent(id)}/events`, { [what]: "person" })) }, word);
    const paused = Boolean(call.pause);
    put(acts, may("pause-call") && (paused ? asks("resume-asked", "Resume", "main") : asks("pause-asked", "Pause", "")));
    tick();
  }
  return { element, show: showCall, tick };
}

/** Why nothing is kept, who paused it, and what is still to be done. */
export function reasons(call) {
  const said = (call["not-recording"] ?? []).map((r) => h("p", { class: "note paused" }, prose(r.message), h("span", { class: "cite" }, ` ${[r.rule, r.citation].filter(Boolean).join(" · ")}`)));
  const duties = (call["open-duties"] ?? []).map((duty) => h("p", { class: `note ${duty.overdue ? "refused" : ""}` }, h("b", {}, words(duty.duty)), `${duty.overdue ? "Overdue since" : "By"} ${clock(duty.due)}. `, h("span", { class: "cite" }, [duty.rule, duty.citation].filter(Boolean).join(" · "))));
  return said.length || duties.length ? [said, duties] : h("p", { class: "muted" }, "Every rule allows it.");
}

function line(told) {
  const why = told.reasons[0];
  return h(
    "li",
    { class: told.outcome === "allow" ? "allow" : told.outcome === "refuse" ? "refuse" : "restrain" },
    h("div", { class: "row" }, h("b", {}, words(told.event)), outcome(told.outcome), told.call && h("span", { class: "mono muted small wrap" }, told.call), h("time", { class: "muted small" }, clock(told.at))),
    why && h("p", {}, prose(why[2]), " ", h("span", { class: "cite" }, [why[0], why[1]].filter(Boolean).join(" · "))),
  );
}

/** What is to be done has a name for machines, and may be due: `notify-individuals-60-days by 2026-12-31`. */
function asked({ kind, message }) {
  if (kind !== "task") return message;
  const [action, ...due] = message.split(" ");
  return [words(action), ...due].join(" ");
}

async function openAlerts(place, signal) {
  const alerts = await watch("/v1/alerts", { limit: 50 }, signal);
  if (!alerts.length) return null;
  const one = (alert) =>
    h(
      "li",
      { class: "alert" },
      badge(words(alert.kind), alert.kind === "not-recorded" ? "refused" : "paused"),
      h("span", { class: "wrap" }, prose(asked(alert)), " ", h("span", { class: "cite" }, [alert.rule, alert.citation].filter(Boolean).join(" · "))),
      h("button", { class: "button tight", onclick: async () => { if (await attempt(() => post(`/v1/alerts/${alert.id}/confirm`))) fill(place, () => openAlerts(place, signal), 2); } }, "Seen to"),
    );
  const rest = alerts.slice(5);
  return card(
    count(alerts.length, "thing to see to", "things to see to"),
    null,
    h("div", { class: "body stack" }, h("ul", { class: "stack" }, alerts.slice(0, 5).map(one)), rest.length ? h("details", {}, h("summary", {}, `${rest.length} more`), h("ul", { class: "stack" }, rest.map(one))) : null),
  );
}
