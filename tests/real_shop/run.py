#!/usr/bin/env python3
"""A real shop behind shopbell: django-oscar, driven like a browser would; the receiver must get exactly the events that
the shop's database shows, with signatures that Python's own hmac confirms.

usage: run.py SHOPBELL_BINARY [--work DIR] [--gzip] [--lengths] [--language de]     (exit 1 and a list of differences where they differ)

Needs python3 with venv, and PyPI on the first run (the virtual environment is kept in DIR).
"""
import argparse
import pathlib
import queue
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from scenario import Scenario, steps  # noqa: E402
from servers import PATIENCE, Receiver, start_shop, start_shopbell, stop  # noqa: E402
from truth import Truth, fits, resource  # noqa: E402


def compare(expected, receiver):
    """Waits for as many deliveries as events; gives what differs. Order counts per resource, not between resources."""
    differences, left = list(receiver.faults), list(expected)
    while left:
        try:
            delivery = receiver.deliveries.get(timeout=PATIENCE)
        except queue.Empty:
            return differences + [f"never delivered: {truth}" for _step, truth in left]
        match = next((entry for entry in left if fits(entry[1], delivery)), None)
        if match is None:
            differences.append(f"no such event in the shop: {delivery}")
            continue
        earlier = [entry for entry in left[: left.index(match)] if resource(entry[1]) == resource(match[1])]
        if earlier:
            differences.append(f"{match[1]} came before {earlier[0][1]}")
        left.remove(match)
    return differences


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--work", type=pathlib.Path, default=HERE.parents[1] / "target/real-shop")
    parser.add_argument("--gzip", action="store_true", help="the shop compresses its answers itself")
    parser.add_argument("--lengths", action="store_true", help="the shop sends Content-Length and keeps connections")
    parser.add_argument("--messages", default="cookie", choices=["cookie", "session"], help="where the shop keeps what it says after a form")
    parser.add_argument("--language", default="en-gb", help="the shop's language")
    options = parser.parse_args()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)

    receiver = Receiver()
    shop, shop_port, database = start_shop(work, options)
    try:
        shopbell, port = start_shopbell(options.binary, work, shop_port, receiver.server_port)
        try:
            truth, expected, differences = Truth(database), [], []
            for name, act, status, how, said in steps(Scenario(port)):
                got = act()
                events = [(name, event) for event in truth.events(how, said)]
                print(f"{name:45} {got}  {', '.join(f'{event[0]} {event[1]}' for _step, event in events)}")
                if got != status:
                    differences.append(f"{name}: the shop answered {got}, not {status}")
                expected += events
            differences += compare(expected, receiver)
        finally:
            differences_at_stop = stop(shopbell, "shopbell")
        # Whatever came beyond the expected, also while stopping, is one too many.
        while not receiver.deliveries.empty():
            differences.append(f"one too many: {receiver.deliveries.get()}")
        differences += differences_at_stop + receiver.faults
        if receiver.pings != [b"webhook_id=1"]:
            differences.append(f"pings: {receiver.pings}")
    finally:
        stop(shop, "the shop")
    for difference in differences:
        print("DIFFERENCE", difference)
    print(f"{len(expected)} events in the shop's database, {len(differences)} differences")
    return 1 if differences or len(expected) < 10 else 0


if __name__ == "__main__":
    sys.exit(main())
