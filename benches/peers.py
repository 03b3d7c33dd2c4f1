#!/usr/bin/env python3
"""shopbell beside nginx, HAProxy and no proxy at all, on loopback, in interleaved rounds.

usage: peers.py [--rounds N] [--seconds S] [--connections C] [--only NAME,...]

Needs wrk, nginx and haproxy (Debian), and `cargo build --release --example bench_origin --bin shopbell` done before.
Prints one Markdown table per kind of request: medians of requests/s, p50 and p99 in microseconds, and CPU seconds of the
proxy's processes per 100,000 requests; the last column is the CPU's ratio to nginx. Everybody has one thread.
"""
import argparse
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
FORM = ("name=Green+tea+of+the+first+harvest&sku=TEA-7&price=12%2C50&stock=40&visible=1&description=" + "leaf+" * 40)
POST = f'''wrk.method = "POST"
wrk.path = "/admin/products/7/edit"
wrk.body = "{FORM}"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
'''
NGINX = '''daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  keepalive_requests 1000000;
  upstream shop {{ server 127.0.0.1:{origin}; keepalive 32; keepalive_requests 1000000; }}
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://shop; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme; }} }}
}}'''
HAPROXY = '''global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option forwardfor
frontend f
  bind 127.0.0.1:{port}
  default_backend b
backend b
  http-reuse always
  server s 127.0.0.1:{origin}
'''


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(command, port, **more):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
    for _ in range(400):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        if process.poll() is not None:
            break
        time.sleep(0.025)
    raise SystemExit(f"{command[0]} does not listen on {port}")


def tree(pid):
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    return [pid, *(grandchild for child in children for grandchild in tree(int(child)))]


def cpu_seconds(pid):
    total = 0
    for member in tree(pid):
        fields = pathlib.Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def load(port, script, options):
    command = ["wrk", "-t1", f"-c{options.connections}", f"-d{options.seconds}s", "--latency"]
    command += ["-s", str(script)] if script else []
    out = subprocess.run([*command, f"http://127.0.0.1:{port}/page"], capture_output=True, text=True, check=True).stdout
    unit = {"us": 1, "ms": 1_000, "s": 1_000_000}
    latency = {p: float(v) * unit[u] for p, v, u in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)\b", out)}
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", out), re.search(r"Socket errors: (.*)", out)
    if any(failed):
        print("  note:", *(match[0] for match in failed if match))
    return int(re.search(r"(\d+) requests in", out)[1]), float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), latency["50"], latency["99"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--only", default="direct,nginx,haproxy,shopbell")
    options = parser.parse_args()
    names, work = options.only.split(","), pathlib.Path(tempfile.mkdtemp(prefix="shopbell-peers-"))
    origin = free_port()
    running = [start([ROOT / "target/release/examples/bench_origin", f"127.0.0.1:{origin}"], origin)]
    ports = {"direct": origin}
    processes = {"direct": running[0]}
    for name in names[1:] if names[0] == "direct" else names:
        ports[name] = port = free_port()
        if name in ("nginx", "haproxy"):
            config = work / f"{name}.conf"
            config.write_text((NGINX if name == "nginx" else HAPROXY).format(dir=work, origin=origin, port=port))
            command = ["nginx", "-p", str(work), "-c", str(config)] if name == "nginx" else ["haproxy", "-f", str(config)]
        else:
            rules = work / "rules"
            shutil.copytree(ROOT / "rules/demo", rules)
            command = [ROOT / "target/release/shopbell", "run", "--listen", f"127.0.0.1:{port}", "--upstream", f"http://127.0.0.1:{origin}",
                       "--rules", rules, "--data", work / "data", "--cores", "1"]
        processes[name] = start(command, port)
        running.append(processes[name])
    try:
        script = work / "post.lua"
        script.write_text(POST)
        for title, lua in (("1 KB GET that no rule wants", None), ("form POST that a rule matches", script)):
            rows = {name: [] for name in names}
            for _ in range(options.rounds):
                for name in names:
                    before = cpu_seconds(processes[name].pid)
                    requests, rate, p50, p99 = load(ports[name], lua, options)
                    spent = cpu_seconds(processes[name].pid) - before
                    rows[name].append((rate, p50, p99, spent * 100_000 / requests))
            median = {name: [statistics.median(column) for column in zip(*rows[name])] for name in names}
            base = median.get("nginx", median[names[0]])[3]
            print(f"\n{title}\n\n| target | requests/s | p50 µs | p99 µs | CPU s per 100,000 | × nginx |\n|---|---:|---:|---:|---:|---:|")
            for name in names:
                rate, p50, p99, cpu = median[name]
                print(f"| {name} | {rate:.0f} | {p50:.0f} | {p99:.0f} | {cpu:.2f} | {cpu / base:.2f} |")
        for name in names:
            print(f"resident memory of {name} at the end: {sum(resident(pid) for pid in tree(processes[name].pid)):.0f} MiB")
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            process.wait(60)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
