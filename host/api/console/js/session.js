// Who is signed in, and every request. Nothing else in the console calls `fetch`.
//
// In the console a cookie that scripts cannot read carries the session; `x-caveat` says that no other page's form sent the
// request. In the agent's view, which stands in somebody else's page and gets no cookie there, a token in memory does.

let token = null;
let who = null;

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `The host answered ${status}.`);
    this.status = status;
    this.title = body.title || "It did not work";
    this.kind = body.type || "";
    this.decided = body.decided;
  }
}

export const me = () => who;
export const may = (action) => Boolean(who?.may?.some((one) => one.action === action));

/** Called when a second factor is needed again: gives the code, or nothing. */
let stepUp = async () => null;
export const onStepUp = (ask) => { stepUp = ask; };

function address(path, query) {
  const url = new URL(path, location.origin);
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(key, value);
  }
  return url;
}

async function send(method, path, { query, body, bytes, signal, headers } = {}) {
  const given = { "x-caveat": "console", accept: "application/json, */*", ...headers };
  if (token) given.authorization = `Bearer ${token}`;
  if (body !== undefined) given["content-type"] = "application/json";
  if (bytes) given["content-type"] = "application/octet-stream";
  if (method !== "GET" && method !== "HEAD") given["idempotency-key"] ??= crypto.randomUUID();
  let response;
  try {
    response = await fetch(address(path, query), {
      method,
      headers: given,
      body: bytes ?? (body === undefined ? undefined : JSON.stringify(body)),
      signal,
      credentials: "same-origin",
      cache: "no-store",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { title: "No answer", detail: "The host does not answer. See that it runs, then try again." });
  }
  if (response.ok) return response;
  const text = await response.text();
  let told = {};
  try {
    told = JSON.parse(text);
  } catch {
    told = { detail: text };
  }
  throw new Problem(response.status, told);
}

/** A request; where the second factor is too old, it is asked for and the request sent again. */
export async function request(method, path, options = {}) {
  try {
    return await send(method, path, options);
  } catch (problem) {
    if (problem.status === 401 && who && !options.proves) {
      who = null;
      token = null;
      dispatchEvent(new CustomEvent("signed-out"));
    }
    if (problem.kind !== "urn:caveat:step-up") throw problem;
    if (!(await stepUp())) throw problem;
    return send(method, path, options);
  }
}

export async function get(path, query, signal) {
  return (await request("GET", path, { query, signal })).json();
}

/** What a page asks by itself: no use of the session, which ends when nobody does anything. */
const UNATTENDED = { "x-caveat-unattended": "true" };

/** The same, asked by the page itself. */
export async function watch(path, query, signal) {
  return (await request("GET", path, { query, signal, headers: UNATTENDED })).json();
}

/** A page of a list, and where the next one is. */
export async function page(path, query, signal) {
  const response = await request("GET", path, { query, signal });
  const next = /<[^>]*[?&]cursor=([^>&]+)[^>]*>;\s*rel="?next"?/.exec(response.headers.get("link") ?? "");
  return { rows: await response.json(), next: next ? decodeURIComponent(next[1]) : null };
}

export async function post(path, body, query) {
  const response = await request("POST", path, { body: body ?? {}, query });
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

/** The same with a proof of who one is: where that is wrong, the session goes on. */
export async function prove(path, body) {
  const response = await request("POST", path, { body: body ?? {}, proves: true });
  const text = await response.text();
  return text ? JSON.parse(text) : {};
}

export async function upload(path, bytes, query) {
  return (await request("POST", path, { bytes, query })).json();
}

export const remove = (path) => request("DELETE", path);

/** A file of the host, saved by the browser. */
export async function save(path, query, name) {
  const response = await request("GET", path, { query });
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** An address that an `<audio>` can play: the host's own where a cookie carries the session, else the sound in memory. */
export async function media(path, query, signal) {
  if (!token) {
    // Asked once beforehand, so that a refusal is read and a second factor asked for.
    await request("GET", path, { query, signal, headers: { range: "bytes=0-43" } });
    return { url: address(path, query).href, done: () => {} };
  }
  const response = await request("GET", path, { query, signal });
  const url = URL.createObjectURL(await response.blob());
  return { url, done: () => URL.revokeObjectURL(url) };
}

/** News of the host, one by one, taken up again where they broke off. */
export async function* news(path, query, signal) {
  let last = null;
  while (!signal.aborted) {
    try {
      const headers = { accept: "text/event-stream", ...UNATTENDED };
      if (last) headers["last-event-id"] = last;
      const response = await request("GET", path, { query, signal, headers });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        rest += value;
        let end;
        while ((end = rest.indexOf("\n\n")) >= 0) {
          const event = { kind: "message", data: "" };
          for (const line of rest.slice(0, end).split("\n")) {
            if (line.startsWith("data:")) event.data += line.slice(5).trim();
            if (line.startsWith("event:")) event.kind = line.slice(6).trim();
            if (line.startsWith("id:")) last = line.slice(3).trim();
          }
          rest = rest.slice(end + 2);
          if (event.data) yield event;
        }
      }
    } catch (problem) {
      if (signal.aborted || problem.status === 401 || problem.status === 403) return;
    }
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

async function known() {
  who = await (await send("GET", "/v1/session")).json();
  who.may = await (await send("GET", "/v1/me/may")).json();
  return who;
}

/** Who is signed in by cookie, if somebody is. */
export async function resume() {
  try {
    return await known();
  } catch (problem) {
    if (problem.status !== 401 && problem.status !== 403) throw problem;
    who = null;
    return null;
  }
}

/** Which ways in there are: `{ password, passkey, providers: [{ name, label }] }`. */
export async function ways(client) {
  try {
    return await (await send("GET", "/v1/session/ways", { query: { client } })).json();
  } catch {
    return { password: true, passkey: false, providers: [] };
  }
}

/** Signs in with password and code. `inMemory`: no cookie is wanted. */
export async function signIn(client, person, password, code, inMemory = false) {
  const headers = inMemory ? { "x-caveat": "token" } : {};
  const begun = await (await send("POST", "/v1/session", { body: { client, person, password, code }, headers })).json();
  token = begun.token ?? null;
  return known();
}

export async function signOut() {
  try {
    await send("DELETE", "/v1/session");
  } finally {
    who = null;
    token = null;
  }
}

export const showFactor = (code) => send("POST", "/v1/session/step-up", { body: { code } });

/** A step of another way in; see `ways.js`. */
export const step = async (path, body) => (await send("POST", path, { body })).json();
