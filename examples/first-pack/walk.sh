#!/usr/bin/env bash
# A first pack, from `pack new` to a swap while calls run, and a look at what the swap would change before it is made.
#
#     cargo build --bin caveat && examples/first-pack/walk.sh
#
# Wants what building a pack in Rust wants (`rustup target add wasm32-unknown-unknown`), and python3. Prints every command as
# one would type it, stops at the first that does not do what it should, and leaves its folder (named first) to look at.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
program=${CAVEAT:-$root/target/debug/caveat}
port=${PORT:-8480}
audio=${AUDIO_PORT:-9092}
# Inside of Caveat's sources, so that the pack is built with the SDK that lies there.
mkdir -p "$root/target"
work=${1:-$(mktemp -d "$root/target/first-pack.XXXXXX")}
mkdir -p "$work"
cd "$work"
echo "in $work"
: >building.log
# What is compiled once is there the next time.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target/first-pack-build}
export CAVEAT_PACKS=packs CAVEAT_CONFIG=caveat.toml CAVEAT_URL=http://127.0.0.1:$port
unset CAVEAT_LOG CAVEAT_TOKEN

caveat() { "$program" --log error "$@"; }

# Prints a command as one would type it, and does it. What compilers say on the way is shown if it comes to nothing.
run() {
    local word line=''
    for word in "$@"; do
        [[ $word =~ ^[A-Za-z0-9_./=:+-]+$ ]] || word="'$word'"
        line+=" $word"
    done
    printf '\n$%s\n' "$line"
    "$@" 2>>building.log
}

# A command that has to end with this code.
ends_with() {
    local wanted=$1 code=0
    shift
    run "$@" || code=$?
    [ "$code" = "$wanted" ] || stop "it ended with $code, and $wanted was expected"
    echo "(exit code $code)"
}

stop() {
    echo "walk.sh: $1; see $work" >&2
    exit 1
}

# Until a command succeeds.
until_it() {
    local tries
    for tries in $(seq 600); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.1
    done
    stop "not after a minute: $*"
}

host='' calls=''
end() {
    local code=$?
    for process in $calls $host; do
        kill "$process" 2>/dev/null || true
    done
    [ "$code" = 0 ] || tail -n 20 building.log >&2
    exit "$code"
}
trap end EXIT

echo; echo "== Write it"
run caveat pack new house-rules
# The versions that this source tree was tried with.
cp "$root/Cargo.lock" house-rules/Cargo.lock
run caveat pack test house-rules --properties 1000
run caveat pack check house-rules --no-build --deny-warnings
run caveat pack bench house-rules --no-build --seconds 1
run caveat pack docs house-rules --out house-rules.html

echo; echo "== Sign it"
run caveat pack keygen acme.example/packs --out acme.key | tee key.txt
key=$(tail -n 1 key.txt)
run caveat pack sign packs/house-rules-0.1.0.wasm --key acme.key
run caveat pack verify packs/house-rules-0.1.0.wasm --key "$key"
run caveat pack inspect packs/house-rules-0.1.0.wasm

echo; echo "== Run it"
cat >caveat.toml <<TOML
[host]
listen = "127.0.0.1:$port"
data-dir = "data"

[audiosocket]
listen = "127.0.0.1:$audio"

[limits.calls]
late_window_ms = 500

# A trial fills no disk.
[limits.store]
disk_free_bytes_warn = 0
disk_free_bytes_min = 0

[[client]]
id = "acme"
recorder-region = "GA"
purposes = ["quality"]
trusted-pack-keys = ["$key"]

[[client.pack]]
file = "packs/house-rules-0.1.0.wasm"
TOML
run cat caveat.toml
run caveat check
phones=$(caveat token create --client acme --name phones --scopes capture,call-events,read-api)
CAVEAT_TOKEN=$(caveat token create --client acme --name operations --scopes admin,read-api)
export CAVEAT_TOKEN
printf '\n$ caveat serve &\n'
"$program" serve >host.log 2>&1 &
host=$!
until_it caveat pack list --client acme
printf '$ ./calls.py --calls 6 &\n'
CAVEAT_TOKEN=$phones python3 "$here/calls.py" --host "$CAVEAT_URL" --audiosocket "127.0.0.1:$audio" \
    --calls 6 --list calls.csv >calls.log 2>&1 &
calls=$!
until_it grep -q 'first-06 is up' calls.log
run cat calls.log

echo; echo "== Change it: fewer people than the setting says, while six calls go on"
run sed -i 's/present > self.max_parties/present >= self.max_parties/' house-rules/src/lib.rs
run sed -i 's/^version = "0.1.0"/version = "0.2.0"/' house-rules/pack.toml
ends_with 1 caveat pack test house-rules
# A case says what the rule was. It is to say what the rule is.
run sed -i 's/, { role = "customer" }, { role = "other-party" }\] }/] }/' house-rules/cases/conference.toml
run caveat pack test house-rules
run caveat pack sign packs/house-rules-0.2.0.wasm --key acme.key

echo; echo "== What would it change?"
ends_with 3 caveat impact --client acme --replace house-rules=packs/house-rules-0.2.0.wasm --fail-on stricter

echo; echo "== Let it watch, then let it rule"
run caveat pack swap --client acme --replace house-rules=packs/house-rules-0.2.0.wasm --mode monitor --why "as a trial"
monitored() { caveat pack monitor --client acme | grep -q 'would be suspend'; }
until_it monitored
run caveat pack monitor --client acme --limit 3
run caveat pack swap --client acme --replace house-rules=packs/house-rules-0.2.0.wasm --why "four are a conference"
until_it grep -q 'first-06: recording -> suspended' calls.log
run cat calls.log
run caveat pack rollback --client acme --why "counsel wants to see it first"
until_it grep -q 'first-06: suspended -> recording' calls.log
run caveat pack list --client acme

echo; echo "== Was anything lost?"
kill "$calls"
wait "$calls" || stop "calls were disturbed: $(cat calls.log)"
calls=''
run tail -n 2 calls.log
kill "$host"
wait "$host" || stop "the host did not stop well"
host=''
run caveat assurance import --client acme calls.csv
run caveat assurance report --client acme
run caveat replay --client acme
run caveat ledger export --client acme bundle
ledger_key=$(caveat ledger key --client acme)
run caveat ledger verify bundle --key "$ledger_key"
