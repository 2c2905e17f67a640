"""Models in NumPy alone (ridge regression on random features), and their outputs on the audited examples."""

import csv

import numpy as np

N, CLASSES, FORGET, RETAIN = 1800, 4, 300, 600


def data():
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, N)
    x = random.normal(0, 1, (CLASSES, 20))[labels] + random.normal(0, 1.5, (N, 20))
    return x, labels


def fit(x, labels, seed):
    """Logits as a function: so many features that the training examples are nearly memorised."""
    random = np.random.default_rng(seed)
    inner = random.normal(0, 0.25, (x.shape[1], 500))
    features = np.tanh(x @ inner)
    targets = np.eye(CLASSES)[labels]
    weights = np.linalg.solve(features.T @ features + 0.5 * np.eye(500), features.T @ targets)
    return lambda new: 6 * np.tanh(new @ inner) @ weights


x, labels = data()
role = np.repeat(["forget", "retain", "unseen"], [FORGET, RETAIN, N - FORGET - RETAIN])
retain, trained = role == "retain", role != "unseen"
original = fit(x[trained], labels[trained], seed=0)(x)
retrains = np.stack([fit(x[retain], labels[retain], seed)(x) for seed in range(1, 7)])
candidate = fit(x[retain], labels[retain], seed=99)(x)  # a new model without the forget set: nothing can be better
np.savez("outputs.npz", labels=labels, role=role, candidate=candidate, original=original, retrain=retrains)

# The same as tables: one with the facts, one for each model.
names = [f"person-{i:04d}" for i in range(N)]
with open("examples.csv", "w", newline="") as file:
    csv.writer(file).writerows([("id", "label", "role"), *zip(names, labels.tolist(), role.tolist(), strict=True)])
models = {"candidate": 0.2 * candidate + 0.8 * original, "original": original}  # most of the old model is still in it
models |= {f"retrain-{k + 1}": logits for k, logits in enumerate(retrains)}
for name, logits in models.items():
    with open(f"{name}.csv", "w", newline="") as file:
        rows = ((identifier, *values) for identifier, values in zip(names, logits.tolist(), strict=True))
        csv.writer(file).writerows([("id", *(f"logit_{c}" for c in range(CLASSES))), *rows])
