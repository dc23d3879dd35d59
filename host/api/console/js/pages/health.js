// How the host is doing.

import { h, put } from "../dom.js";
import { get, watch } from "../session.js";
import { bytes } from "../format.js";
import { card, facts, figure, fill, head } from "../parts/view.js";

const EVERY_MS = 5000;

export async function show(place, { signal }) {
  const body = h("div");
  put(place, head("Health", "This host, as it is now. Prometheus reads more of it under /metrics."), body);
  const look = async (ask) => view(await ask("/v1/health", {}, signal));
  await fill(body, () => look(get), 6);
  const again = setInterval(async () => put(body, await look(watch).catch(() => body.firstChild)), EVERY_MS);
  signal.addEventListener("abort", () => clearInterval(again));
}

function view(now) {
  const disk = { enough: ["Enough", ""], low: ["Low", "paused"], full: ["Full: no new recordings", "refused"] }[now.disk] ?? ["Not watched", ""];
  const waiting = now.waiting;
  return h(
    "div",
    { class: "stack" },
    now.disk === "full" ? h("p", { class: "note refused", role: "alert" }, h("b", {}, "The disk is full"), "Running calls go on, and new ones are not recorded. Make room.") : null,
    waiting?.failing ? h("p", { class: "note paused", role: "alert" }, h("b", {}, "The store does not answer"), `${waiting.failing} objects wait. Nothing is lost: they lie on this host's disk, and are tried again.`) : null,
    h("div", { class: "grid small" }, figure("Calls now", now["own-calls"], now.calls === now["own-calls"] ? "" : `of ${now.calls}`), figure("Calls at most", now["calls-max"].toLocaleString()), figure("Disk", disk[0]), figure("To see to", now["open-alerts"])),
    card("Host", null, h("div", { class: "body" }, facts([
      ["Version", now.version],
      ["Free on the disk", now["disk-free-bytes"] !== undefined ? bytes(now["disk-free-bytes"]) : ""],
      ["Waiting for the store", waiting ? `${waiting.objects} objects, ${bytes(waiting.bytes)}` : "No remote store"],
    ]))),
  );
}
