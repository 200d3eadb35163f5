"""A frontend of one's own, in place of accrete-extract: turns the samples of a modality into features.  `schemas/README.md`, section 5.

    frontend = Frontend("image", "ipc:///run/user/1000/accrete/ingest", "ipc:///run/user/1000/accrete/extract-image", source="signs")
    frontend.run(lambda reading, payload: (numbers, validity))      # numbers: float32 (rows, columns); validity: 0 … 1
"""
import os
import pathlib
import time

import zmq

from accrete.v1 import feature_pb2


class Frontend:
    """Subscribes to `sample.<modality>/`, publishes `feature.<modality>/`; repeats each boundary behind the frames that came before it."""

    def __init__(self, modality, samples, features, source, version=1):
        """`samples`: ingest's endpoint; `features`: the endpoint to bind; `version`: another where equal readings give other numbers."""
        self.modality, self.source, self.version = modality, source, version
        self.topic = f"feature.{modality}/".encode()
        self.epoch, self.sequence, self.refused = time.time_ns(), 0, 0
        if features.startswith("ipc://"):
            os.makedirs(pathlib.Path(features[len("ipc://"):]).parent, mode=0o700, exist_ok=True)
        context = zmq.Context.instance()
        self.publisher, self.subscriber = context.socket(zmq.XPUB), context.socket(zmq.SUB)
        self.publisher.linger = 2000
        self.publisher.bind(features)
        self.subscriber.subscribe(f"sample.{modality}/".encode())
        self.subscriber.connect(samples)

    def wait(self, seconds=30):
        """Returns when fuse has subscribed; what is published before is lost. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while self.publisher.poll(max(0, int(1000 * (end - time.monotonic())))):
            event = self.publisher.recv()  # 1 and a prefix: a subscription
            if event[:1] == b"\x01" and self.topic.startswith(event[1:]):
                return
        raise TimeoutError(f"nobody has subscribed to {self.topic.decode()} within {seconds} seconds")

    def run(self, extract, count=None):
        """Extracts until the stream ends, or `count` messages are passed on. A reading that raises ValueError is dropped and counted."""
        passed = 0
        while count is None or passed < count:
            _, header, *payload = self.subscriber.recv_multipart()
            sample = feature_pb2.Sample.FromString(header)
            if sample.WhichOneof("content") == "boundary":
                self._send(self._message(sample, boundary=sample.boundary))
                if sample.boundary.last:
                    return
            elif sample.given_up:
                self._send(self._message(sample, given_up=sample.given_up))
            elif sample.WhichOneof("content") == "reading" and len(payload) == 1:
                try:
                    numbers, validity = extract(sample.reading, payload[0])
                except ValueError:
                    self.refused += 1
                    if sample.HasField("place"):  # live with a journal: fuse does not ask for the reading again
                        self._send(self._message(sample, given_up="undecodable"))
                    continue
                self._send(self._frame(sample, numbers.shape, validity), numbers.astype("<f4").tobytes())
            else:
                self.refused += 1
                continue
            passed += 1

    def _frame(self, sample, shape, validity):
        reading = sample.reading
        return self._message(sample, frame=feature_pb2.Frame(
            session=reading.session, source=reading.stamp.source, sequence=reading.stamp.sequence, modality=self.modality,
            time=reading.stamp.time, rows=shape[0], columns=shape[1], validity=validity, frontend=self.version, timeline=sample.timeline,
            consent=reading.consent))

    def _message(self, sample, **content):
        place = sample.place if sample.HasField("place") else None  # in ingest's journal
        return feature_pb2.FeatureFrame(arrived=sample.arrived, place=place, **content)

    def _send(self, message, *payload):
        self.sequence += 1
        stamp = message.stamp
        stamp.schema_version, stamp.source, stamp.clock = 1, self.source, "monotonic"
        stamp.epoch, stamp.sequence, stamp.time = self.epoch, self.sequence, time.monotonic_ns()
        self.publisher.send_multipart([self.topic, message.SerializeToString(), *payload])

    def close(self):
        self.publisher.close()
        self.subscriber.close()
