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
whisper = f"{tests}/../models/whisper-tiny.en.safetensors"  # deploy/models senses
if os.path.exists(whisper):
    with open(whisper, "rb") as file:
        put("whisper", "header", file.read(struct.unpack("<Q", file.read(8))[0]))
put("whisper", "few", json.dumps({"suppressed": {"dtype": "I32", "shape": [2], "data_offsets": [0, 8]}, "suppressed_first": {
    "dtype": "I32", "shape": [1], "data_offsets": [8, 12]}, "encoder/conv1/bias": {"dtype": "F16", "shape": [384], "data_offsets": [12, 780]}}).encode())
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


def record(opcode, content):
    return bytes([opcode]) + struct.pack("<Q", len(content)) + content


sized = lambda data: struct.pack("<I", len(data)) + data
head = b"\x89MCAP0\r\n" + record(1, sized(b"") + sized(b"seeds")) + record(12, sized(b"accrete") + sized(sized(b"kind") + sized(b"session")))
described = record(3, struct.pack("<H", 1) + sized(b"accrete.v1.Cut") + sized(b"protobuf") + sized(b"")) + record(4, struct.pack("<HH", 1, 1) + sized(b"cut.s/") + sized(b"protobuf") + sized(b""))
message = record(5, struct.pack("<HIQQ", 1, 1, 5, 5) + b"\x0a\x09\x29" + struct.pack("<q", 5) + b"\x12\x01s\x18\x03")
body = described + message
foot = record(15, b"\0" * 4) + record(2, b"\0" * 20) + b"\x89MCAP0\r\n"
put("mcap", "plain", head + body + foot)
frame = struct.pack("<I", 0x184D2204) + bytes([0x60, 0x40, 0x82]) + struct.pack("<I", len(body) | 1 << 31) + body + b"\0" * 4
block = struct.pack("<I", 0xFD2FB528) + b"\xa0" + struct.pack("<I", len(body)) + struct.pack("<I", len(body) << 3 | 1)[:3] + body
for name, packed in [("", body), ("lz4", frame), ("zstd", block)]:
    chunk = record(6, struct.pack("<QQQI", 5, 5, len(body), 0) + sized(name.encode()) + struct.pack("<Q", len(packed)) + packed)
    put("mcap", "chunk-" + name, head + chunk + foot)
    put("mcap", "torn-" + name, (head + chunk)[:-9])
for kind in [b"foxglove.PoseInFrame", b"foxglove.RawImage", b"foxglove.CompressedImage", b"accrete.recording.RecordedReading"]:
    described = record(3, struct.pack("<H", 1) + sized(kind) + sized(b"protobuf") + sized(b"")) + record(4, struct.pack("<HH", 1, 1) + sized(b"/x") + sized(b"protobuf") + sized(b""))
    put("mcap", kind.decode(), b"\x89MCAP0\r\n" + record(1, sized(b"") + sized(b"")) + described + record(5, struct.pack("<HIQQ", 1, 1, 5, 5) + b"\x0a\x02\x08\x01\x15\x02\0\0\0\x1d\x01\0\0\0"))


def gguf(keys, tensors):
    text = lambda s: struct.pack("<Q", len(s.encode())) + s.encode()
    value = {int: lambda v: struct.pack("<II", 4, v), float: lambda v: struct.pack("<If", 6, v), str: lambda v: struct.pack("<I", 8) + text(v),
             bool: lambda v: struct.pack("<IB", 7, v),
             list: lambda v: struct.pack("<IIQ", 9, 8 if isinstance(v[0], str) else 5, len(v))
             + b"".join(text(x) if isinstance(x, str) else struct.pack("<i", x) for x in v)}
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(text(k) + value[type(v)](v) for k, v in keys.items())
    data = b""
    for name, (shape, kind, row) in tensors.items():
        out += text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", n) for n in reversed(shape)) + struct.pack("<IQ", kind, len(data))
        data += row * (shape[0] if len(shape) == 2 else 1)
        data += b"\0" * (-len(data) % 32)
    return out + b"\0" * (-len(out) % 32) + data


def row(n, kind):
    blocks = {0: 4 * n, 1: 2 * n, 8: 34 * (n // 32), 2: 18 * (n // 32)}
    return bytes(i * 37 % 60 for i in range(blocks[kind]))


words = ["a", "b", "\u0120", "t", "h", "th", "1", "2", "<|end|>", "c"]
tokenizer = {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "smollm", "tokenizer.ggml.tokens": words, "tokenizer.ggml.token_type": [1] * 8 + [3, 1],
             "tokenizer.ggml.merges": ["t h"], "tokenizer.ggml.eos_token_id": 8, "tokenizer.ggml.add_bos_token": False, "tokenizer.chat_template": "{{ x }}"}
shape = {"context_length": 8, "embedding_length": 32, "block_count": 1, "feed_forward_length": 32, "attention.head_count": 2}
for arch, kind in [("llama", 8), ("llama", 2), ("qwen2", 1), ("gpt2", 8)]:
    keys = {"general.architecture": arch} | {f"{arch}.{k}": v for k, v in shape.items()}
    if arch == "gpt2":
        sizes = {"token_embd.weight": [10, 32], "position_embd.weight": [8, 32], "output_norm.weight": [32], "output_norm.bias": [32]}
        for name, n, m in [("attn_qkv", 96, 32), ("attn_output", 32, 32), ("ffn_up", 32, 32), ("ffn_down", 32, 32)]:
            sizes |= {f"blk.0.{name}.weight": [n, m], f"blk.0.{name}.bias": [n]}
        for name in ["attn_norm", "ffn_norm"]: sizes |= {f"blk.0.{name}.weight": [32], f"blk.0.{name}.bias": [32]}
    else:
        keys |= {f"{arch}.attention.head_count_kv": 1, f"{arch}.attention.layer_norm_rms_epsilon": 1e-5, f"{arch}.rope.freq_base": 1e4,
                 f"{arch}.attention.sliding_window": 4, f"{arch}.attention.key_length": 16}
        sizes = {"token_embd.weight": [10, 32], "output_norm.weight": [32], "rope_freqs.weight": [8], "blk.0.attn_norm.weight": [32], "blk.0.ffn_norm.weight": [32]}
        for name, n in [("attn_q", 32), ("attn_k", 16), ("attn_v", 16), ("attn_output", 32), ("ffn_gate", 32), ("ffn_up", 32), ("ffn_down", 32)]:
            sizes[f"blk.0.{name}.weight"] = [n, 32]
            if arch == "qwen2" and name in ("attn_q", "attn_k", "attn_v"): sizes[f"blk.0.{name}.bias"] = [n]
    put("models", f"{arch}-{kind}.gguf", gguf(keys | tokenizer, {
        n: (s, kind, row(s[-1], kind)) if len(s) == 2 else (s, 0, row(s[-1], 0).replace(b"\0\0\0\0", b"\0\0\x80\x3f")) for n, s in sizes.items()}))

bpe = {"added_tokens": [{"id": 8, "content": "<|end|>", "special": True}], "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False},
       "model": {"type": "BPE", "vocab": {w: i for i, w in enumerate(words)}, "merges": ["t h"]}}
for family in ["llama", "mistral", "qwen2", "gpt2"]:
    if family == "gpt2":
        config = {"vocab_size": 10, "n_positions": 4, "n_embd": 4, "n_layer": 1, "n_head": 2, "n_inner": 4}
        sizes = {"wte.weight": [10, 4], "wpe.weight": [4, 4], "ln_f.weight": [4], "ln_f.bias": [4]}
        for name, n, m in [("attn.c_attn", 4, 12), ("attn.c_proj", 4, 4), ("mlp.c_fc", 4, 4), ("mlp.c_proj", 4, 4)]:
            sizes |= {f"h.0.{name}.weight": [n, m], f"h.0.{name}.bias": [m]}
        for name in ["ln_1", "ln_2"]: sizes |= {f"h.0.{name}.weight": [4], f"h.0.{name}.bias": [4]}
    else:
        config = {"vocab_size": 10, "max_position_embeddings": 4, "hidden_size": 4, "intermediate_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2,
                  "num_key_value_heads": 1, "tie_word_embeddings": True, "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}}
        sizes = {"model.embed_tokens.weight": [10, 4], "model.norm.weight": [4]}
        layer = "model.layers.0."
        for name in ["input_layernorm", "post_attention_layernorm"]: sizes[f"{layer}{name}.weight"] = [4]
        for name, n in [("self_attn.q_proj", 4), ("self_attn.k_proj", 2), ("self_attn.v_proj", 2), ("self_attn.o_proj", 4), ("mlp.gate_proj", 4),
                        ("mlp.up_proj", 4), ("mlp.down_proj", 4)]:
            sizes[f"{layer}{name}.weight"] = [n, 4]
            if family == "qwen2" and name[10:] in ("q_proj", "k_proj", "v_proj"): sizes[f"{layer}{name}.bias"] = [n]
    entries, data = {}, b""
    for name, size in sizes.items():
        count = size[0] * (size[1] if len(size) == 2 else 1)
        entries[name] = {"dtype": "BF16", "shape": size, "data_offsets": [len(data), len(data) + 2 * count]}
        data += b"".join(struct.pack("<H", 0x3f00 + i % 128) for i in range(count))
    header = json.dumps(entries).encode()
    put("models", f"{family}.directory", b"\n---\n".join([
        json.dumps(config | {"model_type": family}).encode(), json.dumps(bpe).encode(), b'{"eos_token": "<|end|>"}',
        struct.pack("<Q", len(header)) + header + data]))
