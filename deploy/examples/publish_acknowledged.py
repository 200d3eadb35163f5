"""Publishes vectors that end moments, and says what is on disk. The graph needs a journal: accrete up --outside --set journal.directory=DIR

usage: python3 publish_acknowledged.py [ENDPOINT] [COUNT] [SOURCE]
"""
import struct
import sys

import clients  # noqa: F401
from accrete.acknowledged import AcknowledgedPublisher
from accrete.v1 import sensor_pb2

endpoint, count, source = (sys.argv[1:] + ["tcp://127.0.0.1:7404", "10", "py-numbers"][len(sys.argv) - 1:])[:3]
publisher = AcknowledgedPublisher(endpoint, source)
try:
    for number in range(int(count)):
        reading = sensor_pb2.SensorReading(session=source, modality="vector", format="vector/f32le", ends=sensor_pb2.CUT_KIND_EXPLICIT)
        publisher.send(f"sensor.vector.{source}/", reading, payload=struct.pack("<3f", number, 0.5, -0.5), seconds=60)
    publisher.flush(60)
except TimeoutError as error:
    sys.exit(f"publish_acknowledged.py: {error}")
print(f"{publisher.acknowledged} acknowledged, {len(publisher.refused)} refused")
