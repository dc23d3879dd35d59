"""Checks evidence with nothing of Caveat: see host/recorder/EVIDENCE.md. Needs the `cryptography` package.

usage: verify.py FILE KEY      KEY is the log's public key, as you got it by another way than the file; or a file with it
Prints what was decided and why. Ends with 0 if everything holds, else with 1 and what does not.
"""
import array, base64, hashlib, hmac, io, json, os, struct, sys, tarfile, uuid, wave
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

FORMAT, MARGIN_MS = "caveat-evidence/1", 150
SUITES = {1: ChaCha20Poly1305, 2: AESGCM}


class Wrong(Exception):
    pass


def need(holds, what):
    if not holds:
        raise Wrong(what)


def sha256(data):
    return hashlib.sha256(data).digest()


def name_of(digest):
    return "sha256:" + digest.hex()


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def context(*parts):
    return b"".join(struct.pack(">I", len(p)) + p for p in parts)


# Signed notes (C2SP signed-note) and checkpoints (C2SP tlog-checkpoint)

def open_note(note, vkey):
    log, _, encoded = vkey.strip().split("+", 2)
    key = base64.b64decode(encoded)
    need(key[0] == 1, "the key is not an Ed25519 key")
    key_id = sha256(log.encode() + b"\n" + key)[:4]
    text, _, signatures = note.decode().rpartition("\n\n")
    need(signatures.endswith("\n"), "a note ends early")
    for line in signatures[:-1].split("\n"):
        dash, name, signature = line.split(" ")
        raw = base64.b64decode(signature, validate=True)
        if (dash, name, raw[:4]) == ("\u2014", log, key_id):
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(raw[4:], (text + "\n").encode())
            return log, text.split("\n")
    raise Wrong("it is not signed with this key")


# Merkle trees (RFC 6962, section 2.1)

def join(left, right):
    return sha256(b"\x01" + left + right)


def root_by_path(index, size, leaf, path):  # RFC 9162, section 2.1.3.2
    need(index < size, f"the checkpoint is older than entry {index}")
    node, last = leaf, size - 1
    for other in path:
        need(last > 0, "an audit path is too long")
        if index % 2 == 1 or index == last:
            node = join(other, node)
            while index % 2 == 0 and index:
                index, last = index // 2, last // 2
        else:
            node = join(node, other)
        index, last = index // 2, last // 2
    need(last == 0, "an audit path is too short")
    return node


def roots_of(leaves, wanted):  # the root over the first n leaves, for each n
    peaks, roots = [], {}
    for count, leaf in enumerate(leaves, 1):
        node, n = leaf, count
        while n % 2 == 0:
            node, n = join(peaks.pop(), node), n // 2
        peaks.append(node)
        if count in wanted:
            root = peaks[-1]
            for left in reversed(peaks[:-1]):
                root = join(left, root)
            roots[count] = root
    roots[0] = sha256(b"")
    return roots


def check_growth(old_size, old_root, new_size, new_root, path):  # RFC 9162, section 2.1.4.2
    if old_size == new_size:
        return need(old_root == new_root and not path, "the timestamp is over another tree")
    path = [old_root] + path if old_size & (old_size - 1) == 0 else path
    need(path and old_size < new_size, "the log did not grow from what the timestamp is over")
    index, last = old_size - 1, new_size - 1
    while index % 2:
        index, last = index // 2, last // 2
    old = new = path[0]
    for other in path[1:]:
        need(last > 0, "the proof of growth is too long")
        if index % 2 or index == last:
            old, new = join(other, old), join(other, new)
            while index % 2 == 0 and index:
                index, last = index // 2, last // 2
        else:
            new = join(new, other)
        index, last = index // 2, last // 2
    need((old, new, last) == (old_root, new_root, 0), "the log did not grow from what the timestamp is over")


# What is sealed (host/vault/FORMAT.md)

def open_once(suite, key, purpose, aad, sealed):
    first = mac(key, purpose + b"\x01")
    commitment = mac(key, first + purpose + b"\x02")
    need(hmac.compare_digest(sealed[:32], commitment), "it is sealed under another key")
    return SUITES[suite](first).decrypt(bytes(12), sealed[32:], aad)


def open_detail(client, key, sealed):
    aad = context(b"detail", client, b"verdict")
    try:
        return open_once(1, key, b"caveat-vault/1 blob", aad, sealed[32:])
    except Wrong:
        return open_once(2, key, b"caveat-vault/1 blob aes-256-gcm", aad, sealed[32:])


def mu_law():  # ITU-T G.711
    for byte in range(256):
        byte ^= 0xFF
        value = (((byte & 15) << 3) + 132 << (byte >> 4 & 7)) - 132
        yield -value if byte & 0x80 else value


LINEAR = [struct.pack("=h", value) for value in mu_law()]


def samples_of(plain):  # a second of one leg: gaps, then 8,000 bytes of mu-law, or none when gaps cover it all
    need(plain[:2] == b"\x01\x00", "a second is coded in an unknown way")
    at, missing = 4, 0
    for _ in range(struct.unpack(">H", plain[2:4])[0]):
        _, start, end, length = struct.unpack(">BHHB", plain[at:at + 6])
        at, missing = at + 6 + length, missing + end - start
    sound = plain[at:]
    need(len(sound) == (0 if missing == 8000 else 8000), "a second is not one second long")
    return b"".join(LINEAR[b] for b in sound) or bytes(16000)


# The file

def members_of(path, vkey):
    with tarfile.open(path, "r:") as tar:
        infos = tar.getmembers()
        need(all(i.isreg() for i in infos) and len({i.name for i in infos}) == len(infos), "it is no plain tar")
        members = {i.name: tar.extractfile(i).read() for i in infos}
    log, text = open_note(members.pop("manifest.sig"), vkey)
    signed = members.pop("manifest.json")
    need(text == [FORMAT, log, name_of(sha256(signed))], "the manifest is not what was signed")
    manifest = json.loads(signed)
    need((manifest["format"], manifest["log"]) == (FORMAT, log), "the manifest is another log's")
    listed = {m["name"]: (m["bytes"], m["sha256"]) for m in manifest["members"]}
    there = {name: (len(data), name_of(sha256(data))) for name, data in members.items()}
    need(len(listed) == len(manifest["members"]) and listed == there, "the members are not those that were signed: "
         + ", ".join(sorted(n for n in listed.keys() | there.keys() if listed.get(n) != there.get(n))))
    return manifest, members


def entries_of(lines, size, root):
    entries, before, names = {}, -1, set()
    for line in lines:
        index, data = line["index"], base64.b64decode(line["entry"])
        need(index > before, "entries are out of order")
        path = [bytes.fromhex(h.removeprefix("sha256:")) for h in line["hashes"]]
        need(root_by_path(index, size, sha256(b"\x00" + data), path) == root, f"entry {index} is not in the log")
        entries[index], before = json.loads(data), index
    events = {index: entry["event"] for index, entry in entries.items()}
    for index, event in events.items():
        if event["kind"] in ("access-result", "disposal-result"):
            need(event["intent"] in events, f"entry {index} is about something else")
        else:
            names.add(event["recording"])
    need(len(names) == 1 and None not in names, "the entries are not about one recording")
    kinds = [event["kind"] for event in events.values()]
    need(kinds.count("recording-opened") == 1 and kinds.count("sealed") == 1, "it was not opened and sealed once")
    return entries, events


SHOWN = {1: (b"caveat-vault/1 audio", samples_of), 3: (b"caveat-vault/1 transcript", json.loads)}


def frames_of(client, recording, header, data):
    suite, length = header[0], header[1]
    need(suite in SUITES and header[2:2 + length] == client, "the header is another client's")
    need(header[2 + length:18 + length] == recording, "the header is another recording's")
    legs = header[27 + length:]
    bound = context(sha256(header), client, recording)
    leaves, seconds, words, at = [], {}, {}, 0
    while at < len(data):
        mark, at = data[at], at + 1
        if mark == 0:
            leaves.append(data[at:at + 32])
            need(len(leaves[-1]) == 32, "a digest ends early")
            at += 32
            continue
        need(mark == 1, "a record is of an unknown kind")
        leg, index, kind, sealed = struct.unpack(">BIBI", data[at:at + 10])
        frame, key = data[at:at + 10 + sealed], data[at + 10 + sealed:at + 42 + sealed]
        need(kind in SHOWN and len(key) == 32, "something is shown that is neither sound nor words")
        purpose, found, read = SHOWN[kind][0], (seconds, words)[kind == 3], SHOWN[kind][1]
        need((leg, index) not in found, "a second is shown twice")
        found[leg, index] = read(open_once(suite, key, purpose, bound + frame[:6], frame[10:]))
        leaves.append(sha256(b"\x00" + frame))
        at += 42 + sealed
    return [legs[i] for i in range(0, len(legs), 6)], leaves, seconds, words


def check_sound(data, legs, seconds, first, last):
    with wave.open(io.BytesIO(data)) as sound:
        form = (sound.getnchannels(), sound.getsampwidth(), sound.getframerate(), sound.getnframes())
        need(form == (len(legs), 2, 8000, 8000 * (last - first)), "the sound is not as long as the recording")
        heard = array.array("h", sound.readframes(sound.getnframes()))
    for channel, leg in enumerate(legs):
        kept = b"".join(seconds.get((leg, second), bytes(16000)) for second in range(first, last))
        need(heard[channel::len(legs)].tobytes() == kept, "the sound is not what the frames hold")


def check_recording(manifest, part, members, size, root):
    client, recording = manifest["client"].encode(), uuid.UUID(part["id"]).bytes
    def member(name): return members[f"recordings/{part['id']}/{name}"]
    def lines(name): return [json.loads(line) for line in member(name).splitlines()]
    entries, events = entries_of(lines("entries.jsonl"), size, root)

    intent = events[part["decided"]["ledger-index"]]
    need((intent["kind"], intent["act"], intent["grant"], intent["purpose"])
         == ("access-intent", "export", True, manifest["purpose"]), "the log does not tell of this export")
    own = events[intent["verdict"]]
    need((own["kind"], own["event"], own["outcome"]) == ("verdict", "export", "allow"), "no verdict allowed it")

    rulings = {}
    for detail in lines("details.jsonl"):
        index, sealed = detail["index"], base64.b64decode(detail["sealed"])
        event = events[index]
        need(event["kind"] == "verdict" and index not in rulings, f"entry {index} has no detail here")
        need(event["stage"] != "access" or index == intent["verdict"], f"the detail of entry {index} is another's")
        need(event["detail"] == name_of(sha256(sealed)), f"the detail of entry {index} is not what was logged")
        plain = json.loads(open_detail(client, base64.b64decode(detail["key"]), sealed))
        need(plain == detail["plain"], f"the detail of entry {index} says something else")
        need(plain["recording"] in (None, part["id"]), f"entry {index} is about another recording")
        verdict = plain["verdict"]
        need((verdict["stage"], verdict["outcome"]) == (event["stage"], event["outcome"]), f"entry {index} differs")
        rulings[index] = plain
    need(rulings[intent["verdict"]]["recording"] == part["id"], "what was decided about this export is missing")

    legs, leaves, seconds, words = frames_of(client, recording, member("header.bin"), member("frames.bin"))
    logged = [e for e in events.values() if e["kind"] in ("interim-root", "sealed")]
    roots = roots_of(leaves, {e["frames"] for e in logged})
    for event in logged:
        need(name_of(roots.get(event["frames"], b"")) == event["root"], "the frames do not give a root that was logged")
    sealed = next(e for e in logged if e["kind"] == "sealed")
    need(sealed["frames"] == len(leaves), "there are not as many frames as were sealed")
    about = json.loads(member("recording.json"))
    first, last = about["from-second"], about["to-second"]
    need(about["id"] == part["id"] and first <= last <= -(-sealed["duration-ms"] // 1000), "another recording's facts")
    for leg, second in [*seconds, *words]:
        need(first <= second < last, "a second is shown that was not asked for")
        stretches = [(1000 * second, 1000 * second + 1000)]
        for word in words.get((leg, second), []):
            need((word["leg"], word["start"] // 1000) == (leg, second), "a word is shown in another second")
            stretches.append((word["start"], word["end"]))
        for span in part["decided"]["silenced"]:
            near = any(span["start"] - MARGIN_MS < end and start < span["end"] + MARGIN_MS for start, end in stretches)
            need(not (near and span.get("leg", leg) == leg), "it shows what the verdict on this export hides")
    check_sound(member("audio.wav"), legs, seconds, first, last)
    said = [word for _, those in sorted(words.items()) for word in those]
    need(json.loads(member("transcript.json")) == said, "the words are not what the frames hold")

    shown = len(seconds) + len(words)
    print(f"{part['id']}: {len(leaves)} frames, {shown} shown; {len(entries)} entries of the log")
    for index, plain in sorted(rulings.items()):
        event = events[index]
        print(f"  {entries[index]['at']} entry {index}, {event['event']}: {event['outcome']}")
        for ruling in plain["verdict"]["rulings"]:
            for why in ruling["ruling"].get("reasons", []) if ruling["mode"] == "active" else []:
                print(f"    {why['rule']} ({why['citation']}): {why['message']}")


def check_time(members, vkey, size, root):  # the authority's own signature is for `openssl ts -verify`
    over = members["timestamp.checkpoint"]
    _, earlier = open_note(over, vkey)
    grown = json.loads(members["timestamp.json"])
    path = [bytes.fromhex(h.removeprefix("sha256:")) for h in grown["hashes"]]
    check_growth(int(earlier[1]), base64.b64decode(earlier[2]), size, root, path)
    need(sha256(over) in members["timestamp.tsr"], "the timestamp is over something else")
    print(f"a timestamp is over the first {earlier[1]} entries; whose it is, and of when:\n"
          "  openssl ts -verify -in timestamp.tsr -data timestamp.checkpoint -CAfile AUTHORITY.pem")


def main(path, key):
    vkey = open(key).read() if os.path.isfile(key) else key
    manifest, members = members_of(path, vkey)
    log, checkpoint = open_note(members["checkpoint"], vkey)
    need(checkpoint[0] == log, "the checkpoint is another log's")
    size, root = int(checkpoint[1]), base64.b64decode(checkpoint[2])
    if "timestamp.tsr" in members:
        check_time(members, vkey, size, root)
    for part in manifest["recordings"]:
        if part["given"]:
            check_recording(manifest, part, members, size, root)
        else:
            print(f"{part['id']}: not in this file ({part['state']})")
    print(f"{log}: good; checkpoint of {size} entries, made {manifest['made']}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as why:  # whatever it stumbles over was not as it should be
        sys.exit(f"NOT GOOD: {why or type(why).__name__}")
