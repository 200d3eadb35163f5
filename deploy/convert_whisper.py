"""Converts Whisper from CTranslate2's format to safetensors; needs nothing but Python.

usage: convert_whisper.py model.bin config.json OUTPUT.safetensors

The format, little-endian: version; name of the model's specification; its revision; number of variables; for each its name, rank, shape,
type, number of bytes and bytes; then aliases. A text is its length, with the zero byte at its end, and its bytes.
Numbers keep their half precision. Tokens that are never chosen become `suppressed`, and `suppressed_first` at the beginning of a text.
"""

import json
import struct
import sys

HALF, INTEGER = 4, "I32"
LARGEST = 1 << 30


class Reader:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = file.read(LARGEST)
        self.place = 0

    def take(self, count):
        if count < 0 or self.place + count > len(self.bytes):
            raise ValueError("it ends too early")
        self.place += count
        return self.bytes[self.place - count : self.place]

    def number(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize(form)))[0]

    def text(self):
        return self.take(self.number("H"))[:-1].decode()


def read(path):
    """The half-precision variables of a file, by name, as shape and bytes."""
    reader = Reader(path)
    version, specification = reader.number("I"), reader.text()
    reader.number("I")
    if version != 6 or specification != "WhisperSpec":
        raise ValueError("it is %s in version %d, not WhisperSpec in version 6" % (specification, version))
    variables = {}
    for _ in range(reader.number("I")):
        name, rank = reader.text(), reader.number("B")
        shape = [reader.number("I") for _ in range(rank)]
        kind = reader.number("B")
        data = reader.take(reader.number("I"))
        count = 1
        for extent in shape:
            count *= extent
        if kind == HALF:
            if len(data) != 2 * count:
                raise ValueError("%s has %d bytes for %r" % (name, len(data), shape))
            variables[name] = ("F16", shape, data)
    return variables


def tokens(ids):
    return (INTEGER, [len(ids)], struct.pack("<%di" % len(ids), *ids))


def write(tensors, path):
    """https://huggingface.co/docs/safetensors/index#format"""
    header, end = {}, 0
    for name, (kind, shape, data) in tensors.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [end, end + len(data)]}
        end += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in tensors.values():
            file.write(data)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        found = read(sys.argv[1])
        with open(sys.argv[2]) as config:
            settings = json.load(config)
        found["suppressed"] = tokens(settings["suppress_ids"])
        found["suppressed_first"] = tokens(settings["suppress_ids_begin"])
        write(found, sys.argv[3])
    except (ValueError, KeyError, OSError, struct.error) as error:
        sys.exit("%s cannot be converted: %s" % (sys.argv[1], error))
