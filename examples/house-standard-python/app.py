"""The house standard: agents read a disclosure, and do not ask for a full card number.

A pack remembers nothing from event to event. What it found earlier on the call comes back to it as a label.
"""

import json

import phrase
from caveat import Rule, Ruling, wrong
from wit_world.exports import capture
from wit_world.imports.facts import LabelKind, Role

DISCLOSURE = Rule("house.disclosure", "House standard 1")
CARD_NUMBER = Rule("house.card-number", "House standard 2")

# Of a phrase that was recognized word for word.
CONFIDENCE = 90
FULL_SCORE = 10

settings = {}


class Settings:
    def configure(self, given):
        settings.update(json.loads(given))
        settings["disclosure"] = listen_for("/disclosure", settings["disclosure"])
        requests = enumerate(settings["card-requests"])
        settings["card-requests"] = [listen_for(f"/card-requests/{n}", text) for n, text in requests]


class Capture:
    def rule(self, event, facts):
        ruling = Ruling(capture)
        match event:
            case capture.Event_Words(speech):
                listen(speech, facts, ruling)
            case capture.Event_Ended():
                judge_disclosure(facts, ruling)
                return ruling
        pause_after_request(facts, ruling)
        return ruling


def listen_for(at, text):
    words = phrase.words(text)
    if not words:
        raise wrong(at, "no word in it to listen for")
    return words


def listen(speech, facts, ruling):
    """Labels what the standard asks for and what it forbids, in what agents have just said."""
    for leg in agent_legs(facts):
        for place in phrase.places(settings["disclosure"], speech, leg):
            ruling.label(LabelKind.REQUIRED_PHRASE, place, CONFIDENCE)
        for request in settings["card-requests"]:
            for place in phrase.places(request, speech, leg):
                ruling.label(LabelKind.FORBIDDEN_PHRASE, place, CONFIDENCE)
                ruling.alert(CARD_NUMBER, "An agent asked for a full card number.")
                ruling.remedy(CARD_NUMBER, "use-the-keypad")
                ruling.score(CARD_NUMBER, 0, FULL_SCORE, place)


def pause_after_request(facts, ruling):
    """The answer to such a request may be the number."""
    requests = places(facts.labels + ruling.labels, LabelKind.FORBIDDEN_PHRASE)
    if not requests:
        return
    last = max(place.end for place in requests)
    if facts.now - facts.began < last + settings["pause-s"] * 1_000:
        ruling.suspend(CARD_NUMBER, "A full card number was asked for: the answer is not kept.")
    elif ruling.scores:
        ruling.because(CARD_NUMBER, "A full card number was asked for.")


def judge_disclosure(facts, ruling):
    within_ms = settings["disclosure-within-s"] * 1_000
    if facts.now - facts.began < within_ms or not agent_legs(facts):
        return
    first = min(places(facts.labels, LabelKind.REQUIRED_PHRASE), key=lambda place: place.start, default=None)
    if first is None:
        ruling.because(DISCLOSURE, "The disclosure was not read.")
        ruling.alert(DISCLOSURE, "An agent did not read the disclosure.")
        ruling.see_to(DISCLOSURE, "coach-agent")
        ruling.score(DISCLOSURE, 0, FULL_SCORE)
    elif first.start <= within_ms:
        ruling.score(DISCLOSURE, FULL_SCORE, FULL_SCORE, first)
    else:
        ruling.because(DISCLOSURE, "The disclosure was read too late.")
        ruling.score(DISCLOSURE, FULL_SCORE // 2, FULL_SCORE, first)


def agent_legs(facts):
    return [party.leg for party in facts.parties if party.role == Role.AGENT and party.leg is not None]


def places(labels, kind):
    return [label.where for label in labels if label.kind == kind]
