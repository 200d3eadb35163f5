"""Follows the model of a learner: verifies updates, applies deltas to a copy, asks for what was missed, and reports what became of each.

    subscriber = ModelSubscriber("tablet", "tcp://127.0.0.1:7402", "tcp://127.0.0.1:7405", roots=load_roots("root.pub"), probe=loss)
    for update in subscriber.follow():          # each version that is adopted
        serve(subscriber.tensors)               # {name: float32 array}; it is replaced as a whole, never changed

`schemas/README.md`, section 8, says what a delta is and how a subscriber asks.
"""
import hashlib
import json
import pathlib
import time

import numpy as np
import zmq
import zstandard
from safetensors.numpy import load

from accrete.keys import use_keys
from accrete.v1 import model_pb2, passport_pb2, update_pb2

BLOCK = 256


class Refused(Exception):
    """An update that is not adopted; its text begins with the reason of the contract."""


def load_roots(path):
    """The public root keys of the file `root.pub`."""
    return [bytes.fromhex(key) for key in json.loads(pathlib.Path(path).read_text(encoding="utf-8"))["public"]]


def require(condition, reason):
    if not condition:
        raise Refused(reason)


def is_signed(key, signature, content):
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, content)
        return True
    except (InvalidSignature, ValueError):
        return False


def state_digest(tensors):
    """The digest of all parameters, as updates name it."""
    names = sorted(tensors, key=str.encode)
    lines = (f"{hashlib.sha256(np.ascontiguousarray(tensors[name], '<f4').data).hexdigest()}  {name}\n" for name in names)
    return hashlib.sha256("".join(lines).encode()).digest()


def apply_delta(payload, plain_bytes, tensors):
    """The tensors to which a delta leads; those that it does not change are the same arrays."""
    require(plain_bytes <= 2 * sum(t.nbytes for t in tensors.values()) + 1024 * (len(tensors) + 64), "tooLarge: a delta of that many bytes")
    try:
        plain = zstandard.ZstdDecompressor().decompress(payload, max_output_size=plain_bytes)
        parts = load(plain)
    except Exception as problem:  # whatever the libraries say of bytes from outside
        raise Refused(f"undecodable: {problem}") from None
    require(len(plain) == plain_bytes, "undecodable: a delta of another size than it says")
    changed = {}
    for key in parts:
        name, _, part = key.rpartition("#")
        require(name in tensors and part in ("gaps", "bits", "int8", "float16", "scale"), f"wrongShape: {key[:128]}")
        changed.setdefault(name, {})[part] = parts[key]
    return {**tensors, **{name: apply_parts(found, tensors[name]) for name, found in changed.items()}}


def apply_parts(parts, tensor):
    values = np.array(tensor, dtype="<f4").reshape(-1)  # a copy
    coding = set(parts) - {"gaps", "scale"}
    require(len(coding) == 1 and ("scale" in parts) == (coding != {"bits"}), "wrongShape: parts that do not belong together")
    places = slice(None)
    if "gaps" in parts:
        places = np.cumsum(parts["gaps"].astype(np.uint64) + 1) - 1
        require(len(places) <= len(values) and (len(places) == 0 or int(places.max()) < len(values)), "wrongShape: gaps lead beyond the tensor")
        places = places.astype(np.int64)
    old, codes = values[places], parts[coding.pop()]
    n = len(old)
    if codes.dtype == np.uint8:
        require(codes.shape == (4 * n,), "wrongShape: bits of another number of numbers")
        new = (old.view("<u4") ^ np.ascontiguousarray(codes.reshape(4, n).T).view("<u4").reshape(n)).view("<f4")
    else:
        block = BLOCK if codes.dtype == np.int8 else max(1, n)
        scale = parts["scale"]
        require(codes.shape == (n,) and scale.shape == (max(1, -(-n // block)),), "wrongShape: codes of another number of numbers")
        with np.errstate(all="ignore"):  # what is not finite is refused below
            new = old + codes.astype("<f4") * np.repeat(scale.astype("<f4"), block)[:n]
    require(np.isfinite(new).all(), "nonFinite: a delta leads to a number that is not finite")
    values[places] = new
    return values.reshape(tensor.shape)


class ModelSubscriber:
    """A subscriber of its own name. `roots`: believes only what these keys vouch for; `probe`: mean loss of tensors on examples of its own."""

    def __init__(self, name, updates, questions=None, roots=None, key=None, probe=None, tolerance=0.0, largest=1 << 30):
        self.name, self.roots, self.probe, self.tolerance, self.largest = name, roots, probe, tolerance, largest
        context = zmq.Context.instance()
        self.updates, self.questions = context.socket(zmq.SUB), context.socket(zmq.DEALER) if questions else None
        # Who can ask takes deltas and whole models at the start alone.
        for topic in [b"model.delta/"] if questions else [b"model.update/"]:
            self.updates.subscribe(topic)
        for socket, endpoint in [(self.updates, updates)] + ([(self.questions, questions)] if questions else []):
            socket.linger = 1000  # for the last report
            use_keys(socket, key)
            socket.connect(endpoint)
        self.epoch, self.sequence = time.time_ns(), 0
        self.tensors, self.update, self.loss = None, None, None  # what serves
        self.newest = None  # what was verified last, with its tensors: deltas are applied to it, whether it serves or not
        self.serial = self.bytes = 0
        self.refused, self.held, self.pinned, self.previous = {}, False, None, None

    # What is adopted

    def hold(self):
        """Adopts nothing more; what comes is still verified."""
        self.held = True

    def pin(self, version):
        """Adopts this version, when it comes, and no other."""
        self.pinned = version

    def resume(self):
        """Adopts each version again."""
        self.held, self.pinned = False, None

    def roll_back(self):
        """Goes back to what served before, and holds it; False where there is nothing."""
        if self.previous is None:
            return False
        (self.update, self.tensors), self.previous, self.held, self.loss = self.previous, None, True, None
        self.report(self.update, True, "rolledBack")
        return True

    def follow(self, seconds=None):
        """Yields each update that is adopted, until the stream ends or `seconds` are over."""
        end = time.monotonic() + (float("inf") if seconds is None else seconds)
        behind = self.questions is not None
        while time.monotonic() < end:
            if behind:
                for update, payload in self.fetch(end):
                    if self.try_take(update, payload):
                        yield update
                behind = self.newest is None
            if self.updates.poll(500 if behind else 100):
                _, header, *frames = self.updates.recv_multipart()
                update, payload = model_pb2.ModelUpdate.FromString(header), b"".join(frames)
                position = self.newest and self.newest[0]
                if position and (update.stamp.epoch, update.version) <= (position.stamp.epoch, position.version):
                    continue  # sent again
                if update.kind == passport_pb2.UPDATE_KIND_DELTA and (position is None or update.parent != position.version):
                    behind = True
                elif self.try_take(update, payload, frames):
                    yield update
                else:
                    behind = self.questions is not None and self.newest is not None and self.newest[0].version < update.version
            if self.newest and self.newest[0].last:
                return

    def try_take(self, update, payload, frames=None):
        """Verifies, tries and adopts an update; False where it is refused, which is counted and reported."""
        try:
            return self.take(update, payload, frames)
        except Refused as problem:
            reason = str(problem).split(":")[0]
            self.refused[reason] = self.refused.get(reason, 0) + 1
            self.report(update, False, reason)
            return False

    def take(self, update, payload, frames=None):
        self.verify(update, payload, frames)
        if update.kind == passport_pb2.UPDATE_KIND_DELTA:
            require(self.newest and update.parent_state == self.newest[0].state, "wrongParent: a delta to another version")
            tensors = apply_delta(payload, update.plain_bytes, self.newest[1])
        else:
            tensors = load(payload)
            require(all(np.isfinite(t).all() for t in tensors.values()), "nonFinite: a whole model")
        require(not update.state or state_digest(tensors) == update.state, "wrongDigest: it leads to other parameters than it says")
        self.newest = (update, tensors)
        if self.held or self.pinned not in (None, update.version):
            return False
        before, after = self.loss, None
        if self.probe:
            before = self.probe(self.tensors) if before is None and self.tensors else before
            after = self.probe(tensors)
            require(np.isfinite(after) and (before is None or after <= before + self.tolerance), "worseOnProbes: its loss rises")
        if self.update is not None:
            self.previous = (self.update, self.tensors)
        self.update, self.tensors, self.loss = update, tensors, after
        self.report(update, True, "", before, after)
        return True

    def verify(self, update, payload, frames):
        """Section 8: the certificate, the passport, the header, the frames, and the versions before."""
        require(hashlib.sha256(payload).digest() == update.sha256, "wrongDigest: the payload")
        if self.roots is None:
            return
        signed, now = update.passport, time.time_ns()
        statement = b"accrete certificate 1\n" + signed.certificate
        require(any(is_signed(root, signed.certificate_signature, statement) for root in self.roots), "unknownKey" if signed.passport else "unsigned")
        certificate = passport_pb2.Certificate.FromString(signed.certificate)
        require(is_signed(certificate.key, signed.signature, b"accrete passport 1\n" + signed.passport), "badSignature: the passport")
        passport = passport_pb2.Passport.FromString(signed.passport)
        require(now < min(certificate.expires, passport.expires), "expired")
        require(certificate.serial >= self.serial, "unknownKey: it was replaced")
        topic = "model.delta/" if update.kind == passport_pb2.UPDATE_KIND_DELTA else "model.update/"
        same = ("version", "sha256", "moment_watermark", "moments_seen", "last", "kind", "state", "parent_state", "plain_bytes")
        require(passport.topic == topic and passport.parent_version == update.parent, "badSignature: the header")
        require(all(getattr(update, field) == getattr(passport, field) for field in same), "badSignature: the header")
        if frames is not None:
            require([(p.size, p.sha256) for p in passport.parts] == [(len(f), hashlib.sha256(f).digest()) for f in frames], "wrongDigest: frames")
        require(self.newest is None or passport.version > self.newest[0].version, "rolledBack")
        self.serial = certificate.serial

    # Questions

    def send(self, **content):
        """Sends a request; returns its sequence number."""
        self.sequence += 1
        request = update_pb2.UpdateRequest(**content)
        stamp = request.stamp
        stamp.schema_version, stamp.source, stamp.clock = 1, self.name, "unix"
        stamp.epoch, stamp.sequence, stamp.time = self.epoch, self.sequence, time.time_ns()
        self.questions.send_multipart([f"update.request.{self.name}/".encode(), request.SerializeToString()])
        return self.sequence

    def report(self, update, adopted, reason, before=None, after=None):
        if self.questions is not None:
            report = update_pb2.UpdateReport(version=update.version, sha256=update.sha256, adopted=adopted, reason=reason)
            if before is not None and after is not None and np.isfinite([before, after]).all():
                report.loss_before, report.loss_after = before, after
            self.send(report=report)

    def ask(self, end, **content):
        """The answer to a request and the piece that it brings, asked for again each time after twice as long; None when time is over."""
        pause = 0.5
        while time.monotonic() < end:
            sequence = self.send(**content)
            until = min(end, time.monotonic() + pause)
            while self.questions.poll(max(0, int(1000 * (until - time.monotonic())))):
                _, header, *pieces = self.questions.recv_multipart()
                answer = update_pb2.UpdateAnswer.FromString(header)
                if answer.request == sequence and answer.problem != "rateExceeded":
                    return answer, b"".join(pieces)
            pause = min(60, 2 * pause)
        return None

    def fetch(self, end):
        """What leads from what is there to the newest version: updates with their payloads, in order."""
        have = self.newest[0] if self.newest else None
        position = update_pb2.UpdatePosition(version=have.version, state=have.state) if have else update_pb2.UpdatePosition()
        asked = self.ask(end, position=position)
        for update in asked[0].updates if asked else []:
            update.stamp.CopyFrom(asked[0].stamp)
            payload = b""
            if not 0 < update.payload_bytes <= self.largest:
                return
            while len(payload) < update.payload_bytes:
                got = self.ask(end, piece=update_pb2.UpdatePiece(sha256=update.sha256, offset=len(payload)))
                if got is None or got[0].problem:
                    return  # not kept any more: it is asked anew when the next update comes
                answer, piece = got
                is_next = answer.piece.sha256 == update.sha256 and answer.piece.offset == len(payload)
                if not is_next or not piece or hashlib.sha256(piece).digest() != answer.piece_sha256:
                    return
                payload += piece
                self.bytes += len(piece)
                if len(payload) > update.payload_bytes:
                    return
            yield update, payload
