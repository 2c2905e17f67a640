"""The first shadow-model attack: for each class, a classifier that separates posteriors of members from others."""

import warnings
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy.typing import ArrayLike
from scipy.special import log_softmax

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.scores.gaussians import Tables, mask_of
from vestige.attacks.scores.lira import check_out_of_sample
from vestige.learners.arrays import Array
from vestige.learners.errors import DataError
from vestige.learners.seeds import numpy_generator

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

ROWS = 10_000
"""Most posteriors of either kind that the classifier of a class is fitted on."""


def shadow_classifier(
    targets: ArrayLike, shadows: Tables, member: ArrayLike, labels: ArrayLike, *, seed: int
) -> Float64[Array, "targets n"]:
    """Log odds of membership by the class's attack network, ``[P, n]``; higher = member.

    targets: logits ``[P, n, classes]`` of models that are not among the shadows. shadows: logits of N models, each
    ``[n, classes]``. member: bool ``[N, n]``. labels ``[n]``. The network of a class (one hidden layer of 64) learns
    the log posteriors of that class's examples on all shadows, as many of members as of others, at most 10,000 of
    either, sampled by the seed. Nothing of a target is learnt from. Raises NotEstimable where a class has no IN or no
    OUT posterior. Source: Shokri et al. 2017 (arXiv 1610.05820), section V.
    """
    mask, truth = mask_of(member, len(shadows)), np.asarray(labels)
    logits = np.asarray(targets, np.float64)
    if logits.ndim != 3 or logits.shape[1:] != np.shape(shadows[0]) or truth.shape != logits.shape[1:2]:
        raise DataError(
            f"targets: expected logits [models, {', '.join(map(str, np.shape(shadows[0])))}] and labels to match, "
            f"got {list(logits.shape)} and {list(truth.shape)}"
        )
    for table in shadows:  # one at a time: they may be read from files
        check_out_of_sample(logits.transpose(0, 2, 1), [np.asarray(table).T])
    scores = np.empty(logits.shape[:2])
    for label in np.unique(truth):
        of_class = truth == label
        network = _fitted(int(label), of_class, shadows, mask, seed)
        posteriors = log_softmax(logits[:, of_class], axis=-1)
        share = network.predict_log_proba(posteriors.reshape(-1, posteriors.shape[-1]))
        scores[:, of_class] = (share[:, 1] - share[:, 0]).reshape(len(logits), -1)
    return scores


def _fitted(
    label: int, of_class: Bool[Array, " n"], shadows: Tables, member: Bool[Array, "models n"], seed: int
) -> "Pipeline":
    from sklearn.exceptions import ConvergenceWarning  # slow to import
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    random = numpy_generator(seed, "shadow classifier", label)
    sides = []
    for kind, mask in (("IN", member), ("OUT", ~member)):
        model, example = np.nonzero(mask[:, of_class])
        if not len(model):
            raise NotEstimable(f"shadow classifier: expected {kind} posteriors of class {label}, got none; add shadows")
        sides.append((model, np.flatnonzero(of_class)[example]))
    each = min(ROWS, *(len(model) for model, _ in sides))
    sampled = [_logits_at(shadows, *side, random.choice(len(side[0]), each, replace=False)) for side in sides]
    network = MLPClassifier((64,), early_stopping=each >= 100, random_state=int(random.integers(2**31)), max_iter=200)
    with warnings.catch_warnings():  # an attack that might still gain a little is not a fault of the audit
        warnings.simplefilter("ignore", ConvergenceWarning)
        return make_pipeline(StandardScaler(), network).fit(
            log_softmax(np.concatenate(sampled), axis=-1), np.repeat([1, 0], each)
        )


def _logits_at(
    shadows: Tables, model: Int64[Array, " m"], example: Int64[Array, " m"], rows: Int64[Array, " k"]
) -> Float64[Array, "k classes"]:
    """Logits of these (model, example) pairs, read model by model."""
    model, example = model[rows], example[rows]
    parts = [np.asarray(shadows[shadow])[np.sort(example[model == shadow])] for shadow in np.unique(model)]
    return np.concatenate(parts).astype(np.float64)
