"""Takes the weights of Silero VAD at 16 kHz out of its ONNX file, as safetensors; needs nothing but Python.

usage: convert_silero.py INPUT.onnx OUTPUT.safetensors

The safetensors file of the same package holds the weights of an earlier training.
The format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, https://protobuf.dev/programming-guides/encoding
"""

import json
import struct
import sys

GRAPH, INITIALIZER = 7, 5
NAME, RAW = 8, 9
LARGEST = 1 << 28

# Their names, and names and shapes here.
WEIGHTS = {
    "model.stft.forward_basis_buffer": ("stft_conv.weight", (258, 1, 256)),
    "model.decoder.rnn.weight_ih": ("lstm_cell.weight_ih", (512, 128)),
    "model.decoder.rnn.weight_hh": ("lstm_cell.weight_hh", (512, 128)),
    "model.decoder.rnn.bias_ih": ("lstm_cell.bias_ih", (512,)),
    "model.decoder.rnn.bias_hh": ("lstm_cell.bias_hh", (512,)),
    "model.decoder.decoder.2.weight": ("final_conv.weight", (1, 128, 1)),
    "model.decoder.decoder.2.bias": ("final_conv.bias", (1,)),
}
for index, (channels, inner) in enumerate([(128, 129), (64, 128), (64, 64), (128, 64)]):
    name = "model.encoder.%d.reparam_conv." % index
    WEIGHTS[name + "weight"] = ("conv%d.weight" % (index + 1), (channels, inner, 3))
    WEIGHTS[name + "bias"] = ("conv%d.bias" % (index + 1), (channels,))


def integer(data, place):
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, place
        if shift > 63:
            raise ValueError("an integer is too long")


def fields(data):
    """The fields of a message: number, and an integer or bytes."""
    place = 0
    while place < len(data):
        key, place = integer(data, place)
        kind = key & 7
        if kind == 0:
            value, place = integer(data, place)
        else:
            if kind == 2:
                count, place = integer(data, place)
            elif kind in (1, 5):
                count = 8 if kind == 1 else 4
            else:
                raise ValueError("a field of kind %d" % kind)
            if place + count > len(data):
                raise ValueError("it ends too early")
            value = data[place : place + count]
            place += count
        yield key >> 3, value


def read(path):
    """The weights by their names in this project."""
    with open(path, "rb") as file:
        data = file.read(LARGEST)
    found = {}
    for number, graph in fields(data):
        if number != GRAPH:
            continue
        for inner, tensor in fields(graph):
            if inner != INITIALIZER:
                continue
            parts = {field: value for field, value in fields(tensor) if field in (NAME, RAW)}
            known = WEIGHTS.get(parts[NAME].decode())
            if known is None:
                continue
            name, shape = known
            count = 1
            for extent in shape:
                count *= extent
            if len(parts[RAW]) != 4 * count:
                raise ValueError("%s has %d bytes for %r" % (name, len(parts[RAW]), shape))
            found[name] = (shape, parts[RAW])
    missing = sorted(name for name, _ in WEIGHTS.values() if name not in found)
    if missing:
        raise ValueError("it has no %s" % ", ".join(missing))
    return found


def write(tensors, path):
    """https://huggingface.co/docs/safetensors/index#format"""
    header, end = {}, 0
    for name in sorted(tensors):
        shape, data = tensors[name]
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [end, end + len(data)]}
        end += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            file.write(tensors[name][1])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        write(read(sys.argv[1]), sys.argv[2])
    except (ValueError, KeyError, IndexError, OSError) as error:
        sys.exit("%s cannot be converted: %s" % (sys.argv[1], error))
