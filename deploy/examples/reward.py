"""Rewards the answers of a running graph, so that it learns to write answers with a high reward.

usage: python3 reward.py [--letter e] [--answers N] [--json]

The reward of an answer is the fraction of a letter in it; an application would use the reactions of its user instead. Start the graph with

  accrete up --set 'answer.after=[utterance]' --set answer.temperature=1 --set decide.policy=ppo --set decide.text=true
"""
import argparse
import json
import sys
import time

import zmq

import clients  # noqa: F401
from accrete.publisher import Publisher
from accrete.v1 import decision_pb2, sensor_pb2

parser = argparse.ArgumentParser(description="Rewards the answers of a running graph.")
parser.add_argument("--letter", default="e", help="the rewarded letter (default e)")
parser.add_argument("--answers", type=int, default=0, help="stop after this number of answers (default 0: after --patience)")
parser.add_argument("--every", type=int, default=100, help="number of answers between two lines of output (default 100)")
parser.add_argument("--patience", type=float, default=30.0, help="seconds without an answer after which it stops (default 30)")
parser.add_argument("--sensors", default="tcp://127.0.0.1:7400", help="endpoint of ingest")
parser.add_argument("--fuse", default="tcp://127.0.0.1:7401", help="endpoint at which fuse publishes actions")
parser.add_argument("--json", action="store_true", help="print one JSON object on each line")
arguments = parser.parse_args()
if len(arguments.letter.encode()) != 1:
    sys.exit(f"reward.py: --letter must be one ASCII letter, not '{arguments.letter}'")

publisher, subscriber = Publisher(arguments.sensors), zmq.Context.instance().socket(zmq.SUB)
subscriber.subscribe(b"action.")
subscriber.connect(arguments.fuse)
rewards, newest, started = [], b"", time.monotonic()

while arguments.answers == 0 or len(rewards) < arguments.answers:
    if not subscriber.poll(int(arguments.patience * 1000)):
        print(f"reward.py: no answer for {arguments.patience:g} seconds from {arguments.fuse}; {len(rewards)} answers rewarded",
              file=sys.stderr)
        sys.exit(0 if rewards else 1)
    _, header = subscriber.recv_multipart()[:2]
    action = decision_pb2.Action.FromString(header)
    if not action.tokens:
        continue  # not a text
    reward = action.text.count(arguments.letter.encode()) / len(action.tokens)
    feedback = sensor_pb2.Feedback(session=action.session, decision=action.decision, reward=reward)
    publisher.send(f"feedback.{action.session}/", feedback, "reward")
    rewards.append(reward)
    newest = action.text
    if len(rewards) % arguments.every == 0:
        mean, text = sum(rewards[-arguments.every:]) / arguments.every, newest.decode(errors="replace")
        if arguments.json:
            print(json.dumps({"answers": len(rewards), "mean": mean, "policyVersion": action.policy_version,
                              "modelVersion": action.model_version, "seconds": round(time.monotonic() - started, 3),
                              "text": text}), flush=True)
        else:
            print(f"{len(rewards)} answers: mean reward of the newest {arguments.every}: {mean:.3f}, policy {action.policy_version}, "
                  f"model {action.model_version}; {text!r}", flush=True)
publisher.close()
