"""One rule: large conferences are not recorded."""

import json

from caveat import Rule, Ruling
from wit_world.exports import capture
from wit_world.imports.facts import PartyTraits

SIZE = Rule("conference.size", "House rule 1")

settings = {}


class Settings:
    def configure(self, given):
        """As settings.schema.json describes them; the host has filled in the defaults."""
        settings.update(json.loads(given))


class Capture:
    def rule(self, event, facts):
        ruling = Ruling(capture)
        present = [party for party in facts.parties if PartyTraits.PRESENT in party.traits]
        if len(present) > settings["max-parties"]:
            ruling.suspend(SIZE, "More people are on the call than the house rule allows.")
        return ruling
