"""Writes maml.json beside itself: MAML's meta-gradient by PyTorch's double backward, in float64.

A network of two convolutions (3 x 3, stride 2) and a linear head over images of 8 x 8, images last-channel, three classes.
Needs: torch.
"""
import json
import os
import torch
import torch.nn.functional as F

torch.manual_seed(3)
torch.set_default_dtype(torch.float64)
SIDE, CHANNELS, CLASSES, STEPS = 8, [3, 2], 3, 3
SIDES = [4, 2]
FEATURES = SIDES[-1] ** 2 * CHANNELS[-1]


def shapes(norm):
    shapes, last = {}, 1
    for i, c in enumerate(CHANNELS):
        shapes[f"convolution.{i}.weight"] = [9 * last, c]
        shapes[f"convolution.{i}.bias"] = [c]
        last = c
    if norm != "none":
        for i, c in enumerate(CHANNELS):
            n = SIDES[i] ** 2 * c if norm == "layer" else c
            shapes[f"norm.{i}.weight"] = [n]
            shapes[f"norm.{i}.bias"] = [n]
    shapes["head.weight"] = [CLASSES, FEATURES]
    shapes["head.bias"] = [CLASSES]
    return shapes


def embed(w, x, norm):
    y = x.reshape(-1, 1, SIDE, SIDE)
    for i, c in enumerate(CHANNELS):
        last = y.shape[1]
        kernel = w[f"convolution.{i}.weight"].reshape(3, 3, last, c).permute(3, 2, 0, 1)
        y = F.conv2d(y, kernel, w[f"convolution.{i}.bias"], stride=2, padding=1)
        if norm == "layer":
            flat = y.permute(0, 2, 3, 1).reshape(len(y), -1)
            flat = F.layer_norm(flat, flat.shape[1:], w[f"norm.{i}.weight"], w[f"norm.{i}.bias"])
            y = flat.reshape(len(y), SIDES[i], SIDES[i], c).permute(0, 3, 1, 2)
        if norm == "batch":
            y = F.batch_norm(y, None, None, w[f"norm.{i}.weight"], w[f"norm.{i}.bias"], training=True, eps=1e-5)
        y = F.relu(y)
    return y.permute(0, 2, 3, 1).reshape(len(y), -1)


def logits(w, x, norm):
    return embed(w, x, norm) @ w["head.weight"].T + w["head.bias"]


def case(norm, prototypes, first_order):
    # Few binary digits: short to write, exact in single precision.
    short = lambda t: (t * 64).round() / 64
    w = {n: short(torch.randn(s) * 0.5).requires_grad_() for n, s in shapes(norm).items()}
    rates = {n: short(0.05 + 0.2 * torch.rand(s)).requires_grad_() for n, s in shapes(norm).items()}
    support, query = short(torch.rand(6, SIDE * SIDE)), short(torch.rand(9, SIDE * SIDE))
    support_labels, query_labels = torch.tensor([0, 1, 2, 2, 1, 0]), torch.tensor([0, 1, 2] * 3)
    # Copies: the head, made from w, is a number of its own to the inner steps.
    task = {n: t.clone() for n, t in w.items()}
    if prototypes:
        sharpness = 1 / FEATURES
        e = embed(w, support, norm)
        means = torch.stack([e[support_labels == k].mean(0) for k in range(CLASSES)])
        task["head.weight"] = 2 * sharpness * means
        task["head.bias"] = -sharpness * (means ** 2).sum(1)
    losses = []
    for _ in range(STEPS):
        loss = F.cross_entropy(logits(task, support, norm), support_labels)
        losses.append(loss.item())
        slopes = torch.autograd.grad(loss, list(task.values()), create_graph=not first_order)
        task = {n: task[n] - rates[n] * g for n, g in zip(task, slopes)}
    loss = F.cross_entropy(logits(task, query, norm), query_labels)
    grads = torch.autograd.grad(loss, list(w.values()) + list(rates.values()), allow_unused=True)
    named = lambda values: {n: (torch.zeros(w[n].shape) if g is None else g).flatten().numpy().round(12).tolist() for n, g in zip(w, values)}
    return {
        "norm": norm, "prototypes": prototypes, "first_order": first_order, "steps": STEPS,
        "weights": {n: t.detach().flatten().tolist() for n, t in w.items()},
        "rates": {n: t.detach().flatten().tolist() for n, t in rates.items()},
        "support": support.flatten().tolist(), "support_labels": support_labels.tolist(),
        "query": query.flatten().tolist(), "query_labels": query_labels.tolist(),
        "support_losses": losses, "query_loss": loss.item(),
        "gradient": named(grads[: len(w)]), "rate_gradient": named(grads[len(w):]),
    }


cases = [case("none", False, False), case("layer", False, False), case("batch", False, False), case("layer", True, False), case("none", False, True)]
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "maml.json"), "w") as file:
    json.dump({"cases": cases}, file)
    file.write("\n")
