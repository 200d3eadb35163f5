"""Writes a few good files of every kind into corpus/READER, for a fuzzer to begin with. usage: seeds.py CORPUS"""
import base64, json, os, re, struct, sys

tests = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")


def put(reader, name, data):
    os.makedirs(f"{sys.argv[1]}/{reader}", exist_ok=True)
    with open(f"{sys.argv[1]}/{reader}/{name}", "wb") as file:
        file.write(data)


header = json.dumps({"__metadata__": {"format": "pt"}, "a": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]},
                     "b": {"dtype": "BF16", "shape": [2], "data_offsets": [8, 12]}}).encode()
header += b" " * (-len(header) % 8)
put("safetensors", "two", struct.pack("<Q", len(header)) + header + struct.pack("<2f2H", 1, 2, 16256, 0))
put("json", "all", '{"a": [1, -2.5e3, "\\u00e9\\ud83d\\ude00", true, null], "b": {}}'.encode())
for case in json.load(open(f"{tests}/Golden/tokenization.json")):
    files = case["files"]
    name = re.sub("[^a-z]+", "-", case["name"].lower())
    if "tokenizer.json" in files:
        put("tokenizer", name, files["tokenizer.json"].encode())
    else:
        order = ["vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "config.json"]
        put("tokenizer-files", name, "\n---\n".join(files.get(n, "{}") for n in order).encode())
put("text", "words", "The cat's 12 naïve 猫 😀\n  <|endoftext|> end \ufffd".encode() + b"\xff\xc3")
signals = json.load(open(f"{tests}/Golden/signals.json"))
for entry in signals["pictures"]:
    data = base64.b64decode(entry["file"])
    put("jpeg" if data[:2] == b"\xff\xd8" else "png", re.sub("[^a-z0-9]+", "-", entry["name"].lower()), data)
for entry in signals["sounds"]:
    put("wav", re.sub("[^a-z0-9]+", "-", entry["name"].lower()), base64.b64decode(entry["file"]))
number = lambda n: struct.pack("<I", n)[:2] + struct.pack("<I", n)[3:]
for n, (w, h, c, r, data) in enumerate([(2, 1, 0, 0, b"\1\2\3\4\5\6"), (2, 2, 0, 0, b"\1\2\3\4"), (0, 0, 2, 8000, b"\0\1" * 40), (0, 0, 1, 11025, struct.pack("<9f", *range(9))),
                                        (0, 0, 0, 0, struct.pack("<3f", 1e-40, -2, 3e38)), (0, 0, 0, 0, "é猫".encode())]):
    put("raw", str(n), bytes([n]) + number(w) + number(h) + number(c) + number(r) + data)
put("csv", "two", b'a,"b ""c"\r\n1,2e5\r\n-0.5,"7"\r\n')
put("session", "reading", b'{"t": 1.5, "session": "s", "source": "camera", "modality": "image", "file": "a.png", "end": true}')
put("session", "label", b'{"t": 2, "session": "s", "label": 3, "classes": 10, "known_at": 2.5, "domain": "d"}')
put("session", "cut", b'{"t": 2, "session": "s", "cut": true}')
put("session", "text", b'{"t": 2, "session": "s", "source": "m", "modality": "text", "text": "hello", "values": [1, 2.5]}')
stamp = b"\x0a\x1c\x08\x01\x12\x01a\x1a\x04unix\x20\x07\x28\x01\x31" + struct.pack("<d", 1.5)
for n in range(22):
    put("messages", str(n), bytes([n]) + stamp)
    put("messages", f"{n}-fields", bytes([n]) + b"".join(bytes([field << 3 | 2, 3]) + b"abc" for field in range(2, 16)))
