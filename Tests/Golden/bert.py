"""Makes tests' numbers for BERT: a tiny random model in Hugging Face's layout, its tokens and features by transformers.

usage: python3 bert.py OUT_DIR        (torch, transformers, safetensors)
"""
import json, os, sys, torch
from transformers import BertConfig, BertModel, BertTokenizer

out = sys.argv[1]
os.makedirs(out, exist_ok=True)
pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + list("abcdefghijklmnopqrstuvwxyz0123456789.,!?'-") + ["##" + c for c in "abcdefghijklmnopqrstuvwxyz0123456789"]
pieces += ["the", "red", "cup", "##ing", "##ed", "table", "un", "##believ", "##able", "cafe", "中", "文"]
with open(os.path.join(out, "vocab.txt"), "w", encoding="utf-8") as f:
    f.write("\n".join(pieces) + "\n")
torch.manual_seed(7)
config = BertConfig(vocab_size=len(pieces), hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24,
                    max_position_embeddings=40, hidden_act="gelu", initializer_range=0.3)
model = BertModel(config, add_pooling_layer=False).eval()
with torch.no_grad():
    for p in model.parameters():
        p.add_(0.05 * torch.randn_like(p))
model.save_pretrained(out, safe_serialization=True)
tokenizer = BertTokenizer(os.path.join(out, "vocab.txt"), do_lower_case=True)
texts = ["The red cup!", "Unbelievable, it's tabled.", "Café  CUPS\tzoë 3.5", "中文 naïve", "", "x" * 101 + " the", "a\u200bb \ufffdc e\u0301", "— what?!"]
cases = []
for text in texts:
    ids = tokenizer(text)["input_ids"]
    with torch.no_grad():
        hidden = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
    mean = hidden.mean(0)
    cases.append({"text": text, "ids": ids, "last": [float(x) for x in hidden[-1]], "features": [float(x) for x in mean / mean.norm()]})
json.dump(cases, open(os.path.join(out, "cases.json"), "w"), ensure_ascii=True, indent=0)
