"""Sends a camera's pictures with their labels, and counts how many were recognised before their label was known.

usage: python3 send_camera.py [--directory DIR] [--pictures N] [--rate R] [--consent CLASS]

Each picture is a moment that asks for a label. It is predicted on prediction.<session>/ as it comes; its label follows as feedback, and is learned.
DIR holds a directory for each label, with PNG or JPEG files; without one, discs and squares of any colour are drawn. Start a graph first:

  accrete up --outside
"""
import argparse
import pathlib
import random
import sys
import time

import zmq

import clients  # noqa: F401
from accrete.publisher import CONSENT, Publisher
from accrete.v1 import moment_pb2, sensor_pb2

parser = argparse.ArgumentParser(description="Sends a camera's pictures with their labels.")
parser.add_argument("--directory", type=pathlib.Path, help="a directory for each label, with PNG or JPEG files (default: pictures are drawn)")
parser.add_argument("--pictures", type=int, default=200, help="number of pictures (default 200)")
parser.add_argument("--rate", type=float, default=10.0, help="pictures per second (default 10)")
parser.add_argument("--session", default="camera")
parser.add_argument("--consent", choices=CONSENT, help="what may be done with the pictures and their labels (default: as the graph's settings say)")
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--sensors", default="tcp://127.0.0.1:7400", help="endpoint of ingest")
parser.add_argument("--fuse", default="tcp://127.0.0.1:7401", help="endpoint at which fuse publishes predictions")
arguments = parser.parse_args()
chance = random.Random(arguments.seed)
SIDE = 32


def drawn():
    """A disc (0) or a square (1) somewhere: label, format, bytes, width, height."""
    label, colour = chance.randrange(2), [chance.randrange(100, 256) for _ in range(3)]
    x, y, r = chance.uniform(12, 20), chance.uniform(12, 20), chance.uniform(6, 10)
    inside = (lambda u, v: u * u + v * v < r * r) if label == 0 else (lambda u, v: max(abs(u), abs(v)) < r)
    pixels = bytes(value for v in range(SIDE) for u in range(SIDE) for value in (colour if inside(u - x, v - y) else (0, 0, 0)))
    return label, "image/x-rgb8", pixels, SIDE, SIDE


def stored(classes):
    """A picture of a directory, as it is on disk; its label is its directory's place in alphabetical order."""
    label = chance.randrange(len(classes))
    file = chance.choice(classes[label])
    return label, "image/png" if file.suffix.lower() == ".png" else "image/jpeg", file.read_bytes(), 0, 0


if arguments.directory:
    folders = sorted(folder for folder in arguments.directory.iterdir() if folder.is_dir())
    classes = [[file for file in sorted(folder.iterdir()) if file.suffix.lower() in (".png", ".jpg", ".jpeg")] for folder in folders]
    if not classes or not all(classes):
        sys.exit(f"send_camera.py: {arguments.directory} needs a directory with PNG or JPEG files for each label")
    picture, count = (lambda: stored(classes)), len(classes)
else:
    picture, count = drawn, 2

publisher, predictions = Publisher(arguments.sensors, consent=arguments.consent), zmq.Context.instance().socket(zmq.SUB)
predictions.subscribe(f"prediction.{arguments.session}/".encode())
predictions.connect(arguments.fuse)
try:
    publisher.wait()
except TimeoutError as error:
    sys.exit(f"send_camera.py: {error}")
time.sleep(0.5)  # until fuse has received the subscription

labels, right = {}, []
for number in range(1, arguments.pictures + 1):
    label, form, content, width, height = picture()
    now = time.time_ns()
    moment = f"{arguments.session}/{now}"  # a moment is called after the time at which it ends
    labels[moment] = label
    reading = sensor_pb2.SensorReading(session=arguments.session, modality="image", format=form, width=width, height=height,
                                       ends=sensor_pb2.CUT_KIND_LABEL_REQUEST)
    publisher.send("sensor.image.camera/", reading, "camera", now, content)
    time.sleep(1 / arguments.rate)
    feedback = sensor_pb2.Feedback(session=arguments.session, moment=moment, label=label, classes=count, known_at=time.time_ns())
    publisher.send(f"feedback.{arguments.session}/", feedback, "teacher")
    while predictions.poll(0):
        prediction = moment_pb2.Prediction.FromString(predictions.recv_multipart()[1])
        if prediction.moment in labels:
            right.append(prediction.label == labels.pop(prediction.moment))
    if number % 50 == 0 and right:
        newest = right[-50:]
        print(f"{number} pictures: {len(right)} predicted, of the newest {len(newest)} {sum(newest)} right", flush=True)
publisher.close()
