"""Writes optimizers.json beside itself: weights after six steps along given gradients, as PyTorch and timm step them.

Needs: torch, timm (only its optim/lamb.py is loaded).
"""
import json
import os
import sys
import sysconfig
import types
import torch


def load_lamb():
    site = sysconfig.get_paths()["purelib"]
    for name, path in (("timm", "timm"), ("timm.optim", "timm/optim")):
        module = types.ModuleType(name)
        module.__path__ = [os.path.join(site, path)]
        sys.modules[name] = module
    from timm.optim.lamb import Lamb
    return Lamb


Lamb = load_lamb()
torch.manual_seed(5)
shapes = {"matrix": [3, 7], "vector": [5], "long": [2, 19]}
start = {n: torch.randn(s) for n, s in shapes.items()}
steps = [{n: torch.randn(s) * 10 ** (i % 3 - 1) for n, s in shapes.items()} for i in range(6)]
cases = [
    ("sgd", {"learning_rate": 0.05, "weight_decay": 0.1}, lambda p: torch.optim.SGD(p, lr=0.05, weight_decay=0.1)),
    ("sgd", {"learning_rate": 0.05, "clip_norm": 0.7}, lambda p: torch.optim.SGD(p, lr=0.05)),
    ("momentum", {"learning_rate": 0.02, "momentum": 0.8}, lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.8)),
    ("nesterov", {"learning_rate": 0.02, "weight_decay": 0.01},
     lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True, weight_decay=0.01)),
    ("adam", {"learning_rate": 0.01}, lambda p: torch.optim.Adam(p, lr=0.01)),
    ("adam", {"learning_rate": 0.01, "weight_decay": 0.1, "beta1": 0.8}, lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1, betas=(0.8, 0.999))),
    ("adamw", {"learning_rate": 0.01, "weight_decay": 0.1, "beta2": 0.95, "clip_norm": 1.0},
     lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1, betas=(0.9, 0.95))),
    ("lamb", {"learning_rate": 0.02}, lambda p: Lamb(p, lr=0.02, weight_decay=0.01, max_grad_norm=None)),
    ("lamb", {"learning_rate": 0.02, "weight_decay": 0.0}, lambda p: Lamb(p, lr=0.02, weight_decay=0, max_grad_norm=None)),
]
out = []
for name, settings, make in cases:
    weights = {n: torch.nn.Parameter(w.clone()) for n, w in start.items()}
    optimizer = make(list(weights.values()))
    for gradients in steps:
        for n, w in weights.items():
            w.grad = gradients[n].clone()
        if "clip_norm" in settings:
            torch.nn.utils.clip_grad_norm_(weights.values(), settings["clip_norm"])
        optimizer.step()
    out.append({"optimizer": name, "settings": settings, "weights": {n: w.detach().flatten().tolist() for n, w in weights.items()}})
flat = lambda tensors: {n: t.flatten().tolist() for n, t in tensors.items()}
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "optimizers.json"), "w") as f:
    json.dump({"shapes": shapes, "start": flat(start), "gradients": [flat(s) for s in steps], "cases": out}, f)
