"""A random forest on a table, made to forget 300 rows in two ways; no torch, no images."""

import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier

from vestige.attacks import collect_outputs

FORGET, RETAIN = 300, 700
table, labels = make_classification(2500, 20, n_informative=8, n_classes=3, flip_y=0.1, random_state=0)
role = np.repeat(["forget", "retain", "unseen"], [FORGET, RETAIN, len(labels) - FORGET - RETAIN])
retain, trained = role == "retain", role != "unseen"


def forest(rows, seed):
    return RandomForestClassifier(100, min_samples_leaf=2, random_state=seed).fit(table[rows], labels[rows])


original = forest(trained, 0)
retrains = [forest(retain, seed) for seed in range(1, 7)]


def patched(rows):
    """The original, its votes mixed with those of a new forest: some of the old trees are still there."""
    return 0.5 * original.predict_proba(rows) + 0.5 * fresh.predict_proba(rows)


fresh = forest(retain, 99)
common = {"labels": labels, "role": role, "original": original, "retrains": retrains}
collect_outputs(table, candidate=fresh, **common).write("fresh.npz")


def logits(rows):
    return np.log(np.clip(patched(rows), 1e-6, 1))


collect_outputs(table, candidate=logits, **common).write("patched.npz")
