"""Sends a gateway what no client should, and checks each time that a good client is served all the same.

usage: python3 attack.py URL CODE [--only-alive]

The graph must be started with gateway.requestSeconds=2. Attackers have loopback addresses of their own, 127.0.0.2 and further.
"""
import json
import re
import socket
import ssl
import struct
import sys
import time
import urllib.parse

url, code = urllib.parse.urlsplit(sys.argv[1]), sys.argv[2]
PORT = url.port
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
EPOCH, sequence = time.time_ns() // 1_000_000, 0


def connect(source="127.0.0.1", seconds=10):
    plain = socket.create_connection(("127.0.0.1", PORT), timeout=seconds, source_address=(source, 0))
    return context.wrap_socket(plain)


def read(connection, end=None):
    """All that comes until the connection is closed, or until `end`."""
    text = b""
    try:
        while end is None or end not in text:
            more = connection.recv(65536)
            if not more:
                break
            text += more
    except (ConnectionError, TimeoutError, ssl.SSLError):
        pass
    return text


def exchange(data, source="127.0.0.1"):
    """Sends bytes; the response's status, or 0 where the connection is closed without one."""
    with connect(source) as connection:
        try:
            connection.sendall(data)
        except (ConnectionError, ssl.SSLError):
            pass  # it was refused before everything was sent
        found = re.match(rb"HTTP/1.1 (\d+)", read(connection, b"\r\n\r\n"))
        return int(found[1]) if found else 0


def request(method, path, body=b"", key=code, source="127.0.0.1", more=""):
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {len(body)}\r\n{more}"
    return exchange((head + (f"authorization: Bearer {key}\r\n" if key else "") + "\r\n").encode() + body, source)


def batch(readings, session="good", number=None, epoch=EPOCH):
    global sequence
    if number is None:
        sequence += 1
        number = sequence
    head = json.dumps({"session": session, "epoch": epoch, "sequence": number, "readings": [one for one, _ in readings]}).encode()
    return struct.pack("<I", len(head)) + head + b"".join(data for _, data in readings)


def words(text=b"hello", **more):
    return ({"modality": "text", "format": "text/utf-8", "time": time.time() * 1000, "bytes": len(text), "ends": True, **more}, text)


def metrics():
    """The gateway's metrics. While attackers of many addresses have all connections there is no room for anybody, for a moment."""
    text, end = "", time.monotonic() + 20
    while "accrete_gateway_streams" not in text:
        assert time.monotonic() < end, "no metrics within 20 s"
        try:
            with connect() as connection:
                connection.sendall(f"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {code}\r\n\r\n".encode())
                text = read(connection).decode()
        except (OSError, ssl.SSLError):
            time.sleep(0.2)
    return {name: float(value) for name, value in re.findall(r"^(accrete_\S+(?:\{.*\})?) (\S+)$", text, re.M)}


def is_served(after):
    """A good client sends words and gets their prediction."""
    with connect(seconds=20) as events:
        events.sendall(f"GET /api/events?session=good HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {code}\r\n\r\n".encode())
        read(events, b"\r\n\r\n")
        assert request("POST", "/api/readings", batch([words()])) == 200, after
        assert b'"type":"prediction"' in read(events, b'"type":"prediction"'), f"no prediction after {after}"
    print("attack.py: served after", after)


def malformed():
    for data in [b"NONSENSE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 64 + b"\r\n\r\n",
                 b"GET / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
                 b"GET / HTTP/1.1\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc"]:
        assert exchange(data, "127.0.0.2") in (0, 400, 405), data
    assert exchange(b"GET / HTTP/1.1\r\nx: " + b"a" * 100_000 + b"\r\n\r\n", "127.0.0.2") in (0, 431)
    assert exchange(b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 5000 + b"\r\n", "127.0.0.2") in (0, 431)
    assert exchange(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n", "127.0.0.2") in (0, 400, 414, 431)
    with socket.create_connection(("127.0.0.1", PORT), timeout=10, source_address=("127.0.0.2", 0)) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")  # without TLS
        assert not read(plain).startswith(b"HTTP/1.1 200")


def oversized():
    assert request("POST", "/api/readings", b"a" * 5_000_000) == 413
    assert exchange(f"POST /api/readings HTTP/1.1\r\nauthorization: Bearer {code}\r\ncontent-length: 999999999999\r\n\r\n".encode()) == 413
    chunk = b"400000\r\n" + b"a" * 0x400000 + b"\r\n"
    assert exchange(f"POST /api/readings HTTP/1.1\r\nauthorization: Bearer {code}\r\ntransfer-encoding: chunked\r\n\r\n".encode() + chunk * 2) == 413
    # Without a code the body is not even waited for.
    began = time.monotonic()
    assert exchange(b"POST /api/readings HTTP/1.1\r\ncontent-length: 4000000\r\n\r\n", "127.0.0.2") == 401
    assert time.monotonic() - began < 1.9, "it waited for a body that nobody may send"


def no_batches():
    picture = ({"modality": "image", "format": "image/jpeg", "time": time.time() * 1000, "bytes": 9}, b"no jpeg..")
    assert request("POST", "/api/readings", batch([picture])) == 422
    false = b"\xff\xd8\xff" + b"nothing that is a picture"  # begins like one: the extractor refuses it
    assert request("POST", "/api/readings", batch([({**picture[0], "bytes": len(false)}, false), words()])) == 200
    for body in [b"", b"\xff\xff\xff\xff", struct.pack("<I", 2) + b"{}", batch([words(bytes=10**12)]), batch([words(time=1e300)]), batch([words()] * 300),
                 batch([words()], session="../../etc"), b"[" * 100_000, struct.pack("<I", 90_000) + b"[" * 90_000]:
        assert request("POST", "/api/readings", body) in (400, 422), body[:80]
    again = batch([words()])
    assert request("POST", "/api/readings", again) == 200 and request("POST", "/api/readings", again) == 409, "a replay"
    for body in [b"[" * 100_000, b'{"session": 1}', b'{"session": "good", "moment": "good/1", "label": 1e300}']:
        assert request("POST", "/api/feedback", body) == 400
        assert request("POST", "/v1/chat/completions", body) == 400


def paths():
    for path in ["/../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/x", "//etc/passwd", "/phone.js/..", "*", "http://127.0.0.1/metrics", "/" + "a/" * 4000]:
        assert request("GET", path) in (400, 404), path
    for method in ["DELETE", "PUT", "TRACE", "CONNECT", "OPTIONS", "PATCH"]:
        assert request(method, "/metrics") in (0, 400, 404, 405), method


def wrong_codes():
    statuses = [request("GET", "/metrics", key=f"wrong-code-{number}", source="127.0.0.3") for number in range(15)]
    assert statuses[-1] == 429 and 1 <= statuses.count(401) <= 11, statuses
    assert request("GET", "/metrics", source="127.0.0.3") == 429, "barred, also with the right code"


def slow_clients():
    began, slow = time.monotonic(), [connect("127.0.0.4") for _ in range(20)]
    slow += [socket.create_connection(("127.0.0.1", PORT), source_address=("127.0.0.4", 0)) for _ in range(5)]  # no TLS even
    open_ones = set(slow)
    while open_ones and time.monotonic() - began < 15:
        for one in list(open_ones):
            try:
                one.settimeout(0.2)
                one.sendall(b"G" if isinstance(one, ssl.SSLSocket) else b"\x16")
                if one.recv(1) == b"":
                    open_ones.discard(one)
            except TimeoutError:
                pass
            except OSError:
                open_ones.discard(one)
    assert not open_ones, f"{len(open_ones)} slow connections are still open after {time.monotonic() - began:.1f} s"


def many_connections():
    """One address has 32 connections, and no more."""
    connections = [socket.create_connection(("127.0.0.1", PORT), timeout=1, source_address=("127.0.0.6", 0)) for _ in range(60)]
    closed = 0
    for one in connections:
        one.settimeout(0.02)
        try:
            closed += one.recv(1) == b""
        except TimeoutError:
            pass
        except ConnectionError:
            closed += 1
    assert closed >= 28, f"only {closed} of 60 connections were closed"
    for one in connections:
        one.close()


def many_streams():
    """500 streams from 20 addresses, of which no more than the bounds are open; then none is read."""
    streams, statuses = [], []
    for number in range(500):
        try:
            one = connect(f"127.0.1.{1 + number % 20}", seconds=5)
            one.sendall(f"GET /api/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {code}\r\n\r\n".encode())
            found = re.match(rb"HTTP/1.1 (\d+)", one.recv(4096))
            statuses.append(int(found[1]) if found else 0)
            streams.append(one)
        except (OSError, ssl.SSLError):
            statuses.append(0)
    assert statuses.count(200) == 64 and set(statuses) <= {200, 503, 0}, {one: statuses.count(one) for one in set(statuses)}
    now = metrics()
    assert now["accrete_gateway_streams"] == 64 and now["accrete_gateway_connections"] <= 256, now
    for one in streams:
        one.close()
    end = time.monotonic() + 20
    while metrics()["accrete_gateway_streams"] > 0:
        assert time.monotonic() < end, "streams of clients that are gone stay open"
        time.sleep(0.5)


def reconnects():
    """A page that opens its events again and again."""
    for _ in range(200):
        with connect("127.0.0.5") as one:
            one.sendall(f"GET /api/events?session=again HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {code}\r\n\r\n".encode())
            one.recv(100)
        time.sleep(0.02)


is_served("the start")
if "--only-alive" not in sys.argv:
    for attack in (malformed, oversized, no_batches, paths, wrong_codes, slow_clients, many_connections, many_streams, reconnects):
        attack()
        is_served(attack.__name__)
    now = metrics()
    for reason in ("malformed", "tooLarge", "noCode", "wrongCode", "tooManyWrongCodes", "slowClient", "tooManyStreams", "tooManyConnections", "replayed",
                   "badPath", "undecodable", "wrongMethod"):
        assert now.get(f'accrete_gateway_refused_total{{reason="{reason}"}}', 0) > 0, f"{reason} was not counted"
    assert now["accrete_gateway_peak_memory_bytes"] < 400e6, now["accrete_gateway_peak_memory_bytes"]
print("attack.py: all done")
