"""Finding a phrase in what was recognized, whatever the case and punctuation."""

import re

from wit_world.imports.facts import Span


def words(text):
    """Its words in lower case, apostrophes kept."""
    return re.findall(r"(?:[^\W_]|')+", text.lower())


def places(phrase, speech, leg):
    """Where it was said on a leg, if it ended in what was just heard."""
    before, heard = (
        [(text, word) for word in part if word.leg == leg for text in words(word.text)]
        for part in (speech.before, speech.heard)
    )
    said, length, found = before + heard, len(phrase), []
    for end in range(max(len(before) + 1, length), len(said) + 1):
        window = said[end - length : end]
        if [text for text, _ in window] == phrase:
            found.append(Span(leg, window[0][1].start, window[-1][1].end))
    return found
