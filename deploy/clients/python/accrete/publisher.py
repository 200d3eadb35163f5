"""Publishes to a running graph: every message stamped, counted and sent by its topic.

    publisher = Publisher("tcp://127.0.0.1:7400", clock="unix")
    publisher.wait()                                  # until ingest has subscribed: what is sent before that is lost
    publisher.send("sensor.vector.imu/", reading, "imu", payload=numbers)
    publisher.close()
"""
import time

import zmq

from accrete.keys import use_keys
from accrete.v1 import consent_pb2

CONSENT = {"notStored": consent_pb2.CONSENT_NOT_STORED, "sessionOnly": consent_pb2.CONSENT_SESSION_ONLY,
           "learnHere": consent_pb2.CONSENT_LEARN_HERE, "share": consent_pb2.CONSENT_SHARE}  # schemas/README.md, section 19


class Publisher:
    """One socket, one epoch, a sequence for each topic and source.  `schemas/README.md`, sections 4 and 5."""

    def __init__(self, endpoint, clock="unix", keys=None, consent=None):
        """`keys`: the file of this publisher's key, where the graph has any. `consent`: the class, a name in CONSENT, of readings and
        feedback that have none; None: as the graph's settings say."""
        self.endpoint, self.clock, self.consent = endpoint, clock, CONSENT[consent] if consent else None
        self.epoch, self.sequences = time.time_ns(), {}
        self.socket = zmq.Context.instance().socket(zmq.XPUB)  # a PUB socket that receives subscriptions
        self.socket.linger = 2000
        use_keys(self.socket, keys)
        self.socket.connect(endpoint)

    def wait(self, prefix="sensor.", seconds=10):
        """Returns when somebody has subscribed to all that begins with `prefix`; raises TimeoutError when nobody has within `seconds`."""
        end = time.monotonic() + seconds
        while self.socket.poll(max(0, int(1000 * (end - time.monotonic())))):
            event = self.socket.recv()  # 1 and a prefix: a subscription; 0 and a prefix: its end
            if event[:1] == b"\x01" and prefix.encode().startswith(event[1:]):
                return
        raise TimeoutError(f"nobody has subscribed at {self.endpoint} within {seconds} seconds; check that the graph is running")

    def send(self, topic, message, source, at=None, payload=None):
        """Stamps the message and sends it with one payload frame or none. `at`: nanoseconds on the clock; None: now, on the wall clock."""
        if self.consent and "consent" in message.DESCRIPTOR.fields_by_name and not message.consent:
            message.consent = self.consent
        key = (topic, source)
        self.sequences[key] = self.sequences.get(key, 0) + 1
        stamp = message.stamp
        stamp.schema_version, stamp.source, stamp.clock = 1, source, self.clock
        stamp.epoch, stamp.sequence, stamp.time = self.epoch, self.sequences[key], time.time_ns() if at is None else at
        self.socket.send_multipart([topic.encode(), message.SerializeToString()] + ([] if payload is None else [payload]))

    def close(self):
        self.socket.close()
