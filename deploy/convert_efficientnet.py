"""Converts the weights of EfficientNet-Lite0 from PyTorch's format of before 1.6 to safetensors; needs NumPy only.

usage: convert_efficientnet.py INPUT.pth OUTPUT.safetensors

Batch normalisation becomes part of the convolution before it, computed in double precision:
    weight <- weight * gamma / sqrt(variance + 0.001),  bias <- beta - mean * gamma / sqrt(variance + 0.001)
Weights are stored as (output channels, height, width, input channels), those of depthwise convolutions as (height, width, channels).
"""

import collections
import json
import pickle
import struct
import sys

import numpy

EPSILON = 1e-3
TYPES = {"FloatStorage": numpy.dtype("<f4"), "LongStorage": numpy.dtype("<i8")}
LARGEST = 1 << 28


class Storage(collections.namedtuple("Storage", "type key count")):
    """Numbers that follow later in the file."""


class Tensor(collections.namedtuple("Tensor", "storage offset shape strides")):
    """A view of a storage."""


def tensor(storage, offset, shape, strides, *ignored):
    return Tensor(storage, offset, shape, strides)


class Reader(pickle.Unpickler):
    """A pickle of these four names and nothing else: others could run code."""

    names = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): tensor,
        ("torch", "FloatStorage"): "FloatStorage",
        ("torch", "LongStorage"): "LongStorage",
    }

    def find_class(self, module, name):
        try:
            return self.names[module, name]
        except KeyError:
            raise pickle.UnpicklingError("the file names %s.%s, which weights do not need" % (module, name))

    def persistent_load(self, identity):
        kind, storage_type, key, _, count, _ = identity
        if kind != "storage" or storage_type not in TYPES or not 0 <= count <= LARGEST:
            raise pickle.UnpicklingError("a storage that cannot be read: %r" % (identity,))
        return Storage(storage_type, key, count)


def read(path):
    """The tensors of a file, by name."""
    with open(path, "rb") as file:
        if Reader(file).load() != 0x1950A86A20F9469CFC6C or Reader(file).load() != 1001:
            sys.exit("%s is not in PyTorch's format of before 1.6" % path)
        Reader(file).load()
        tensors = Reader(file).load()
        used = {t.storage.key: t.storage for t in tensors.values()}
        numbers = {}
        for key in Reader(file).load():
            (count,) = struct.unpack("<q", file.read(8))
            if key not in used or count != used[key].count:
                sys.exit("%s: storage %s has %d numbers" % (path, key, count))
            kind = TYPES[used[key].type]
            data = file.read(count * kind.itemsize)
            if len(data) != count * kind.itemsize:
                sys.exit("%s ends within storage %s" % (path, key))
            numbers[key] = numpy.frombuffer(data, kind)
    result = {}
    for name, t in tensors.items():
        flat = numbers[t.storage.key]
        last = t.offset + sum((n - 1) * s for n, s in zip(t.shape, t.strides))
        if t.offset < 0 or min(t.shape, default=1) < 1 or min(t.strides, default=0) < 0 or last >= flat.size:
            sys.exit("%s: %s lies outside of its storage" % (path, name))
        strides = [s * flat.itemsize for s in t.strides]
        result[name] = numpy.lib.stride_tricks.as_strided(flat[t.offset :], t.shape, strides).astype(numpy.float64)
    return result


def convert(source):
    """Tensors by the names and in the shapes of this project."""
    result = {}

    def convolution(target, weight, norm):
        factor = source[norm + ".weight"] / numpy.sqrt(source[norm + ".running_var"] + EPSILON)
        folded = (source[weight] * factor[:, None, None, None]).transpose(0, 2, 3, 1)
        if target.endswith("depthwise"):
            folded = folded[..., 0].transpose(1, 2, 0)
        elif folded.shape[1:3] == (1, 1):
            folded = folded[:, 0, 0, :]
        result[target + ".weight"] = folded
        result[target + ".bias"] = source[norm + ".bias"] - source[norm + ".running_mean"] * factor

    convolution("stem", "_conv_stem.weight", "_bn0")
    for index in range(16):
        block, target = "_blocks.%d." % index, "blocks.%d." % index
        if index > 0:
            convolution(target + "expand", block + "_expand_conv.weight", block + "_bn0")
        convolution(target + "depthwise", block + "_depthwise_conv.weight", block + "_bn1")
        convolution(target + "project", block + "_project_conv.weight", block + "_bn2")
    convolution("head", "_conv_head.weight", "_bn1")
    result["classifier.weight"] = source["_fc.weight"]
    result["classifier.bias"] = source["_fc.bias"]
    return {name: numpy.ascontiguousarray(value, dtype="<f4") for name, value in result.items()}


def write(tensors, path):
    """https://huggingface.co/docs/safetensors/index#format"""
    header, end = {}, 0
    for name, value in tensors.items():
        if not numpy.isfinite(value).all():
            sys.exit("%s is not finite" % name)
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [end, end + value.nbytes]}
        end += value.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for value in tensors.values():
            file.write(value.tobytes())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        write(convert(read(sys.argv[1])), sys.argv[2])
    except (pickle.UnpicklingError, KeyError, ValueError, EOFError, struct.error) as error:
        sys.exit("%s cannot be converted: %s" % (sys.argv[1], error))
