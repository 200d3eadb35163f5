"""GPT-2 directories and adapters made by transformers and peft, and a check of what came back.

usage: roundtrip.py make DIR     writes DIR/KIND (a model and expected.safetensors) and DIR/peft (an adapter of DIR/tied)
       roundtrip.py check DIR    opens DIR/KIND/back with transformers, DIR/lora with peft; fails where logits differ
Needs: torch, transformers, peft, safetensors.
"""
import os, sys
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

work, root = sys.argv[1:]
ids = torch.tensor([[1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9]])


def small(tied):
    return GPT2LMHeadModel(GPT2Config(vocab_size=64, n_positions=16, n_embd=32, n_layer=2, n_head=4, tie_word_embeddings=tied, initializer_range=0.2)).eval()


def logits(model):
    with torch.no_grad():
        return model.float()(ids).logits[0].contiguous()


def expect(model, kind):
    save_file({"logits": logits(model), "ids": ids[0]}, f"{root}/{kind}/expected.safetensors")


def close(a, b, what):
    difference = ((a - b).norm() / b.norm()).item()
    print(f"{what}: {difference:.2e}")
    if not difference < 1e-5: sys.exit(f"{what} differ by {difference}")


if work == "make":
    torch.manual_seed(1)
    for kind, tied, type, options in [
        ("tied", True, torch.float32, {}), ("untied", False, torch.float32, {}), ("sharded", False, torch.float32, {"max_shard_size": "40KB"}),
        ("half", True, torch.float16, {}), ("brain", True, torch.bfloat16, {"max_shard_size": "20KB"}),
    ]:
        model = small(tied).to(type)
        model.save_pretrained(f"{root}/{kind}", **options)
        expect(model, kind)
    model = small(True)
    model.transformer.save_pretrained(f"{root}/bare")
    expect(model, "bare")
    assert any(name.endswith(".index.json") for name in os.listdir(f"{root}/sharded"))
    adapted = get_peft_model(small(True).from_pretrained(f"{root}/tied"), LoraConfig(
        r=3, lora_alpha=5, target_modules=["c_attn", "mlp.c_proj"], fan_in_fan_out=True, task_type="CAUSAL_LM", init_lora_weights=False))
    adapted.save_pretrained(f"{root}/peft")
    expect(adapted, "peft")
else:
    for kind in ["tied", "untied", "sharded", "half", "brain", "bare"]:
        back = AutoModelForCausalLM.from_pretrained(f"{root}/{kind}/back").eval()
        close(logits(back), load_file(f"{root}/{kind}/expected.safetensors")["logits"], f"{kind}: logits of what came back")
    adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(f"{root}/tied"), f"{root}/lora").eval()
    close(logits(adapted), load_file(f"{root}/lora/ours.safetensors")["logits"], "logits of an adapter trained here")
