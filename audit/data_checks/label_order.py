"""Does a model number the classes as the labels do?"""

import numpy as np

from vestige.attacks.metrics.distributions import binom
from vestige.learners.arrays import Labels

LEVEL = 1e-3
"""Of the sign test in each half of the rows."""
BETTER = 2.0
"""So many times better the permuted answers must be on the classes that are moved."""
LEAST_CLASSES = 2
"""So many of them must be right once permuted: a model that always gives one answer can be right about one alone."""
LEAST_ROWS = 10
"""Rows a half, of the classes that are moved."""
MOST_CLASSES = 2000
"""Beyond so many suspicious classes an assignment would take too long."""


def moved_classes(predicted: Labels, labels: Labels, classes: int, *, every_class: bool) -> tuple[tuple[int, int], ...]:
    """(label, what the model answers in its place) of every class that is moved; empty where the order is right.

    predicted, labels: int64 ``[n]``. every_class: rows of every class that the models know are there, so that a class
    without rows may stand for one with rows.

    A classifier that has learned anything cannot be improved by permuting its answers: the sum of its recalls over
    classes is largest as it is. So the permutation that is best (linear assignment on the confusion matrix) in one half
    of the rows is tried on the other half, and the other way round. The order is wrong where in both halves a sign test
    prefers the permuted answers (level 1e-3 each) and they are right at least twice as often. Recalls count, not rows:
    a model that answers one class throughout, or that has lost one, gains nothing by any permutation.
    """
    half = _halves(labels)
    maps = [_best(predicted[half == side], labels[half == side], classes, every_class) for side in (0, 1)]
    for side, mapping in enumerate(maps):
        rows = (half != side) & np.isin(labels, list(mapping))
        if rows.sum() < LEAST_ROWS:
            return ()
        answers = np.array([mapping[label] for label in labels[rows].tolist()])
        if len(np.unique(labels[rows][predicted[rows] == answers])) < LEAST_CLASSES:
            return ()
        wins, losses = int((predicted[rows] == answers).sum()), int((predicted[rows] == labels[rows]).sum())
        if wins < BETTER * losses or binom.sf(wins - 1, wins + losses, 0.5) > LEVEL:
            return ()
        guessing = min(2 / classes, (1 + 1 / classes) / 2)
        if wins <= guessing * rows.sum():
            return ()
    agreed = {label: answer for label, answer in maps[0].items() if maps[1].get(label) == answer}
    return tuple(sorted(agreed.items()))


def _halves(labels: Labels) -> Labels:
    """0 or 1 for each row, in turn within each class."""
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], labels[order])
    half = np.empty(len(labels), np.int64)
    half[order] = (np.arange(len(labels)) - starts) % 2
    return half


def _best(predicted: Labels, labels: Labels, classes: int, every_class: bool) -> dict[int, int]:
    """The classes that the best permutation moves, and where to; recalls are what it maximises."""
    present = np.unique(labels)
    counts = np.zeros((len(present), classes))
    np.add.at(counts, (np.searchsorted(present, labels), predicted), 1)
    recall = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    own = recall[np.arange(len(present)), present]
    suspects = np.flatnonzero(recall.max(axis=1) > own) if len(present) else np.zeros(0, np.int64)
    if not 0 < len(suspects) <= MOST_CLASSES:
        return {}
    places = present[suspects]
    if every_class:
        places = np.union1d(places, np.setdiff1d(np.arange(classes), present))
    gain = recall[suspects][:, places]

    from scipy.optimize import linear_sum_assignment  # slow to import

    row, column = linear_sum_assignment(-gain)
    known = (gain[row, column] > 0) | (own[suspects[row]] > 0)  # of the others nothing is known
    pairs = zip(present[suspects[row]][known].tolist(), places[column][known].tolist(), strict=True)
    return {label: answer for label, answer in pairs if label != answer}
