#!/usr/bin/env python3
"""A payment by telephone, spoken by espeak-ng into a running host and heard by `recognizer.py`, to see rules act on words.

Needs espeak-ng, sox, a host with `[audiosocket] listen`, and in CAVEAT_TOKEN a token with the scopes `capture`,
`call-events` and `read-api`. Ends with 0 when recording stopped at the question for the card and went on after the payment.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

RATE = 16000
# AudioSocket: an id, sound at 16,000 Hz, the end.
ID, SOUND, HANGUP = 0x01, 0x12, 0x00
FRAME_MS = 20
PAUSE_MS = 1500
AGENT, CUSTOMER = 0, 1
TALK = [
    (AGENT, "hello how can i help you"),
    (CUSTOMER, "i want to pay my bill"),
    (AGENT, "can i have your card number please"),
    (CUSTOMER, "four one one one one one one one one one one one one one one one"),
    (AGENT, "and the security code on the back"),
    (CUSTOMER, "nine eight two"),
    (AGENT, "thank you the payment is approved"),
    (AGENT, "is there anything else"),
    (AGENT, "have a good day"),
]
VOICES = {AGENT: "en-us+f3", CUSTOMER: "en-us"}


def spoken(text, voice):
    """Raw sound of a sentence."""
    speak = ["espeak-ng", "-v", voice, "-s", "140", "-g", "2", "--stdout", text]
    raw = f"sox -q -t wav - -t raw -e signed -b 16 -r {RATE} -c 1 -".split()
    wav = subprocess.run(speak, check=True, capture_output=True).stdout
    return subprocess.run(raw, check=True, capture_output=True, input=wav).stdout


def script():
    """The sound of both legs, of one length: who does not speak is silent."""
    legs = {AGENT: bytearray(), CUSTOMER: bytearray()}
    pause = bytes(2 * RATE * PAUSE_MS // 1000)
    for leg, text in TALK:
        sound = spoken(text, VOICES[leg]) + pause
        for each, whole in legs.items():
            whole += sound if each == leg else bytes(len(sound))
    for whole in legs.values():
        whole += pause * 4
    return legs


class Api:
    def __init__(self, host, token):
        self.host, self.token = host, token

    def ask(self, path, body=None):
        request = urllib.request.Request(
            self.host + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"authorization": f"Bearer {self.token}", "content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()


def frame(kind, content=b""):
    return bytes([kind]) + len(content).to_bytes(2, "big") + content


def line(address, stream):
    link = socket.create_connection(address)
    link.sendall(frame(ID, stream.bytes))
    return link


def watch(api, call, states, over):
    """Every change of whether the call is recorded."""
    while not over.wait(0.1):
        try:
            state = json.loads(api.ask(f"/v1/calls/{call}"))["state"]
        except (urllib.error.URLError, KeyError):
            continue
        if not states or states[-1] != state:
            states.append(state)
            print(f"the host: {state}", flush=True)


def main():
    say = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    say.add_argument("--host", default="http://127.0.0.1:8480", help="where the host listens")
    say.add_argument("--audiosocket", default="127.0.0.1:9092", help="where it takes AudioSocket streams")
    asked = say.parse_args()
    token = os.environ.get("CAVEAT_TOKEN") or sys.exit("CAVEAT_TOKEN is not set")
    api, call = Api(asked.host, token), f"recognized-{uuid.uuid4()}"
    at, _, port = asked.audiosocket.rpartition(":")
    legs = script()
    streams = {leg: uuid.uuid4() for leg in legs}
    parties = [
        {"role": "agent", "leg": AGENT, "on-file": "TX"},
        {"role": "customer", "leg": CUSTOMER, "stated": "GA"},
    ]
    announced = [{"id": str(stream), "leg": leg} for leg, stream in streams.items()]
    api.ask("/v1/calls/announced", {"call": {"external-id": call, "parties": parties}, "streams": announced})

    recognize = [sys.executable, str(Path(__file__).with_name("recognizer.py")), "--host", asked.host, "--call", call]
    ears = {
        leg: subprocess.Popen([*recognize, "--leg", str(leg)], stdin=subprocess.PIPE) for leg in legs
    }
    links = {leg: line((at, int(port)), stream) for leg, stream in streams.items()}
    states, over = [], threading.Event()
    watcher = threading.Thread(target=watch, args=(api, call, states, over))
    watcher.start()
    size, began = 2 * RATE * FRAME_MS // 1000, time.monotonic()
    for n in range(0, len(legs[AGENT]), size):
        for leg, sound in legs.items():
            links[leg].sendall(frame(SOUND, bytes(sound[n : n + size])))
            ears[leg].stdin.write(sound[n : n + size])
            ears[leg].stdin.flush()
        # In its own time: the frame after this one is due so long after the first.
        time.sleep(max(0, began + (n // size + 1) * FRAME_MS / 1000 - time.monotonic()))
    for ear in ears.values():
        ear.stdin.close()
        ear.wait(timeout=60)
    time.sleep(1)
    over.set()
    watcher.join()
    for link in links.values():
        link.sendall(frame(HANGUP))
        link.close()
    stopped = "suspended" in states
    resumed = stopped and "recording" in states[states.index("suspended") :]
    print(f"stopped for the card: {stopped}; went on after the payment: {resumed}")
    sys.exit(0 if stopped and resumed else 1)


if __name__ == "__main__":
    main()
