"""Checks the passport of a saved update of the model without any part of Accrete.   usage: python3 verify_update.py DIR ROOT_PUB

DIR holds `header` and `part-000` …, as `accrete tap model.update/ --count 1 --save DIR` writes them; ROOT_PUB is the file root.pub.
"""
import hashlib
import json
import pathlib
import sys
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import clients  # noqa: F401
from accrete.v1 import model_pb2, passport_pb2


def is_signed(key, signature, content):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, content)
        return True
    except (InvalidSignature, ValueError):
        return False


def require(condition, problem):
    if not condition:
        sys.exit(f"not believed: {problem}")


directory, now = pathlib.Path(sys.argv[1]), time.time_ns()
roots = [bytes.fromhex(key) for key in json.loads(pathlib.Path(sys.argv[2]).read_text())["public"]]
update = model_pb2.ModelUpdate.FromString((directory / "header").read_bytes())
parts = [part.read_bytes() for part in sorted(directory.glob("part-*"))]
signed = update.passport
statement = b"accrete certificate 1\n" + signed.certificate
require(any(is_signed(root, signed.certificate_signature, statement) for root in roots), "no root key vouches for the key that signed")
certificate = passport_pb2.Certificate.FromString(signed.certificate)
require(is_signed(certificate.key, signed.signature, b"accrete passport 1\n" + signed.passport), "the passport was changed")
passport = passport_pb2.Passport.FromString(signed.passport)
require(now < min(certificate.expires, passport.expires), "it has expired")
require([(p.size, p.sha256) for p in passport.parts] == [(len(p), hashlib.sha256(p).digest()) for p in parts], "its parts are others")
for field in ("version", "moment_watermark", "moments_seen", "sha256", "last"):
    require(getattr(update, field) == getattr(passport, field), f"its header says another {field}")
print(f"version {passport.version}, signed by '{certificate.name}', {sum(map(len, parts))} bytes, is whole: {passport.reason}")
