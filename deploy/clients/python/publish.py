"""Publishes some readings of a small session to Accrete.   usage: python3 publish.py [ENDPOINT]"""
import struct
import sys
import time

import zmq

from accrete.v1 import sensor_pb2

endpoint = sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:7400"
socket = zmq.Context().socket(zmq.XPUB)  # a PUB socket that receives subscriptions
socket.linger = 2000
socket.connect(endpoint)
while True:
    if not socket.poll(10_000):
        sys.exit(f"publish.py: nobody has subscribed at {endpoint} within 10 seconds")
    if socket.recv().startswith(b"\x01sensor."):
        break
epoch, sequences = time.time_ns(), {}


def send(modality, source, form, payload, **fields):
    topic = f"sensor.{modality}.{source}/"
    sequences[topic] = sequences.get(topic, 0) + 1
    reading = sensor_pb2.SensorReading(session="python", modality=modality, format=form, **fields)
    reading.stamp.schema_version, reading.stamp.source, reading.stamp.clock = 1, source, "unix"
    reading.stamp.epoch, reading.stamp.sequence, reading.stamp.time = epoch, sequences[topic], time.time_ns()
    socket.send_multipart([topic.encode(), reading.SerializeToString(), payload])


for moment in range(5):
    pixels = bytes([40 * moment, 128, 255 - 40 * moment]) * (32 * 32)
    send("image", "py-camera", "image/x-rgb8", pixels, width=32, height=32)
    send("vector", "py-gaze", "vector/f32le", struct.pack("<3f", 0.1 * moment, 0.5, -0.5))
    send("text", "py-words", "text/utf-8", f"this is moment {moment}".encode(), ends=sensor_pb2.CUT_KIND_UTTERANCE_END)
    time.sleep(0.2)
print(f"sent {sum(sequences.values())} readings")
socket.close()
