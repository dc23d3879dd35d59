#!/usr/bin/env python3
"""Hears one leg of a running call and tells the host what was said, word by word.

Reads raw sound (16-bit signed little-endian, one channel) from standard input as it is spoken, recognizes it without a
network (PocketSphinx, whose model comes with it), and posts the words with their times to `POST /v1/calls/CALL/events`.
Nothing it hears is written anywhere. The token comes from the environment (CAVEAT_TOKEN, scope `call-events`).

    arecord -t raw -f S16_LE -r 16000 -c 1 | CAVEAT_TOKEN=... ./recognizer.py --call CA1 --leg 0
"""

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

from pocketsphinx import Decoder, Endpointer

# The decoder counts in frames of 10 ms.
FRAME_MS = 10
# What the decoder writes for silence, noise and alternative pronunciations is no word.
NO_WORDS = ("<", "[", "+")
# A host that does not answer holds up the next words so long, in seconds.
ANSWER_S = 5


def utterances(source, rate):
    """Stretches of speech as they end: when each begins, in milliseconds, and its sound."""
    ends = Endpointer(sample_rate=rate)
    sound = bytearray()
    while frame := source.read(ends.frame_bytes):
        whole = len(frame) == ends.frame_bytes
        speech = ends.process(frame) if whole else ends.end_stream(frame)
        if speech is not None:
            sound += speech
            if not ends.in_speech:
                yield round(ends.speech_start * 1000), bytes(sound)
                sound.clear()
        if not whole:
            break
    if sound:
        yield round(ends.speech_start * 1000), bytes(sound)


def words(decoder, sound):
    """Each word, with its beginning and end in milliseconds within the sound."""
    decoder.start_utt()
    decoder.process_raw(sound, no_search=False, full_utt=True)
    decoder.end_utt()
    for segment in decoder.seg() or []:
        if not segment.word.startswith(NO_WORDS):
            text = segment.word.split("(")[0]
            yield text, segment.start_frame * FRAME_MS, (segment.end_frame + 1) * FRAME_MS


def tell(host, call, token, heard):
    """Posts words; what the host answers, or why it did not."""
    request = urllib.request.Request(
        f"{host}/v1/calls/{call}/events",
        data=json.dumps({"words": heard}).encode(),
        headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
            return json.load(answer)["state"]
    except urllib.error.HTTPError as refused:
        return f"refused: {refused.code} {refused.read().decode(errors='replace')}"
    except OSError as error:
        return f"not reached: {error}"


def main():
    say = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    say.add_argument("--host", default="http://127.0.0.1:8480", help="where the host listens")
    say.add_argument("--call", required=True, help="the phone system's id of the call")
    say.add_argument("--leg", type=int, required=True, help="which leg this is")
    say.add_argument("--rate", type=int, default=16000, help="samples per second; the model was made at 16000")
    say.add_argument("--begins-ms", type=int, default=0, help="when the sound begins, after the call began")
    grammar = Path(__file__).with_name("calls.gram")
    say.add_argument("--grammar", type=Path, default=grammar, help="what can be heard (JSGF)")
    say.add_argument("--dictation", action="store_true", help="anything can be heard, less surely")
    asked = say.parse_args()
    token = os.environ.get("CAVEAT_TOKEN")
    if not token:
        sys.exit("CAVEAT_TOKEN is not set: make one with `caveat token create --scopes call-events`")

    search = {} if asked.dictation else {"jsgf": str(asked.grammar)}
    decoder = Decoder(samprate=asked.rate, loglevel="FATAL", **search)
    for begins, sound in utterances(sys.stdin.buffer, asked.rate):
        at = asked.begins_ms + begins
        heard = [
            {"leg": asked.leg, "start": at + start, "end": at + end, "text": text}
            for text, start, end in words(decoder, sound)
        ]
        if heard:
            state = tell(asked.host, asked.call, token, heard)
            print(f"{at} ms, leg {asked.leg}: {len(heard)} words: {state}", flush=True)


if __name__ == "__main__":
    main()
