"""The three ends of a run: the shop, shopbell before it, and the receiver of deliveries."""
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
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
PACK = HERE.parents[1] / "rules/django-oscar"  # as it is shipped
SECRET = "real-shop-s3cr3t"
PATIENCE = 60  # seconds until something that should come is given up

WEBHOOK = """
[webhook.receiver]
url = "http://127.0.0.1:RECEIVER_PORT/in?from=shopbell"
secret = { env = "REAL_SHOP_SECRET" }
topic = ["product.*", "customer.*", "coupon.*", "order.*", "action.*"]
"""


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
           "SHOP_LENGTHS": str(int(options.lengths)), "SHOP_LANGUAGE": options.language, "SHOP_MESSAGES": options.messages}
    call = [str(python), "-W", "ignore", "manage.py"]
    subprocess.run([*call, "migrate", "-v0", "--run-syncdb"], cwd=HERE / "shop", env=env, check=True)
    subprocess.run([python, "-W", "ignore", "seed.py"], cwd=HERE / "shop", env=env, check=True)
    log = open(work / "shop.log", "wb")
    shop = subprocess.Popen([*call, "runserver", "--noreload", "--insecure", f"127.0.0.1:{port}"], cwd=HERE / "shop", env=env, stdout=log, stderr=log)
    wait_for(port, shop)
    return shop, port, data / "shop.sqlite3"


def start_shopbell(binary, work, shop_port, receiver_port):
    """shopbell with the shipped pack and one webhook file beside it."""
    rules, port = work / "rules", free_port()
    for old in (rules, work / "data"):
        shutil.rmtree(old, ignore_errors=True)
    shutil.copytree(PACK, rules)
    (rules / "webhooks").mkdir()
    (rules / "webhooks/receiver.toml").write_text(WEBHOOK.replace("RECEIVER_PORT", str(receiver_port)))
    subprocess.run([binary, "check", rules], check=True)
    log = open(work / "shopbell.log", "wb")
    shopbell = subprocess.Popen(
        [binary, "run", "--listen", f"127.0.0.1:{port}", "--upstream", f"http://127.0.0.1:{shop_port}", "--rules", rules,
         "--data", work / "data", "--allow-delivery-to", "127.0.0.0/8"],
        env={**os.environ, "REAL_SHOP_SECRET": SECRET}, stdout=log, stderr=log)
    wait_for(port, shopbell)
    return shopbell, port


def stop(process, name):
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        return [f"{name} did not stop on SIGTERM"]
    return [] if name != "shopbell" or code == 0 else [f"{name} ended with {code}"]
