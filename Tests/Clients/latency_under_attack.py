"""Measures the graph's own latency beside hostile clients of its gateway: rounds without and with them, in turns.

usage: python3 latency_under_attack.py URL CODE FUSE [--rounds N] [--seconds S]

FUSE is where fuse publishes (ipc://… or tcp://…). The graph must predict by itself (`accrete up --phone`, the simulated session) and have
gateway.requestSeconds=2. Prints, as JSON, the p50 and p99 of predictions of every round in milliseconds, and the medians' ratios.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import zmq

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy", "clients", "python"))
from accrete.v1 import moment_pb2

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("code")
parser.add_argument("fuse")
parser.add_argument("--rounds", type=int, default=4)
parser.add_argument("--seconds", type=float, default=10)
options = parser.parse_args()

socket = zmq.Context.instance().socket(zmq.SUB)
socket.setsockopt(zmq.SUBSCRIBE, b"prediction.")
socket.connect(options.fuse)


def measure(seconds):
    """The latencies of the predictions that come within these seconds, in milliseconds."""
    latencies, end = [], time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if not socket.poll(max(1, 1000 * left)):
            continue
        prediction = moment_pb2.Prediction.FromString(socket.recv_multipart()[1])
        latencies.append(1000 * prediction.latency)
    return latencies


def attack():
    return subprocess.Popen(
        [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "attack.py"), options.url, options.code],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def quantiles(latencies):
    if len(latencies) < 50:
        sys.exit(f"only {len(latencies)} predictions came in a round; is this where fuse publishes, and does the graph predict?")
    ordered = sorted(latencies)
    return {"p50": ordered[len(ordered) // 2], "p99": ordered[int(0.99 * len(ordered))], "count": len(ordered)}


measure(min(5, options.seconds))
rounds = {"quiet": [], "attacked": []}
for number in range(options.rounds):
    for kind in ("quiet", "attacked") if number % 2 == 0 else ("attacked", "quiet"):
        attackers = attack() if kind == "attacked" else None
        latencies, end = [], time.monotonic() + options.seconds
        while time.monotonic() < end:
            latencies += measure(min(2, options.seconds))
            if attackers and attackers.poll() is not None:
                attackers = attack()
        if attackers:
            attackers.kill()
            attackers.wait()
        rounds[kind].append(quantiles(latencies))
        time.sleep(1)
ratios = {
    key: statistics.median(a[key] for a in rounds["attacked"]) / statistics.median(q[key] for q in rounds["quiet"]) for key in ("p50", "p99")
}
print(json.dumps({"rounds": rounds, "attacked / quiet": ratios}))
