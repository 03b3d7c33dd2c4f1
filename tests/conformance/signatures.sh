#!/usr/bin/env bash
# Has independent libraries verify what goes out: PyPI's and npm's standardwebhooks, Python's hmac, node's crypto.
# Their versions are pinned; what they need is kept below target/. Needs python3 with venv, node and npm.
set -euo pipefail
cd "$(dirname "$0")/../.."
kept="${CARGO_TARGET_DIR:-target}/conformance"
here=tests/conformance
mkdir -p "$kept"

cargo run --quiet --example sign > "$kept/requests.jsonl"

[ -x "$kept/venv/bin/python" ] || python3 -m venv "$kept/venv"
"$kept/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$here/requirements.txt"
"$kept/venv/bin/python" "$here/verify_signatures.py" < "$kept/requests.jsonl"

# Beside its node_modules, which npm makes anew from the lock file.
cp "$here/package.json" "$here/package-lock.json" "$here/verify_signatures.mjs" "$kept/"
npm ci --prefix "$kept" --silent --no-audit --no-fund --ignore-scripts
node "$kept/verify_signatures.mjs" < "$kept/requests.jsonl"
