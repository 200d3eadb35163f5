"""Reference numbers of PPO's and DDPG's losses, advantages, log-probabilities and of two environments, by PyTorch and Gymnasium.

usage: python3 Tests/Golden/reinforcement.py > Tests/Golden/reinforcement.json
"""
import json
import random

import gymnasium
import numpy as np
import torch

torch.set_default_dtype(torch.float64)
random.seed(3)


def draw(*shape):
    if not shape:
        return round(random.uniform(-1, 1), 6)
    return [draw(*shape[1:]) for _ in range(shape[0])]


def tensor(numbers, learns=False):
    return torch.tensor(numbers, requires_grad=learns)


def ppo(kind, clips):
    """CleanRL's loss, over given log-probabilities of the past."""
    rows, width = 6, 3
    data = {"kind": kind, "clipsValues": clips, "told": draw(rows, width), "values": draw(rows), "advantages": draw(rows),
            "returns": draw(rows), "oldValues": draw(rows)}
    told, values = tensor(data["told"], True), tensor(data["values"], True)
    spread = None
    if kind == "choices":
        data["taken"] = [random.randrange(width) for _ in range(rows)]
        distribution = torch.distributions.Categorical(logits=told)
        logs, entropy = distribution.log_prob(tensor(data["taken"])), distribution.entropy()
    else:
        data["taken"], data["logDeviation"] = draw(rows, width), draw(width)
        spread = tensor(data["logDeviation"], True)
        distribution = torch.distributions.Normal(told, spread.exp().expand(rows, width))
        logs, entropy = distribution.log_prob(tensor(data["taken"])).sum(1), distribution.entropy().sum(1)
    data["oldLogProbabilities"] = [round(x + 0.5 * draw(), 6) for x in logs.tolist()]
    ratio = (logs - tensor(data["oldLogProbabilities"])).exp()
    a, R, old = tensor(data["advantages"]), tensor(data["returns"]), tensor(data["oldValues"])
    policy = torch.max(-a * ratio, -a * torch.clamp(ratio, 0.8, 1.2)).mean()
    value = (values - R) ** 2
    if clips:
        value = torch.max(value, (old + torch.clamp(values - old, -0.2, 0.2) - R) ** 2)
    value = 0.5 * value.mean()
    total = policy - 0.01 * entropy.mean() + 0.5 * value
    total.backward()
    data |= {"logProbabilities": logs.tolist(), "entropy": entropy.mean().item(), "policy": policy.item(), "value": value.item(),
             "total": total.item(), "divergence": ((ratio - 1) - ratio.log()).mean().item(),
             "toldGradient": told.grad.flatten().tolist(), "valueGradient": values.grad.tolist(),
             "deviationGradient": spread.grad.tolist() if spread is not None else []}
    return data


def advantages():
    """CleanRL's loop, where a step is followed by a new episode if `done`, with a bootstrap at the end."""
    steps, discount, gae = 9, 0.97, 0.9
    rewards, values, last = draw(steps), draw(steps), draw()
    done = [0, 0, 1, 0, 0, 0, 1, 0, 0]
    result, carried = [0.0] * steps, 0.0
    for t in reversed(range(steps)):
        follows = last if t == steps - 1 else values[t + 1]
        delta = rewards[t] + discount * follows * (1 - done[t]) - values[t]
        carried = delta + discount * gae * (1 - done[t]) * carried
        result[t] = carried
    return {"discount": discount, "lambda": gae, "rewards": rewards, "values": values, "last": last, "done": done, "advantages": result}


def ddpg():
    """One actor and critic of one hidden layer of 4, 2 inputs, 1 action: Q, both losses and their gradients."""
    shapes = {"actor.0.weight": (2, 4), "actor.0.bias": (4,), "actor.1.weight": (4, 1), "actor.1.bias": (1,),
              "critic.0.weight": (3, 4), "critic.0.bias": (4,), "critic.1.weight": (4, 1), "critic.1.bias": (1,)}
    data = {"parameters": {name: draw(*shape) for name, shape in shapes.items()}, "observations": draw(5, 2), "actions": draw(5, 1),
            "targets": draw(5)}
    p = {name: tensor(v, True) for name, v in data["parameters"].items()}
    x, a, y = tensor(data["observations"]), tensor(data["actions"]), tensor(data["targets"])
    act = lambda x: torch.tanh(torch.relu(x @ p["actor.0.weight"] + p["actor.0.bias"]) @ p["actor.1.weight"] + p["actor.1.bias"])
    judge = lambda x, a: (torch.relu(torch.cat([x, a], 1) @ p["critic.0.weight"] + p["critic.0.bias"]) @ p["critic.1.weight"]
                          + p["critic.1.bias"]).flatten()
    critic = torch.nn.functional.mse_loss(judge(x, a), y)
    actor = -judge(x, act(x)).mean()
    names = list(shapes)
    data["criticLoss"], data["actorLoss"] = critic.item(), actor.item()
    data["criticGradient"] = {n: g.flatten().tolist() for n, g in zip(names[4:], torch.autograd.grad(critic, [p[n] for n in names[4:]]))}
    data["actorGradient"] = {n: g.flatten().tolist() for n, g in zip(names[:4], torch.autograd.grad(actor, [p[n] for n in names[:4]]))}
    return data


def environment(name, start, actions):
    world = gymnasium.make(name)
    world.reset(seed=0)
    world.unwrapped.state = np.array(start)
    steps, taken = [], []
    for action in actions:
        if callable(action):
            action = action(world.unwrapped.state)
        taken.append(action)
        given = action if name == "CartPole-v1" else np.array([action], dtype=np.float32)
        observation, reward, terminated, truncated, _ = world.step(given)
        steps.append({"observation": [float(x) for x in observation], "reward": float(reward), "terminated": bool(terminated),
                      "truncated": bool(truncated)})
        if terminated or truncated:
            break
    return {"name": name, "start": start, "actions": taken, "steps": steps}


print(json.dumps({
    "ppo": [ppo(kind, clips) for kind in ("choices", "controls") for clips in (False, True)], "advantages": advantages(), "ddpg": ddpg(),
    "environments": [
        environment("CartPole-v1", [0.01, -0.02, 0.03, 0.04], [lambda state: int(state[2] + state[3] > 0)] * 50 + [1] * 20),
        environment("Pendulum-v1", [2.5, -0.7], [round(random.uniform(-3, 3), 4) for _ in range(60)]),
    ],
}))
