// What a rule pack in JavaScript is written with. The builder lays this file beside the pack's own.
//
// A pack is `pack.js`, a module that exports `settings` and an object for each stage it rules on (`capture`, `storage`,
// `access`). It has no clock, randomness, network or memory of earlier events: the same event, facts and settings give
// the same ruling. Values are those of `wit/*.wit`: records and flags are objects with names in camelCase, enums are the
// contract's words, variants are `{ tag, val }`, moments are numbers of milliseconds.

// In order of strictness; a stage has three of them.
const STRICTNESS = { allow: 0, suspend: 1, ask: 1, "step-up": 1, refuse: 2 };

/** To be thrown by `configure`: what is wrong with a setting, `at` being its JSON pointer ("/max-parties"). */
export function wrong(at, message) {
  return [{ at, message }];
}

/** An answer that begins as `allow` and only ever gets stricter. Rules are `{ id, citation }`, as pack.toml declares them. */
export class Ruling {
  outcome = "allow";
  obligations = [];
  remedies = [];
  labels = [];
  scores = [];
  reasons = [];

  /** Capture: keep nothing until a later ruling allows it. */
  suspend(rule, why) {
    return this.#atLeast("suspend", rule, why);
  }

  /** Storage: a person has to decide. */
  ask(rule, why) {
    return this.#atLeast("ask", rule, why);
  }

  /** Access: not before the person has shown more of who they are. */
  stepUp(rule, why) {
    return this.#atLeast("step-up", rule, why);
  }

  /** No, for this reason. */
  refuse(rule, why) {
    return this.#atLeast("refuse", rule, why);
  }

  /** This rule had a say. No personal data in `why`: it is kept in the ledger. */
  because(rule, why) {
    this.reasons.push({ rule: rule.id, citation: rule.citation, message: why });
    return this;
  }

  /** Only if this duty of the stage is carried out: `{ tag, val }`. */
  oblige(rule, duty) {
    this.obligations.push({ duty, rule: rule.id });
    return this;
  }

  /** Tell somebody. */
  alert(rule, message) {
    return this.oblige(rule, { tag: "alert", val: message });
  }

  /** Somebody has to do this, by `due` (a moment) if there is a date. */
  seeTo(rule, action, due = null) {
    return this.oblige(rule, { tag: "see-to", val: { action, due } });
  }

  /** What would change the answer. */
  remedy(rule, action) {
    this.remedies.push({ action, rule: rule.id });
    return this;
  }

  /** Something was found, at `{ leg, start, end }`. */
  label(kind, where, confidence) {
    this.labels.push({ kind, where, confidence });
    return this;
  }

  /** Points for a written standard, for what was said at `where` if that is known. */
  score(rule, points, outOf, where = null) {
    this.scores.push({ rule: rule.id, points, outOf, where });
    return this;
  }

  #atLeast(outcome, rule, why) {
    if (STRICTNESS[outcome] > STRICTNESS[this.outcome]) this.outcome = outcome;
    return this.because(rule, why);
  }
}
