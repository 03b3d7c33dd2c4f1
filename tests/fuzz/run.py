#!/usr/bin/env python3
"""Runs fuzz targets one after the other and keeps a table of what came of each.

    cargo +nightly fuzz build --fuzz-dir tests/fuzz -s none --target-dir target/fuzz
    python3 tests/fuzz/run.py --seconds 150 [TARGET …]

Corpora, findings and `results.tsv` lie in target/fuzz. Exit code 1: something was found.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = ROOT / "target/fuzz"
BINARIES = HOME / "x86_64-unknown-linux-gnu/release"


def numbers(log):
    """Executions, edges and features, as libFuzzer's last lines say."""
    runs = re.findall(r"stat::number_of_executed_units:\s*(\d+)", log) or re.findall(r"^#(\d+)", log, re.M)
    edges = re.findall(r"cov: (\d+) ft: (\d+)", log)
    corpus = re.findall(r"corp: (\d+)/", log)
    return int(runs[-1]) if runs else 0, int(edges[-1][0]) if edges else 0, int(corpus[-1]) if corpus else 0


def run(target, seconds, most_bytes):
    corpus, found, seeds = HOME / "corpus" / target, HOME / "artifacts" / target, HOME / "seeds" / target
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    before = set(found.iterdir())
    command = ["nice", "-n", "19", BINARIES / target, corpus, *([seeds] if seeds.is_dir() else []), f"-max_total_time={seconds}",
               "-rss_limit_mb=2048", "-timeout=10", "-print_final_stats=1", f"-max_len={most_bytes}", f"-artifact_prefix={found}/"]
    start = time.monotonic()
    ran = subprocess.run([str(part) for part in command], capture_output=True, cwd=HOME)
    took, log = time.monotonic() - start, ran.stderr.decode("utf-8", "replace")
    new = sorted(path.name for path in set(found.iterdir()) - before if not path.name.startswith("slow-unit"))
    if new or ran.returncode:
        (HOME / f"{target}.log").write_text(log[-20_000:])
    execs, edges, kept = numbers(log)
    row = [time.strftime("%F %T"), target, f"{took:.0f}", str(execs), str(edges), str(kept), ",".join(new) or "-"]
    with open(HOME / "results.tsv", "a") as table:
        print("\t".join(row), file=table)
    print("\t".join(row), flush=True)
    return bool(new or ran.returncode)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--max-len", type=int, default=8192, help="bytes of an input")
    parser.add_argument("targets", nargs="*")
    args = parser.parse_args()
    known = [path.stem for path in sorted((ROOT / "tests/fuzz/fuzz_targets").glob("*.rs"))]
    findings = [target for target in args.targets or known if run(target, args.seconds, args.max_len)]
    print("found:", " ".join(findings) or "nothing")
    sys.exit(bool(findings))


main()
