"""Publishes to a running graph that has a journal, and knows what is on disk: nothing that was acknowledged is lost.

    publisher = AcknowledgedPublisher("tcp://127.0.0.1:7404", "imu")
    publisher.send("sensor.vector.imu/", reading, payload=numbers)      # waits while too much is unacknowledged
    publisher.flush()"""
import time
from collections import deque

import zmq

from accrete.v1 import journal_pb2


class AcknowledgedPublisher:
    """One source, whose sequence counts everything that it sends.  `schemas/README.md`, section 15."""

    def __init__(self, endpoint, source, clock="unix", epoch=None, sequence=0, patience=1.0):
        """One that starts again with what was not acknowledged gives the epoch, and the sequence of the last that was."""
        self.source, self.clock, self.patience = source, clock, patience
        self.epoch, self.sequence, self.acknowledged = epoch or time.time_ns(), sequence, sequence
        self.unsent, self.sent, self.refused = deque(), deque(), {}
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(endpoint)
        self.greet()

    def greet(self):
        self.greeted, self.credit = time.monotonic(), 0
        self.transmit(self.parts(f"greeting.{self.source}/", journal_pb2.Greeting(), self.acknowledged + 1))

    def parts(self, topic, message, sequence, at=None):
        stamp = message.stamp
        stamp.schema_version, stamp.source, stamp.epoch, stamp.clock = 1, self.source, self.epoch, self.clock
        stamp.sequence, stamp.time = sequence, time.time_ns() if at is None else at
        return [topic.encode(), message.SerializeToString()]

    def transmit(self, parts):
        if self.socket.poll(0, zmq.POLLOUT):  # where nobody is there, it is sent again after the next greeting
            self.socket.send_multipart(parts)

    def send(self, topic, message, at=None, payload=None, seconds=None):
        """Stamps and sends a message; waits while as many as may be are unacknowledged, at most for `seconds`."""
        self.sequence += 1
        self.unsent.append((self.sequence, self.parts(topic, message, self.sequence, at) + ([] if payload is None else [payload])))
        self.wait(lambda: not self.unsent, seconds)

    def flush(self, seconds=None):
        """Returns when all is on disk, or was refused."""
        self.wait(lambda: self.acknowledged == self.sequence, seconds)

    def wait(self, done, seconds):
        end = time.monotonic() + (float("inf") if seconds is None else seconds)
        while self.work() or not done():
            if time.monotonic() > end:
                raise TimeoutError(f"{self.sequence - self.acknowledged} messages of {self.source} are not acknowledged")
            self.socket.poll(50)

    def work(self):
        """Takes acknowledgements, and sends what they allow; greets again when none has come for a while."""
        while self.socket.poll(0):
            self.take(journal_pb2.Acknowledgement.FromString(self.socket.recv_multipart()[1]))
        while self.unsent and self.unsent[0][0] <= self.acknowledged + self.credit:
            self.sent.append(self.unsent.popleft())
            self.transmit(self.sent[-1][1])
        if (self.sent or self.unsent) and time.monotonic() - self.greeted > self.patience:
            self.greet()

    def take(self, answer):
        if answer.epoch != self.epoch or answer.problem:
            return self.greet() if answer.problem == "unknownSource" and self.credit else None
        if answer.sequence > self.acknowledged:
            self.acknowledged, self.greeted = answer.sequence, time.monotonic()
        self.refused.update({one.sequence: one.reason for one in answer.refused})
        self.credit = answer.credit
        while self.sent and self.sent[0][0] <= self.acknowledged:
            self.sent.popleft()
        if answer.again:
            self.unsent.extendleft(reversed(self.sent))
            self.sent.clear()
