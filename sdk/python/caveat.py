"""What a rule pack in Python is written with. The builder lays this file beside the pack's own.

A pack is `app.py` with a class `Settings` and a class for each stage it rules on (`Capture`, `Storage`, `Access`). It has
no clock, randomness, network or memory of earlier events: the same event, facts and settings give the same ruling.
The types of the contract are in `wit_world`; `wit/*.wit` says what they mean.
"""

from dataclasses import dataclass

from componentize_py_types import Err
from wit_world.exports import settings
from wit_world.imports import facts


@dataclass(frozen=True)
class Rule:
    """A rule as pack.toml declares it."""

    id: str
    citation: str


def wrong(at, message):
    """To be raised by `configure`: what is wrong with a setting, `at` being its JSON pointer ("/max-parties")."""
    return Err([settings.Problem(at, message)])


class Ruling:
    """An answer that begins as `allow` and only ever gets stricter.

    `stage` is `wit_world.exports.capture`, `.storage` or `.access`: the types of a stage are its own.
    """

    def __init__(self, stage):
        self._stage = stage
        self.outcome = stage.Outcome.ALLOW
        self.obligations, self.remedies, self.reasons = [], [], []
        self.labels, self.scores = [], []

    def suspend(self, rule, why):
        """Capture: keep nothing until a later ruling allows it."""
        return self._at_least(self._stage.Outcome.SUSPEND, rule, why)

    def ask(self, rule, why):
        """Storage: a person has to decide."""
        return self._at_least(self._stage.Outcome.ASK, rule, why)

    def step_up(self, rule, why):
        """Access: not before the person has shown more of who they are."""
        return self._at_least(self._stage.Outcome.STEP_UP, rule, why)

    def refuse(self, rule, why):
        """No, for this reason."""
        return self._at_least(self._stage.Outcome.REFUSE, rule, why)

    def because(self, rule, why):
        """This rule had a say. No personal data in `why`: it is kept in the ledger."""
        self.reasons.append(facts.Reason(rule.id, rule.citation, why))
        return self

    def oblige(self, rule, duty):
        """Only if this `Duty_...` of the stage is carried out."""
        self.obligations.append(self._stage.Obligation(duty, rule.id))
        return self

    def alert(self, rule, message):
        """Tell somebody."""
        return self.oblige(rule, self._stage.Duty_Alert(message))

    def see_to(self, rule, action, due=None):
        """Somebody has to do this, by `due` if there is a date."""
        return self.oblige(rule, self._stage.Duty_SeeTo(facts.Task(action, due)))

    def remedy(self, rule, action):
        """What would change the answer."""
        self.remedies.append(facts.Remedy(action, rule.id))
        return self

    def label(self, kind, where, confidence):
        """Something was found, at a `Span`."""
        self.labels.append(facts.Label(kind, where, confidence))
        return self

    def score(self, rule, points, out_of, where=None):
        """Points for a written standard, for what was said at a `Span` if there is one."""
        self.scores.append(self._stage.Score(rule.id, points, out_of, where))
        return self

    def _at_least(self, outcome, rule, why):
        if outcome.value > self.outcome.value:
            self.outcome = outcome
        return self.because(rule, why)
