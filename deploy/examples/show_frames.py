"""Prints the three frames of one sensor reading in hexadecimal, as section 2 of schemas/README.md shows them; sends nothing.

usage: python3 show_frames.py
"""
import struct

import clients  # noqa: F401
from accrete.v1 import sensor_pb2

topic = "sensor.vector.imu/"
reading = sensor_pb2.SensorReading(session="kitchen", modality="vector", format="vector/f32le", ends=sensor_pb2.CUT_KIND_EXPLICIT)
stamp = reading.stamp
stamp.schema_version, stamp.source, stamp.epoch, stamp.sequence = 1, "imu", 7, 1
stamp.time, stamp.clock = 1_250_000_000, "demo"
for name, frame in [("topic", topic.encode()), ("header", reading.SerializeToString()), ("payload", struct.pack("<2f", 0.5, -1.0))]:
    print(f"{name:8}{frame.hex(' ')}")
