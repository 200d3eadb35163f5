"""A frontend of one's own for pictures: reads the text in a camera's picture with a pretrained recogniser, in place of accrete-extract.

usage: python3 read_signs.py [--samples ENDPOINT] [--features ENDPOINT] [--model FILE] [--count N]

A picture becomes 40 rows, from its left to its right, of 96 probabilities: of something else, and of the 95 printable characters
of ASCII. What it reads is printed too. The recogniser is that of PP-OCRv4 (Apache-2.0), which `deploy/models senses` downloads, run by
ONNX Runtime (`deploy/clients/python/requirements-onnxruntime.txt`). The graph leaves pictures to it:

  accrete up --outside --set signals.image.frontend=outside --set 'model.senses=[{name: image, rows: 40, columns: 96}]'
"""
import argparse
import io
import pathlib
import sys

import clients  # noqa: F401
from accrete.frontend import Frontend

try:
    import numpy
    import onnxruntime
    from PIL import Image
except ImportError as error:
    sys.exit(f"read_signs.py: {error}; deploy/bootstrap installs it")

ROWS, COLUMNS, HEIGHT, WIDTH, MOST_PIXELS = 40, 96, 48, 320, 1 << 24
parser = argparse.ArgumentParser(description="Reads the text in a camera's pictures and publishes it as features.")
parser.add_argument("--samples", default=f"ipc://{clients.runtime()}/ingest", help="endpoint at which ingest publishes samples")
parser.add_argument("--features", default=f"ipc://{clients.runtime()}/extract-image", help="endpoint at which fuse expects features")
parser.add_argument("--model", default=clients.models() / "pp-ocrv4-recognition.onnx", type=pathlib.Path, help="the recogniser's file")
parser.add_argument("--count", type=int, help="end after so many messages (default: with the stream)")
arguments = parser.parse_args()
if not arguments.model.exists():
    sys.exit(f"read_signs.py: {arguments.model} does not exist; 'deploy/models senses' downloads it")

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
recogniser = onnxruntime.InferenceSession(str(arguments.model), options, providers=["CPUExecutionProvider"])
characters = recogniser.get_modelmeta().custom_metadata_map["character"].splitlines() + [" "]
# Class 0 is no character, class k the k-th of the list. Places of a column for each class: 0 for what is not printable ASCII.
places = numpy.array([0] + [ord(text) - 31 if len(text) == 1 and " " <= text <= "~" else 0 for text in characters])


def pixels(reading, payload):
    """A picture of three channels; ValueError if it is none."""
    if reading.format == "image/x-rgb8":
        if reading.width * reading.height * 3 != len(payload) or not payload:
            raise ValueError("not the size that its header says")
        return Image.frombytes("RGB", (reading.width, reading.height), payload)
    if reading.format not in ("image/png", "image/jpeg"):
        raise ValueError(reading.format)
    try:
        picture = Image.open(io.BytesIO(payload))
        if picture.width * picture.height > MOST_PIXELS:
            raise ValueError("too large")
        return picture.convert("RGB")
    except (OSError, Image.DecompressionBombError) as error:
        raise ValueError(str(error)) from error


def extract(reading, payload):
    picture = pixels(reading, payload)
    width = max(1, min(WIDTH, round(picture.width * HEIGHT / picture.height)))
    line = numpy.zeros((HEIGHT, WIDTH, 3), "f4")
    line[:, :width] = numpy.asarray(picture.resize((width, HEIGHT), Image.BILINEAR), "f4") / 127.5 - 1
    classes = recogniser.run(None, {recogniser.get_inputs()[0].name: line.transpose(2, 0, 1)[None]})[0][0]
    numbers = numpy.zeros((ROWS, COLUMNS), "f4")
    for row, probabilities in enumerate(classes[:ROWS]):
        numpy.add.at(numbers[row], places, probabilities)
    best, text = classes.argmax(-1), ""
    for before, number in zip([0, *best], best):
        if number and number != before:
            text += characters[number - 1]
    print(f"{reading.stamp.source}: {text!r}", flush=True)
    return numbers, float(classes.max(-1).mean())


frontend = Frontend("image", arguments.samples, arguments.features, source="signs", version=0x53494731)
try:
    frontend.wait()
except TimeoutError as error:
    sys.exit(f"read_signs.py: {error}; start the graph as this file's head says")
frontend.run(extract, arguments.count)
print(f"{frontend.sequence} messages, {frontend.refused} readings that were no pictures")
frontend.close()
