// What a pack, or other settings, would have changed: history ruled again by the host, with its progress.

import { h, put } from "../dom.js";
import { news, request } from "../session.js";
import { count, moment, short, words } from "../format.js";
import { bars } from "./chart.js";
import { badge, card, empty, failed, figure, outcome, table } from "./view.js";

/** Shows it in `place`. `bytes`: the pack; null: the one in force, with other settings. */
export async function impactOf(place, asked, bytes, signal) {
  const bar = h("progress", { max: "1", "aria-label": "How far" });
  put(place, card("What would change", null, h("div", { class: "body stack tight" }, h("p", { class: "muted", role: "status" }, "The log is ruled again with the candidate."), bar)));
  try {
    const options = { query: asked, ...(bytes ? { bytes } : { body: undefined }) };
    const { id } = await (await request("POST", "/v1/packs/impact", options)).json();
    for await (const event of news(`/v1/packs/impact/${id}/progress`, {}, signal)) {
      const stands = JSON.parse(event.data);
      if (stands.state === "running" && stands.all) bar.value = stands.done / stands.all;
      if (stands.state === "failed") throw Object.assign(new Error(stands.detail), { status: 400, title: "It could not be compared" });
      if (stands.state === "done") {
        put(place, report(stands.report));
        return;
      }
    }
  } catch (problem) {
    if (problem.name !== "AbortError") put(place, card("What would change", null, failed(problem)));
  }
}

function report(found) {
  if (!found.groups.length) return card("What would change", null, empty("Nothing", `${count(found.events, "event")} of ${count(found.recordings, "recording")} would have been decided the same.`));
  const most = Math.max(...found.groups.map((group) => group.events));
  const color = { stricter: "low", laxer: "middle" };
  return card(
    "What would change",
    badge(`${count(found["events-changed"], "event")} of ${found.events.toLocaleString()}`, "accent"),
    h(
      "div",
      { class: "body stack" },
      h("div", { class: "grid small" }, figure("Events", found.events.toLocaleString()), figure("Changed", found["events-changed"].toLocaleString()), figure("Recordings", found.recordings.toLocaleString()), figure("Failures", found.failures.toLocaleString())),
      found.failure ? h("p", { class: "note refused" }, found.failure) : null,
      found["recordings-changed"].length
        ? table("Recordings that would have ended otherwise", [["Was", (t) => outcome(t.from)], ["Would be", (t) => outcome(t.to)], ["Recordings", (t) => t.recordings.toLocaleString(), "number"]], found["recordings-changed"])
        : null,
      found["access-changed"].length
        ? table("Requests that would have been answered otherwise", [["Who", (a) => [words(a.role), a.functions.join(", ")].filter(Boolean).join(": ")], ["Asked to", (a) => words(a.act)], ["Was", (a) => outcome(a.from)], ["Would be", (a) => outcome(a.to)], ["Requests", (a) => a.requests.toLocaleString(), "number"]], found["access-changed"])
        : null,
      bars(found.groups.slice(0, 8).map((group) => ({ name: title(group), share: group.events / most, text: group.events.toLocaleString(), kind: color[group.direction] }))),
      table(
        "Changes by kind",
        [
          ["Change", (group) => title(group)],
          ["Direction", (group) => badge(words(group.direction), group.direction === "stricter" ? "refused" : group.direction === "laxer" ? "paused" : "")],
          ["Rule", (group) => h("code", { class: "wrap" }, group.rule ?? "")],
          ["Events", (group) => group.events.toLocaleString(), "number"],
          ["Examples", (group) => group.examples.map((e) => `${words(e.event)}, ${moment(e.at)}${e.recording ? ` (${short(e.recording)})` : ""}`).join("; ")],
        ],
        found.groups,
      ),
    ),
  );
}

function title(group) {
  const effect = typeof group.effect === "string" ? words(group.effect) : Object.entries(group.effect ?? {}).map(([k, v]) => `${words(k)}: ${typeof v === "string" ? words(v) : JSON.stringify(v)}`).join(", ");
  return [effect, group.role && `${words(group.role)}, ${words(group.act)}`].filter(Boolean).join(": ");
}
