#!/usr/bin/env python3
"""Calls into a running host until somebody hangs up (SIGTERM or Ctrl-C), and what became of each event on them.

Every call has two legs over AudioSocket and somebody who says something every second; every third becomes a conference
when two others join. CAVEAT_TOKEN has to hold a token with the scopes `capture` and `call-events`. Writes the calls as
`caveat assurance import` reads them. Ends with 1 if a stream broke off or an event was not answered. Nothing but Python's
own library is used.
"""

import argparse
import asyncio
import json
import math
import os
import signal
import struct
import sys
import time
import urllib.request
import uuid
from collections import Counter
from datetime import datetime, timezone

# AudioSocket: an id, sound at 8,000 Hz, the end.
ID, SOUND, HANGUP = 0x01, 0x10, 0x00
FRAME_MS, RATE = 20, 8000
ANSWER_S = 20


def frame(kind, content=b""):
    return bytes([kind]) + len(content).to_bytes(2, "big") + content


def tone(hertz):
    """A frame of a steady tone: what is heard on a leg, so that no leg counts as silent."""
    samples = range(RATE * FRAME_MS // 1000)
    return frame(SOUND, b"".join(struct.pack("<h", int(4000 * math.sin(2 * math.pi * hertz * n / RATE))) for n in samples))


class Calls:
    def __init__(self, asked, token):
        self.asked, self.token = asked, token
        self.over = asyncio.Event()
        self.answers, self.lost, self.slowest_ms = Counter(), [], 0.0
        self.rows = []

    def post(self, path, body):
        request = urllib.request.Request(
            self.asked.host + path,
            data=json.dumps(body).encode(),
            headers={"authorization": f"Bearer {self.token}", "content-type": "application/json"},
        )
        began = time.monotonic()
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
            said = answer.read()
        self.slowest_ms = max(self.slowest_ms, 1000 * (time.monotonic() - began))
        return json.loads(said) if said else {}

    async def call(self, n):
        name, at_port = f"first-{n:02}", self.asked.audiosocket.rpartition(":")
        streams = [uuid.uuid4(), uuid.uuid4()]
        parties = [{"role": "agent", "leg": 0, "on-file": "GA"}, {"role": "customer", "leg": 1, "stated": "TX"}]
        announced = {
            "call": {"external-id": name, "direction": "inbound", "parties": parties},
            "streams": [{"id": str(stream), "leg": leg} for leg, stream in enumerate(streams)],
        }
        await asyncio.to_thread(self.post, "/v1/calls/announced", announced)
        began, zero = datetime.now(timezone.utc), time.monotonic()
        legs = [self.leg(at_port, stream, tone(300 + 100 * leg)) for leg, stream in enumerate(streams)]
        await asyncio.gather(*legs, self.talk(name, zero, is_conference=n % 3 == 0))
        length_ms = int(1000 * (time.monotonic() - zero))
        self.rows.append(f"{name},{began.isoformat(timespec='milliseconds').replace('+00:00', 'Z')},{length_ms},2")

    async def leg(self, at_port, stream, sound):
        """One leg's sound at the pace of a call."""
        try:
            _, link = await asyncio.open_connection(at_port[0], int(at_port[2]))
            link.write(frame(ID, stream.bytes))
            due = time.monotonic()
            while not self.over.is_set():
                link.write(sound)
                await link.drain()
                due += FRAME_MS / 1000
                await asyncio.sleep(max(0, due - time.monotonic()))
            link.write(frame(HANGUP))
            await link.drain()
            link.close()
        except OSError as broken:
            self.lost.append(f"a stream broke off: {broken}")

    async def talk(self, name, zero, is_conference):
        """Something happens every second; each time the host says how the call stands."""
        stood = None
        second = 0
        while not self.over.is_set():
            try:
                await asyncio.wait_for(self.over.wait(), 1)
            except asyncio.TimeoutError:
                pass
            second += 1
            start = max(0, int(1000 * (time.monotonic() - zero)) - 600)
            words = {"words": [{"leg": second % 2, "start": start, "end": start + 400, "text": "hello"}]}
            joins = {"party-joined": {"role": "other-party", "leg": 1, "stated": "GA"}}
            happening = joins if is_conference and second in (2, 3) else words
            try:
                answer = await asyncio.to_thread(self.post, f"/v1/calls/{name}/events", happening)
            except OSError as refused:
                self.lost.append(f"{name}: {refused}")
                continue
            state = answer["state"]
            self.answers[state] += 1
            if stood is not None and state != stood:
                print(f"{name}: {stood} -> {state}", flush=True)
            stood = state
            if second == 4:
                print(f"{name} is up", flush=True)

    async def all(self):
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self.over.set)
        loop.call_later(self.asked.seconds_max, self.over.set)
        await asyncio.gather(*(self.call(n) for n in range(1, self.asked.calls + 1)))
        with open(self.asked.list, "w") as calls:
            calls.write("\n".join(["id,began,duration_ms,legs", *sorted(self.rows)]) + "\n")
        answered = ", ".join(f"{count} {state}" for state, count in sorted(self.answers.items()))
        print(f"{len(self.rows)} calls are over; {sum(self.answers.values())} events answered ({answered}), {len(self.lost)} lost")
        print(f"the slowest answer took {self.slowest_ms:.0f} ms")
        for what in self.lost:
            print(what)
        return 1 if self.lost else 0


def main():
    say = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    say.add_argument("--host", default="http://127.0.0.1:8480", help="where the host listens")
    say.add_argument("--audiosocket", default="127.0.0.1:9092", help="where it takes AudioSocket streams")
    say.add_argument("--calls", type=int, default=6, help="how many at once")
    say.add_argument("--list", default="calls.csv", help="where to write down the calls")
    say.add_argument("--seconds-max", type=float, default=600, help="hang up by then, whatever happens")
    token = os.environ.get("CAVEAT_TOKEN") or sys.exit("CAVEAT_TOKEN is not set")

    async def run():
        return await Calls(say.parse_args(), token).all()

    sys.exit(asyncio.run(run()))


if __name__ == "__main__":
    main()
