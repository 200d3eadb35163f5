"""Writes drift.json beside itself: streams, settings and the numbers at which River reports a drift.

KSWIN draws its older sample at random; with a window twice the sample it takes all of it, so that no draw matters.
Needs: river 0.26, numpy.
"""
import json
import os
import numpy as np
from river import drift
from river.drift import binary

r = np.random.default_rng(3)
cases = []
for i in range(24):
    kind, n = i % 4, 240
    level = np.repeat(r.uniform(0, 1, 4), n // 4)
    x = np.round(level + r.choice([0.01, 0.1, 0.3]) * r.normal(size=n), 3)
    if kind == 0:
        name, make = "ADWIN", drift.ADWIN
        s = dict(delta=float(r.choice([0.002, 0.05, 0.3])), clock=int(r.choice([1, 5, 16])), max_buckets=int(r.integers(2, 9)),
                 min_window_length=int(r.integers(1, 12)), grace_period=int(r.integers(0, 40)))
    elif kind == 1:
        name, make = "PageHinkley", drift.PageHinkley
        s = dict(min_instances=int(r.integers(0, 40)), delta=float(r.choice([0, 0.005, 0.1])), threshold=float(r.choice([0.5, 2, 5])),
                 alpha=float(r.choice([1, 0.9999, 0.9])), mode=str(r.choice(["up", "down", "both"])))
    elif kind == 2:
        name, make = "DDM", binary.DDM
        s = dict(warm_start=int(r.integers(0, 40)), warning_threshold=1.0, drift_threshold=float(r.choice([1.5, 2, 3])))
        x = (r.random(n) < level).astype(float)
    else:
        name, make = "KSWIN", lambda **s: drift.KSWIN(seed=1, **s)
        size = int(r.integers(5, 40))
        s = dict(alpha=float(r.choice([0.005, 0.05])), window_size=2 * size, stat_size=size)
    detector, at = make(**s), []
    for index, value in enumerate(x):
        detector.update(bool(value) if kind == 2 else float(value))
        if detector.drift_detected:
            at.append(index)
    cases.append(dict(detector=name, settings=s, numbers=x.tolist(), at=at))
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "drift.json"), "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
print([len(c["at"]) for c in cases])
