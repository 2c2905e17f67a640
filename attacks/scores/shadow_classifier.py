"""The first shadow-model attack: one classifier a class that tells posteriors of members from those of others."""

import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax

from vestige.attacks.arrays import Floats, Labels, Mask, NotEstimable
from vestige.attacks.scores.gaussians import Tables, mask_of
from vestige.attacks.scores.lira import check_out_of_sample
from vestige.learners.errors import DataError
from vestige.learners.seeds import numpy_generator

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

ROWS = 10_000
"""Most posteriors of either kind that the classifier of a class is fitted on."""


def shadow_classifier(
    targets: ArrayLike, shadows: Tables, member: ArrayLike, labels: ArrayLike, *, seed: int
) -> Floats:
    """Log odds of membership by the class's attack network, ``[P, n]``; higher = member.

    targets: logits ``[P, n, classes]`` of models that are not among the shadows. shadows: logits of N models, each
    ``[n, classes]``. member: bool ``[N, n]``. labels ``[n]``. The network of a class (one hidden layer of 64) learns
    the log posteriors of that class's examples on all shadows, as many of members as of others, at most 10,000 of
    either, drawn from the seed. Nothing of a target is learnt from. Raises NotEstimable where a class has no IN or no
    OUT posterior. Source: Shokri et al. 2017 (arXiv 1610.05820), section V.
    """
    chosen, truth = mask_of(member, len(shadows)), np.asarray(labels)
    asked = np.asarray(targets, np.float64)
    if asked.ndim != 3 or asked.shape[1:] != np.shape(shadows[0]) or truth.shape != asked.shape[1:2]:
        raise DataError(
            f"targets: expected logits [models, {', '.join(map(str, np.shape(shadows[0])))}] and labels to match, "
            f"got {list(asked.shape)} and {list(truth.shape)}"
        )
    for table in shadows:  # one at a time: they may be read from files
        check_out_of_sample(asked.transpose(0, 2, 1), [np.asarray(table).T])
    scores = np.empty(asked.shape[:2])
    for label in np.unique(truth):
        own = truth == label
        network = _fitted(int(label), own, shadows, chosen, seed)
        posteriors = log_softmax(asked[:, own], axis=-1)
        share = network.predict_log_proba(posteriors.reshape(-1, posteriors.shape[-1]))
        scores[:, own] = (share[:, 1] - share[:, 0]).reshape(len(asked), -1)
    return scores


def _fitted(label: int, own: Mask, shadows: Tables, chosen: Mask, seed: int) -> "Pipeline":
    from sklearn.exceptions import ConvergenceWarning  # slow to import
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    random = numpy_generator(seed, "shadow classifier", label)
    sides = []
    for kind, mask in (("IN", chosen), ("OUT", ~chosen)):
        model, example = np.nonzero(mask[:, own])
        if not len(model):
            raise NotEstimable(f"shadow classifier: expected {kind} posteriors of class {label}, got none; add shadows")
        sides.append((model, np.flatnonzero(own)[example]))
    each = min(ROWS, *(len(model) for model, _ in sides))
    drawn = [_drawn(shadows, *side, random.choice(len(side[0]), each, replace=False)) for side in sides]
    network = MLPClassifier((64,), early_stopping=each >= 100, random_state=int(random.integers(2**31)), max_iter=200)
    with warnings.catch_warnings():  # an attack that might still gain a little is not a fault of the audit
        warnings.simplefilter("ignore", ConvergenceWarning)
        return make_pipeline(StandardScaler(), network).fit(
            log_softmax(np.concatenate(drawn), axis=-1), np.repeat([1, 0], each)
        )


def _drawn(shadows: Tables, model: Labels, example: Labels, rows: Labels) -> Floats:
    """Logits of these (model, example) pairs, read model by model."""
    model, example = model[rows], example[rows]
    parts = [np.asarray(shadows[one])[np.sort(example[model == one])] for one in np.unique(model)]
    return np.concatenate(parts).astype(np.float64)
