// Times, lengths and words as people read them.

const MOMENT = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "2-digit" });
const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const moment = (text) => (text ? MOMENT.format(new Date(text)) : "");
export const day = (text) => (text ? DAY.format(new Date(text)) : "");
export const clock = (text) => (text ? CLOCK.format(new Date(text)) : "");

/** Milliseconds as 0:07, 12:34 or 1:02:03; with tenths where asked for. */
export function length(ms, tenths = false) {
  const all = Math.max(0, tenths ? Math.floor(ms / 100) / 10 : Math.round(ms / 1000));
  const seconds = all % 60;
  const minutes = Math.floor(all / 60) % 60;
  const hours = Math.floor(all / 3600);
  const two = (n) => String(n).padStart(2, "0");
  const last = tenths ? seconds.toFixed(1).padStart(4, "0") : two(seconds);
  return hours ? `${hours}:${two(minutes)}:${last}` : `${minutes}:${last}`;
}

/** What somebody typed as a place in a recording, in milliseconds; null if it is none. */
export function place(text) {
  const parts = text.trim().split(":").map(Number);
  if (!parts.length || parts.length > 3 || parts.some((n) => !Number.isFinite(n) || n < 0)) return null;
  return Math.round(parts.reduce((sum, n) => sum * 60 + n, 0) * 1000);
}

/** `card-number` as "Card number". */
export function words(code) {
  const text = String(code ?? "").replaceAll("-", " ").replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export const short = (id) => String(id ?? "").replace(/^sha256:/, "").slice(0, 12);

export function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (n >= 1024 && at < units.length - 1) {
    n /= 1024;
    at += 1;
  }
  return `${n < 10 && at ? n.toFixed(1) : Math.round(n)} ${units[at]}`;
}

export const count = (n, one, many = `${one}s`) => `${n.toLocaleString()} ${n === 1 ? one : many}`;

/** How a recording stands: its word and its color. */
export const STATES = {
  recording: ["Recording", "recording"],
  sealed: ["Kept", "accent"],
  interrupted: ["Cut short", "paused"],
  discarded: ["Not kept", "refused"],
  destroyed: ["Destroyed", ""],
  suspended: ["Paused", "paused"],
  "not-recorded": ["Not recorded", "refused"],
};

/** Why somebody asks, in the order in which the console offers it. */
export const PURPOSES = {
  training: "Training",
  oversight: "Oversight of agents",
  quality: "Quality",
  dispute: "A dispute",
  "own-request": "Their own request",
  legal: "A legal matter",
  regulatory: "A regulatory duty",
  operations: "Operations",
  research: "Research",
  treatment: "Treatment",
  payment: "Payment",
  "law-enforcement": "Law enforcement",
  emergency: "An emergency",
};

/** What can be found in a call. */
export const LABELS = ["card-number", "card-code", "card-pin", "card-expiry", "bank-account", "ssn", "birth-date", "street-address", "person-name", "phone-number", "email-address", "health", "required-phrase", "forbidden-phrase", "privileged"];
