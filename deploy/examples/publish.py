"""Publishes some readings of a small session to Accrete: a picture, a vector and words make a moment, and the words end it.

usage: python3 publish.py [ENDPOINT [KEY]]     KEY: the file of a publisher's key, where the graph has any (deploy/security.md)
"""
import struct
import sys
import time

import clients  # noqa: F401
from accrete.publisher import Publisher
from accrete.v1 import sensor_pb2

publisher = Publisher(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:7400", keys=sys.argv[2] if len(sys.argv) > 2 else None)
try:
    publisher.wait()
except TimeoutError as error:
    sys.exit(f"publish.py: {error}")


def send(modality, source, form, payload, **fields):
    reading = sensor_pb2.SensorReading(session="python", modality=modality, format=form, **fields)
    publisher.send(f"sensor.{modality}.{source}/", reading, source, payload=payload)


for moment in range(5):
    pixels = bytes([40 * moment, 128, 255 - 40 * moment]) * (32 * 32)
    send("image", "py-camera", "image/x-rgb8", pixels, width=32, height=32)
    send("vector", "py-gaze", "vector/f32le", struct.pack("<3f", 0.1 * moment, 0.5, -0.5))
    send("text", "py-words", "text/utf-8", f"this is moment {moment}".encode(), ends=sensor_pb2.CUT_KIND_UTTERANCE_END)
    time.sleep(0.2)
print(f"sent {sum(publisher.sequences.values())} readings")
publisher.close()
