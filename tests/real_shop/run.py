#!/usr/bin/env python3
"""A real shop behind shopbell: django-oscar, driven like a browser would; the receiver must get exactly the events that
the shop's database shows, with signatures that Python's own hmac confirms.

usage: run.py SHOPBELL_BINARY [--work DIR] [--gzip] [--lengths]      (exit 1 and a list of differences where they differ)

Needs python3 with venv, and PyPI on the first run (the virtual environment is kept in DIR).
"""
import argparse
import base64
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import queue
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from browser import Browser  # noqa: E402

SECRET = "real-shop-s3cr3t"
PATIENCE = 60  # seconds until something that should come is given up


class Receiver(http.server.ThreadingHTTPServer):
    """Takes deliveries, checks each signature, keeps them in order of arrival."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.deliveries, self.pings, self.faults = queue.Queue(), [], []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if self.headers.get("X-WC-Webhook-Topic") is None:
            self.server.pings.append(body)
            return
        signature = base64.b64encode(hmac.new(SECRET.encode(), body, hashlib.sha256).digest()).decode()
        if not hmac.compare_digest(signature, self.headers["X-WC-Webhook-Signature"]):
            self.server.faults.append(f"wrong signature on {self.headers['X-WC-Webhook-Topic']}")
        self.server.deliveries.put((self.headers["X-WC-Webhook-Topic"], json.loads(body)))

    def log_message(self, *_args):
        pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"process ended with {process.returncode} before it listened on {port}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port}")


def start_shop(work, options):
    python = work / "venv/bin/python"
    wanted = (HERE / "shop/requirements.txt").read_text()
    done = work / "venv/installed.txt"
    if not done.exists() or done.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", work / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", HERE / "shop/requirements.txt"], check=True)
        done.write_text(wanted)
    data, port = work / "shop-data", free_port()
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    env = {**os.environ, "SHOP_DATA": str(data), "PYTHONDONTWRITEBYTECODE": "1", "SHOP_GZIP": str(int(options.gzip)),
           "SHOP_LENGTHS": str(int(options.lengths))}
    call = [str(python), "-W", "ignore", "manage.py"]
    subprocess.run([*call, "migrate", "-v0", "--run-syncdb"], cwd=HERE / "shop", env=env, check=True)
    subprocess.run([python, "-W", "ignore", "seed.py"], cwd=HERE / "shop", env=env, check=True)
    log = open(work / "shop.log", "wb")
    shop = subprocess.Popen([*call, "runserver", "--noreload", "--insecure", f"127.0.0.1:{port}"], cwd=HERE / "shop", env=env, stdout=log, stderr=log)
    wait_for(port, shop)
    return shop, port, data / "shop.sqlite3"


def start_shopbell(binary, work, shop_port, receiver_port):
    rules, port = work / "rules", free_port()
    for old in (rules, work / "data"):
        shutil.rmtree(old, ignore_errors=True)
    rules.mkdir()
    text = (HERE / "rules/shop.toml").read_text().replace("RECEIVER_PORT", str(receiver_port))
    (rules / "shop.toml").write_text(text)
    subprocess.run([binary, "check", rules], check=True)
    log = open(work / "shopbell.log", "wb")
    shopbell = subprocess.Popen(
        [binary, "run", "--listen", f"127.0.0.1:{port}", "--upstream", f"http://127.0.0.1:{shop_port}", "--rules", rules,
         "--data", work / "data", "--allow-delivery-to", "127.0.0.0/8"],
        env={**os.environ, "REAL_SHOP_SECRET": SECRET}, stdout=log, stderr=log)
    wait_for(port, shopbell)
    return shopbell, port


class Truth:
    """What the shop's database says happened since the last look."""

    def __init__(self, path):
        self.path = path
        self.before = self.look()

    def look(self):
        with sqlite3.connect(f"file:{self.path}?mode=ro", uri=True) as database:
            rows = lambda sql: {row[0]: row[1:] for row in database.execute(sql)}
            return {
                "product": rows("select id, title, upc, date_updated from catalogue_product"),
                "customer": rows("select id, email from auth_user"),
                "line": rows("select id, product_id, quantity from basket_line"),
            }

    def events(self):
        before, now = self.before, self.look()
        self.before = now
        found = []
        for kind in ("product", "customer"):
            for key, row in now[kind].items():
                if key not in before[kind]:
                    found.append((f"{kind}.created", key, row))
                elif before[kind][key] != row:
                    found.append((f"{kind}.updated", key, row))
            found += [(f"{kind}.deleted", key, row) for key, row in before[kind].items() if key not in now[kind]]
        for key, (product, quantity) in now["line"].items():
            if before["line"].get(key, (None, 0))[1] < quantity:
                found.append(("action.woocommerce_add_to_cart", product, ()))
        return found


def fits(truth, delivery):
    """Whether a delivery is the event that the database shows."""
    (topic, key, row), (got_topic, body) = truth, delivery
    if topic != got_topic:
        return False
    if topic.startswith("action."):
        return body == {"action": topic.removeprefix("action."), "arg": key}
    if topic == "customer.created":
        return body["email"] == row[0] and "id" not in body
    if topic.endswith(".deleted"):
        return body == {"id": key}
    named = body.get("id", key) == key and body["name"] == row[0] and body["sku"] == row[1]
    return named and ("id" in body or topic.endswith(".created")) and len(body["date_modified"]) == 19


class Scenario:
    """Several visitors and the boss. Each step is one thing a person does, some of them refused by the shop."""

    def __init__(self, port):
        self.visitor, self.other, self.boss = Browser(port), Browser(port), Browser(port)

    def register(self, browser, email, again="s3cret-pw-9"):
        browser.get("/accounts/login/")
        fields = {"registration-email": email, "registration-password1": "s3cret-pw-9", "registration-password2": again}
        return browser.submit("registration-email", fields, ("registration_submit", "Register"))

    def add(self, browser, product):
        browser.get("/catalogue/")
        browser.get(f"/catalogue/book-{product}_{product}/")
        return browser.submit("quantity", {"quantity": "1"})

    def staff(self):
        self.boss.get("/dashboard/login/")
        return self.boss.submit("username", {"username": "boss@shop.example", "password": "boss-pw-1"})

    def create(self, title, upc, button, **more):
        self.boss.get("/dashboard/catalogue/products/create/goods/")
        fields = {"title": title, "upc": upc, "productcategory_set-0-category": "1", **more}
        return self.boss.submit("upc", fields, ("action", button))

    def edit(self, product, **fields):
        self.boss.get(f"/dashboard/catalogue/products/{product}/")
        return self.boss.submit("upc", fields, ("action", "save"))

    def delete(self, product):
        self.boss.get(f"/dashboard/catalogue/products/{product}/delete/")
        return self.boss.submit("csrfmiddlewaretoken")

    def steps(self):
        """(name, what to do, status of the shop's first answer)"""
        picture = {"images-0-original": bytes(range(256)) * 400}  # refused: no picture; a large upload all the same
        return [
            ("a visitor registers", lambda: self.register(self.visitor, "ann@visitor.example"), 302),
            ("the same address again is refused", lambda: self.register(self.other, "ann@visitor.example"), 200),
            ("two passwords that differ are refused", lambda: self.register(self.other, "bob@visitor.example", "other"), 200),
            ("another visitor registers", lambda: self.register(self.other, "bob@visitor.example"), 302),
            ("into the cart", lambda: self.add(self.visitor, 1), 302),
            ("the other visitor too", lambda: self.add(self.other, 2), 302),
            ("the boss logs in", self.staff, 302),
            ("a product, save and continue", lambda: self.create("Tea pot ü", "T-1", "continue"), 302),
            ("a product, save", lambda: self.create("Tea & cup", "T-2", "save"), 302),
            ("a product without a title is refused", lambda: self.create("", "T-3", "save"), 200),
            ("a product with a broken picture is refused", lambda: self.create("Tray", "T-4", "save", **picture), 200),
            ("the first is renamed", lambda: self.edit(3, title="Tea pot, blue"), 302),
            ("an edit without a title is refused", lambda: self.edit(3, title=""), 200),
            ("the second is renamed", lambda: self.edit(4, title="Cup"), 302),
            ("the first is deleted", lambda: self.delete(3), 302),
            ("and into the cart once more", lambda: self.add(self.visitor, 2), 302),
        ]


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
        resource = lambda truth: (truth[0].split(".")[0], truth[1])
        earlier = [entry for entry in left[: left.index(match)] if resource(entry[1]) == resource(match[1])]
        if earlier:
            differences.append(f"{match[1]} came before {earlier[0][1]}")
        left.remove(match)
    return differences


def stop(process, name):
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        return [f"{name} did not stop on SIGTERM"]
    return [] if name != "shopbell" or code == 0 else [f"{name} ended with {code}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--work", type=pathlib.Path, default=HERE.parents[1] / "target/real-shop")
    parser.add_argument("--gzip", action="store_true", help="the shop compresses its answers itself")
    parser.add_argument("--lengths", action="store_true", help="the shop sends Content-Length and keeps connections")
    options = parser.parse_args()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)

    receiver = Receiver()
    shop, shop_port, database = start_shop(work, options)
    try:
        shopbell, port = start_shopbell(options.binary, work, shop_port, receiver.server_port)
        try:
            truth, scenario, expected, differences = Truth(database), Scenario(port), [], []
            for name, act, status in scenario.steps():
                got = act()
                events = [(name, event) for event in truth.events()]
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
