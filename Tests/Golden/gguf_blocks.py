"""Writes gguf_blocks.json beside this: blocks of every stored type with random bits, and the numbers that the `gguf` package reads in them.

usage: python3 gguf_blocks.py        (needs gguf, numpy)
"""
import json, os
import numpy as np
from gguf import GGMLQuantizationType as T, GGML_QUANT_SIZES
from gguf.quants import dequantize

random = np.random.default_rng(5)
scales = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.F16: [0], T.BF16: [], T.F32: []}
out = {}
for kind, places in scales.items():
    count, size = GGML_QUANT_SIZES[kind]
    blocks = max(2, 64 // count)
    bytes_ = random.integers(0, 256, (blocks, size), dtype=np.uint8)
    for place in places:                       # half-precision scales that are finite
        bytes_[:, place:place + 2] = random.normal(0, 0.1, blocks).astype(np.float16)[:, None].view(np.uint8)
    if kind == T.F32:
        bytes_ = random.normal(0, 1, (blocks, 1)).astype(np.float32).view(np.uint8)
    if kind == T.BF16:
        bytes_ = (random.normal(0, 1, (blocks, 1)).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    numbers = dequantize(bytes_.reshape(1, -1), kind).reshape(-1)
    out[kind.name] = {"type": int(kind), "bytes": bytes_.tobytes().hex(), "numbers": [float(x) for x in numbers]}
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "gguf_blocks.json"), "w") as f:
    json.dump(out, f)
