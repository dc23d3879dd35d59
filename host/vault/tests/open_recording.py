"""Opens a sealed recording with nothing of Caveat: see FORMAT.md. Needs the `cryptography` package.

usage: open_recording.py DATABASE KEYRING STORE CLIENT RECORDING
Prints one line per segment: leg, second, kind, plaintext in hexadecimal.
"""
import base64, hashlib, hmac, json, sqlite3, struct, sys, uuid
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

KINDS = {1: "audio", 2: "waveform", 3: "transcript"}
SUITES = {1: ChaCha20Poly1305, 2: AESGCM}
BLOBS = {1: b"caveat-vault/1 blob", 2: b"caveat-vault/1 blob aes-256-gcm"}
DEPTH, SECOND_BITS, TRAILER = 25, 17, 129


def sha256(data):
    return hashlib.sha256(data).digest()


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def expand64(key, purpose):  # HKDF-Expand, RFC 5869, to 64 bytes
    first = mac(key, purpose + b"\x01")
    return first + mac(key, first + purpose + b"\x02")


def context(*parts):
    return b"".join(struct.pack(">I", len(p)) + p for p in parts)


def open_once(suite, key, purpose, aad, sealed):
    both = expand64(key, purpose)
    assert hmac.compare_digest(sealed[:32], both[32:]), "sealed under another key"
    return SUITES[suite](both[:32]).decrypt(bytes(12), sealed[32:], aad)


def open_blob(keys, aad, sealed):
    for key in keys:
        once = mac(sealed[:32], key)
        for suite, purpose in BLOBS.items():
            if hmac.compare_digest(sealed[32:64], expand64(once, purpose)[32:]):
                return open_once(suite, once, purpose, aad, sealed[32:])
    raise SystemExit("sealed under another key")


def leaf_key(cover, leaf):
    for depth, path, key in cover:
        if leaf >> (DEPTH - depth) == path:
            for level in range(DEPTH - depth - 1, -1, -1):
                key = mac(key, bytes([leaf >> level & 1]))
            return key
    return None  # redacted, or in another layer


def merkle_root(hashes):  # RFC 6962, section 2.1
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256(b"")
    half = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\x01" + merkle_root(hashes[:half]) + merkle_root(hashes[half:]))


database, keyring, store, client, recording = sys.argv[1:]
name, rid = client.encode(), uuid.UUID(recording).bytes
versions = json.load(open(keyring))["keys"][client]
versions = versions.values() if isinstance(versions, dict) else [versions]
client_keys = [base64.b64decode(key) for key in versions]
wrapped, sealed_cover = sqlite3.connect(database).execute(
    "SELECT p.wrapped, r.cover FROM vault_recording r JOIN vault_page p ON p.page = r.page"
    " WHERE r.client = ? AND r.recording = ?", (client, recording)).fetchone()
page_key = open_blob(client_keys, context(b"wrap", name), wrapped)
secrets = open_blob([page_key], context(b"cover", name, rid), sealed_cover)
seal_key, nodes = secrets[:32], secrets[32:]
cover, patches = [], []  # a patch: number, digest, its own cover
for depth, path, key in (struct.unpack(">BI32s", nodes[i:i + 37]) for i in range(0, len(nodes), 37)):
    if depth == 0x80:
        patches.append((path, key, []))
    else:
        (patches[-1][2] if patches else cover).append((depth, path, key))

data = open(f"{store}/recordings/{client}/{recording}.caveat", "rb").read()
assert data[:8] == b"caveat\x00\x01" and data[-8:] == b"\x01taevac\n"
header = data[12:12 + struct.unpack(">I", data[8:12])[0]]
suite = header[0]
assert suite in SUITES, "an unknown suite"
trailer = data[-TRAILER:]
assert hmac.compare_digest(trailer[89:121], mac(seal_key, sha256(header) + trailer[:89]))
frames, duration_ms, end, root, index_at, index_digest = struct.unpack(">QQB32sQ32s", trailer[:89])
assert sha256(data[index_at:-TRAILER]) == index_digest

bound, patched = context(sha256(header), name, rid), {}
for number, digest, nodes in patches:  # the oldest first: a newer one takes the place of an older
    patch = open(f"{store}/patches/{client}/{recording}/{number}.patch", "rb").read()
    assert patch[:8] == b"caveat\x01\x01" and sha256(patch) == digest
    at = 8
    while at < len(patch):
        leg, index, kind, length = struct.unpack(">BIBI", patch[at:at + 10])
        key = leaf_key(nodes, leg << SECOND_BITS | index)
        if key:
            frame = patch[at:at + 10 + length]
            plain = open_once(suite, key, b"caveat-vault/1 " + KINDS[kind].encode(), bound + frame[:6], frame[10:])
            patched[leg, index, kind] = plain
        at += 10 + length

at, hashes = 12 + len(header), []
while at < index_at:
    leg, index, kind, length = struct.unpack(">BIBI", data[at:at + 10])
    frame = data[at:at + 10 + length]
    hashes.append(sha256(b"\x00" + frame))
    key = leaf_key(cover, leg << SECOND_BITS | index)
    if (leg, index, kind) in patched:
        print(leg, index, KINDS[kind], patched[leg, index, kind].hex())
    elif key:
        plain = open_once(suite, key, b"caveat-vault/1 " + KINDS[kind].encode(), bound + frame[:6], frame[10:])
        print(leg, index, KINDS[kind], plain.hex())
    at += len(frame)
assert (len(hashes), merkle_root(hashes)) == (frames, root)
