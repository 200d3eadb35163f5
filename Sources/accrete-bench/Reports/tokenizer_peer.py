"""Hugging Face's tokenizers on one thread, for `accrete-bench tokenizer --against`.

usage: tokenizer_peer.py DIR FILE [--rounds N]     prints {"encodingSeconds": s, "decodingSeconds": s, "tokens": n}, medians
Needs: tokenizers.
"""
import argparse, json, os, statistics, time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import ByteLevelBPETokenizer

p = argparse.ArgumentParser()
p.add_argument("dir"), p.add_argument("file")
p.add_argument("--rounds", type=int, default=3)
a = p.parse_args()
text = open(a.file, encoding="utf-8").read()


def timed(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


encoding, decoding = [], []
for _ in range(a.rounds):
    # A fresh one: its cache of words is empty, as ours is.
    tokenizer = ByteLevelBPETokenizer(f"{a.dir}/vocab.json", f"{a.dir}/merges.txt")
    seconds, encoded = timed(lambda: tokenizer.encode(text))
    encoding.append(seconds)
    ids = encoded.ids
    decoding.append(timed(lambda: tokenizer.decode(ids))[0])
print(json.dumps({"encodingSeconds": statistics.median(encoding), "decodingSeconds": statistics.median(decoding), "tokens": len(ids)}))
