"""Connects a Gymnasium environment to a running graph, which decides on actions and learns.

usage: python3 gymnasium_bridge.py ENV_ID [--episodes N] [--copies K] [--json]

Observation spaces must be boxes, action spaces discrete or boxes. Each copy of the environment is a separate session. Start the graph with
(for CartPole-v1, which has observations of 4 numbers and 2 choices; for controls use --set 'decide.controls=[{low: -2, high: 2}]')

  accrete up --outside --set decide.policy=ppo --set decide.choices=2 --set decide.inputs=4 --set decide.alone=true
"""
import argparse
import json
import sys
import time

import zmq

try:
    import gymnasium
    import numpy
except ImportError as error:
    sys.exit(f"gymnasium_bridge.py: {error}; pip install -r deploy/clients/python/requirements-gymnasium.txt, or run deploy/bootstrap")

import clients  # noqa: F401
from accrete.publisher import Publisher
from accrete.v1 import decision_pb2, sensor_pb2

parser = argparse.ArgumentParser(description="Connects a Gymnasium environment to a running graph.")
parser.add_argument("env_id", metavar="ENV_ID")
parser.add_argument("--episodes", type=int, default=100, help="number of episodes of all copies (default 100)")
parser.add_argument("--copies", type=int, default=4, help="number of environments that run at the same time (default 4)")
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--until", type=float, help="stop when the mean return of the newest 100 episodes reaches this")
parser.add_argument("--sensors", default="tcp://127.0.0.1:7400", help="endpoint of ingest")
parser.add_argument("--fuse", default="tcp://127.0.0.1:7401", help="endpoint at which fuse publishes actions")
parser.add_argument("--patience", type=float, default=2.0, help="seconds after which an unanswered observation is published again")
parser.add_argument("--rate", type=float, default=0.0, help="maximum steps per second of all copies (default 0: no limit)")
parser.add_argument("--json", action="store_true", help="print one JSON object for each episode")
arguments = parser.parse_args()

probe = gymnasium.make(arguments.env_id)
if not isinstance(probe.observation_space, gymnasium.spaces.Box):
    sys.exit(f"gymnasium_bridge.py: the observation space of {arguments.env_id} is {probe.observation_space}, not a box")
if not isinstance(probe.action_space, (gymnasium.spaces.Discrete, gymnasium.spaces.Box)):
    sys.exit(f"gymnasium_bridge.py: the action space of {arguments.env_id} is {probe.action_space}, neither discrete nor a box")

publisher, subscriber = Publisher(arguments.sensors, clock="steps"), zmq.Context.instance().socket(zmq.SUB)
subscriber.subscribe(b"action.gym-")
subscriber.connect(arguments.fuse)
try:
    publisher.wait()
except TimeoutError as error:
    sys.exit(f"gymnasium_bridge.py: {error}")


class Copy:
    """An environment and its session."""

    def __init__(self, number):
        self.name = f"gym-{publisher.epoch}-{number}"
        self.world, self.clock, self.total, self.steps = gymnasium.make(arguments.env_id), 0, 0.0, 0
        self.observation, _ = self.world.reset(seed=arguments.seed + number)

    def observe(self):
        """Publishes the observation, which ends a moment and thus requests a decision."""
        self.clock += 1_000_000  # one millisecond by the clock of the session
        self.sent = time.monotonic()
        numbers = numpy.asarray(self.observation, dtype="<f4").ravel()
        reading = sensor_pb2.SensorReading(session=self.name, modality="vector", format="vector/f32le", ends=sensor_pb2.CUT_KIND_EXPLICIT)
        publisher.send(f"sensor.vector.{self.name}/", reading, self.name, self.clock, numbers.tobytes())

    def act(self, action):
        """Performs an action and publishes its reward; returns (return, length) of the episode if it ended, else None."""
        space = self.world.action_space
        if isinstance(space, gymnasium.spaces.Discrete):
            given = int(action.choice) + int(space.start)
        else:
            given = numpy.asarray(action.values, dtype=space.dtype).reshape(space.shape)
        self.observation, reward, terminated, truncated, _ = self.world.step(given)
        self.total, self.steps = self.total + float(reward), self.steps + 1
        feedback = sensor_pb2.Feedback(session=self.name, decision=action.decision, reward=float(reward), terminal=bool(terminated),
                                       truncated=bool(truncated and not terminated), known_at=self.clock)
        publisher.send(f"feedback.{self.name}/", feedback, self.name, self.clock)
        if not (terminated or truncated):
            return None
        ended, self.total, self.steps = (self.total, self.steps), 0.0, 0
        self.observation, _ = self.world.reset()
        return ended


copies = {copy.name: copy for copy in map(Copy, range(arguments.copies))}
started, returns, steps = time.monotonic(), [], 0
time.sleep(0.5)  # until fuse has received the subscription
for copy in copies.values():
    copy.observe()
while len(returns) < arguments.episodes:
    if not subscriber.poll(100):
        for copy in copies.values():
            if time.monotonic() - copy.sent > arguments.patience:
                copy.observe()  # lost, or the graph is still starting
        continue
    _, header = subscriber.recv_multipart()[:2]
    action = decision_pb2.Action.FromString(header)
    copy = copies.get(action.session)
    if copy is None or action.moment != f"{copy.name}/{copy.clock}":
        continue  # an answer to an observation that was published again
    ended, steps = copy.act(action), steps + 1
    if arguments.rate > 0:
        time.sleep(max(0.0, started + steps / arguments.rate - time.monotonic()))
    copy.observe()
    if ended is None:
        continue
    returns.append(ended[0])
    newest, seconds = returns[-100:], time.monotonic() - started
    mean = sum(newest) / len(newest)
    if arguments.json:
        print(json.dumps({"episode": len(returns), "session": action.session, "return": ended[0], "length": ended[1], "mean100": mean,
                          "steps": steps, "seconds": round(seconds, 3), "policyVersion": action.policy_version}), flush=True)
    else:
        print(f"episode {len(returns)}: return {ended[0]:.1f} in {ended[1]} steps; newest {len(newest)}: {mean:.1f}; "
              f"{steps} steps in {seconds:.0f} s, policy {action.policy_version}", flush=True)
    if arguments.until is not None and len(newest) == 100 and mean >= arguments.until:
        break
publisher.close()
