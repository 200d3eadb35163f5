"""Receives the updates of the model.   usage: python3 subscribe.py [ENDPOINT [COUNT [KEY]]]

KEY: the file of a subscriber's key, where the graph has any (deploy/security.md).
"""
import hashlib
import sys

import zmq
from safetensors.numpy import load

import clients  # noqa: F401
from accrete.keys import use_keys
from accrete.v1 import model_pb2

endpoint = sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:7402"
count = int(sys.argv[2]) if len(sys.argv) > 2 else 0  # 0: until the stream ends
socket = zmq.Context().socket(zmq.SUB)
socket.subscribe(b"model.update/")  # the newest update is sent immediately
use_keys(socket, sys.argv[3] if len(sys.argv) > 3 else None)
socket.connect(endpoint)

seen = received = 0
while count == 0 or received < count:
    topic, header, *frames = socket.recv_multipart()
    payload = b"".join(frames)  # the file of a large model is sent in several frames
    update = model_pb2.ModelUpdate.FromString(header)
    position = (update.stamp.epoch, update.stamp.sequence)
    if seen and position <= seen:
        continue  # sent again for a new subscriber
    seen, received = position, received + 1
    if hashlib.sha256(payload).digest() != update.sha256:
        sys.exit(f"subscribe.py: version {update.version} does not match its digest")
    tensors = load(payload)
    numbers = sum(t.size for t in tensors.values())
    print(f"version {update.version} from {update.parent}: {len(tensors)} tensors, {numbers} numbers, "
          f"{len(payload)} bytes, loss {update.loss:.4f}", flush=True)
    if update.last:
        break
