"""Writes tokenization.json: directories of small tokenizers and the ids that Hugging Face gives to texts.

usage: python3 tokenization.py > tokenization.json      (needs transformers 5, tokenizers 0.23)
A directory with a `tokenizer.json` alone is read by tokenizers, any other by transformers' AutoTokenizer.
"""
import json, os, random, tempfile

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
from tokenizers import Tokenizer
from transformers import AutoTokenizer

letters = [c for c in list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))]
alphabet = {b: chr(b) for b in letters}
for n, b in enumerate(b for b in range(256) if b not in alphabet):
    alphabet[b] = chr(256 + n)
merges = ["t h", "th e", "Ġ the", "c a", "ca t", "Ġ cat", "Ã ©"]


def vocabulary(words=(), without="", first=("<|endoftext|>",)):
    plain = [alphabet[b] for b in list(range(32, 127)) + list(range(128, 256)) + [10] if alphabet[b] not in without]
    known = [w for w in ("th", "the", "Ġthe", "ca", "cat", "Ġcat", "Ã©") if not any(c in w for c in without)]
    listed = list(first) + plain + known + list(words)
    return {w: i for i, w in enumerate(dict.fromkeys(listed))}


def added(content, id=0, **flags):
    return {"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True} | flags


def byte_level(**settings):
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True} | settings


def fast(tokens=(), vocab=None, kept=None, model={}, **parts):
    vocab = vocab or vocabulary()
    kept = [m for m in merges if all(p in vocab for p in m.split(" ") + [m.replace(" ", "")])] if kept is None else kept
    whole = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [added("<|endoftext|>")] + list(tokens), "normalizer": None,
             "pre_tokenizer": byte_level(), "post_processor": None, "decoder": byte_level(),
             "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                       "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": vocab, "merges": kept} | model} | parts
    return {"tokenizer.json": whole}


def slow(settings={}, vocab=None, **files):
    whole = {"vocab.json": vocab or vocabulary(), "merges.txt": "#version: 0.2\n" + "".join(m + "\n" for m in merges),
             "config.json": {"model_type": "gpt2"}}
    if settings is not None:
        whole["tokenizer_config.json"] = settings
    return whole | {name + ".json": value for name, value in files.items()}


text = "the cat<|endoftext|> the <x> <y>\u3000<z>a"
words = ["the cat é", text, " the  cat\n", "a<x><x>b", "the_end end ends", "§ ç ¡hola!", ""]
sequence = lambda *members: {"type": "Sequence", "normalizers": list(members)}
pre = lambda *members: {"type": "Sequence", "pretokenizers": list(members)}
cases = {
    "an added token of letters that spell bytes": fast([added("<|début|>")], vocabulary(first=("<|endoftext|>", "<|début|>"))),
    "an added token that is a letter of the alphabet": fast([added("§"), added("¡")]),
    "an added token that is a word": fast([added("cat"), added("é", single_word=True)]),
    "an added token that is a word's spelling": fast([added("Ġthe"), added("Ã©")]),
    "letters outside the alphabet": fast([added("猫"), added("<|конец|>")]),
    "ids that files list decide nothing": fast([added("<x>", 400), added("<y>", 300), added("cat", 7)]),
    "a token listed twice takes the later flags": fast([added("<x>"), added("<x>", lstrip=True, rstrip=True)]),
    "no content": fast([added("", 9)]),
    "flags": fast([added("<x>", lstrip=True), added("<y>", rstrip=True), added("<z>", lstrip=True, rstrip=True, normalized=True),
                   added("end", single_word=True), added("the_", single_word=True, normalized=True)]),
    "normalized after the others": fast([added("the cat", normalized=True), added("t<|", normalized=True), added("<x> <y>"), added("<x>")]),
    "no added tokens": fast(added_tokens=[]),
    "bytes left out": fast(vocab=vocabulary(without="aÃ§Ċ")),
    "bytes unknown": fast(vocab=vocabulary(without="aÃ§Ċ"), model={"unk_token": "<|endoftext|>"}),
    "bytes unknown, joined": fast(vocab=vocabulary(without="aÃ©§ħĊ"), model={"unk_token": "<|endoftext|>", "fuse_unk": True}),
    "unknown is no word, nothing is missing": fast(vocab={alphabet[b]: b for b in range(256)} , added_tokens=[], model={"unk_token": "<unk>"}),
    "nothing but a few letters": fast(vocab={"t": 0, "h": 1, "e": 2, "th": 3, "the": 4}, kept=["t h", "th e"], added_tokens=[]),
    "byte fallback that has nothing to do": fast(vocab={alphabet[b]: b for b in range(256)}, added_tokens=[], model={"byte_fallback": True}),
    "an empty normalizer": fast(normalizer=sequence()),
    "a normalizer that strips nothing": fast(normalizer=sequence(sequence(), {"type": "Strip", "strip_left": False, "strip_right": False})),
    "a pre-tokenizer in a sequence": fast(pre_tokenizer=pre(pre(), pre(byte_level()))),
    "a space before": fast(pre_tokenizer=byte_level(add_prefix_space=True)),
    "merges as pairs": fast(kept=[m.split(" ") for m in merges]),
    "merges with a version": fast(kept=["#version: 0.2"] + merges),
    "a directory": slow(None), "an empty configuration": slow({}),
    "a decoder of added tokens": slow({"added_tokens_decoder": {"500": {"content": "<x>", "lstrip": True, "special": True}, "400": {"content": "<y>", "rstrip": True}}}),
    "a space before, by the configuration": slow({"add_prefix_space": True}),
    "special tokens": slow({"pad_token": "<x>", "eos_token": "<y>", "unk_token": "<z>"}),
    "no special tokens": slow({"bos_token": None, "eos_token": None, "unk_token": None}),
    "special tokens as objects": slow({"pad_token": {"__type": "AddedToken", "content": "<x>", "lstrip": True, "rstrip": True, "normalized": True}}),
    "a map of special tokens": slow({}, special_tokens_map={"pad_token": "<y>", "eos_token": {"content": "<x>", "lstrip": True, "rstrip": False}}),
    "a map of special tokens alone": slow(None, special_tokens_map={"additional_special_tokens": ["<y>", "<x>"]}),
    "a decoder outweighs the map": slow({"added_tokens_decoder": {"300": {"content": "<x>"}}}, special_tokens_map={"pad_token": "<y>"}, added_tokens={"<z>": 301}),
    "added tokens": slow(None, added_tokens={"<x>": 900, "<y>": 800, "cat": 3}),
    "added tokens, one of them special": slow({"pad_token": "<x>"}, added_tokens={"<y>": 301, "<x>": 302}),
    "more special tokens": slow({"additional_special_tokens": ["<y>", "<x>"], "image_token": "<z>"}),
    "special tokens split": slow({"split_special_tokens": True, "pad_token": "<x>"}),
    "no end of text in the vocabulary": slow({}, vocabulary(first=())),
    "bytes left out of a directory": slow({"unk_token": "<|endoftext|>"}, vocabulary(without="§Ċ")),
    "RoBERTa": slow({"tokenizer_class": "RobertaTokenizer", "mask_token": "<x>"}), "BART by its model": slow(None, config={"model_type": "bart"}),
}


def ids(files, texts):
    with tempfile.TemporaryDirectory() as folder:
        for name, value in files.items():
            open(f"{folder}/{name}", "w").write(value if isinstance(value, str) else json.dumps(value))
        if "tokenizer.json" in files:
            tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
            return [tokenizer.encode(t).ids for t in texts]
        tokenizer = AutoTokenizer.from_pretrained(folder)
        return [tokenizer(t, add_special_tokens=False)["input_ids"] for t in texts]


def spelt(value):
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


lines = [json.dumps({"name": name, "files": {n: spelt(v) for n, v in files.items()}, "texts": words, "ids": ids(files, words)}, separators=(",", ":"))
         for name, files in cases.items()]
print("[\n" + ",\n".join(lines) + "\n]")
