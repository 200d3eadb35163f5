"""Follows the model of a running graph by deltas, and asks for what it has missed.

usage: python3 follow_updates.py [--updates ENDPOINT] [--questions ENDPOINT] [--name NAME] [--roots ROOT_PUB] [--key KEY] [--count N] [--seconds S]

The graph: accrete up --outside --set learn.updates.coding=int8
"""
import argparse

import clients  # noqa: F401
from accrete.updates import ModelSubscriber, load_roots

parser = argparse.ArgumentParser()
parser.add_argument("--updates", default="tcp://127.0.0.1:7402")
parser.add_argument("--questions", default="tcp://127.0.0.1:7405")
parser.add_argument("--name", default="follower")
parser.add_argument("--roots", help="the file root.pub, where updates are signed")
parser.add_argument("--key", help="the file of a subscriber's key, where the graph has any")
parser.add_argument("--count", type=int, default=0, help="versions; 0: until the stream ends")
parser.add_argument("--seconds", type=float, help="at most so long")
options = parser.parse_args()

subscriber = ModelSubscriber(
    options.name, options.updates, options.questions, roots=load_roots(options.roots) if options.roots else None, key=options.key)
for number, update in enumerate(subscriber.follow(options.seconds), 1):
    kind = "delta" if update.kind else "whole"
    print(f"version {update.version}: {kind}, {update.payload_bytes} bytes, state {update.state.hex()[:16]}", flush=True)
    if number == options.count:
        break
print(f"{subscriber.bytes} bytes asked for; refused: {subscriber.refused or 'nothing'}", flush=True)
