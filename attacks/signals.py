"""Signals: one number per model and example, from logits in float64, higher = more member-like.

Every function takes ``logits [..., n, classes]`` (any leading axes, e.g. models) and ``labels [n]``, returns float64
``[..., n]``, leaves its input alone and scores each example by itself. At least two classes are needed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from attacks._arrays import Floats, Labels
from learners import DataError


def logit(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """Logit-scaled confidence phi = z_y - logsumexp of the other z, ``[..., n]``; unbounded, no saturation.

    Source: Carlini et al. 2022 (arXiv 2112.03570), section V; computed from logits, never as log p - log(1 - p).

    >>> logit([[2.0, 1.0, 0.0]], [0]).round(10).tolist()
    [0.6867383125]
    """
    classes_first, index = _class_first(logits, labels)
    return _log_odds(classes_first, index)


def loss(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """Negated cross-entropy log p_y, ``[..., n]`` in (-inf, 0].

    Source: Yeom et al. 2018 (arXiv 1709.01604), adversary 1; log p_y = -log(1 + exp(-phi)).

    >>> loss([[2.0, 1.0, 0.0]], [0]).round(10).tolist()
    [-0.4076059644]
    """
    return -np.logaddexp(0.0, -logit(logits, labels))


def confidence(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """Probability of the label p_y, ``[..., n]`` in [0, 1]; ranks like loss until it saturates at 1.

    Source: Salem et al. 2019 (arXiv 1806.01246); p_y = 1 / (1 + exp(-phi)).

    >>> confidence([[2.0, 1.0, 0.0]], [0]).round(10).tolist()
    [0.6652409558]
    """
    probability: Floats = expit(logit(logits, labels))
    return probability


def max_confidence(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """Largest probability max_j p_j, ``[..., n]`` in [1 / classes, 1]; ``labels`` are checked but not used.

    Source: Salem et al. 2019 (arXiv 1806.01246), adversary 3.

    >>> max_confidence([[2.0, 1.0, 0.0]], [1]).round(10).tolist()
    [0.6652409558]
    """
    z, _ = _class_first(logits, labels)
    probability: Floats = 1.0 / np.exp(z - z.max(0)).sum(0)
    return probability


def entropy(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """Negated entropy sum_j p_j log p_j, ``[..., n]`` in [-log classes, 0]; ``labels`` are checked but not used.

    A confidently wrong answer looks like a member. Source: Salem et al. 2019 (arXiv 1806.01246), adversary 3.

    >>> entropy([[2.0, 1.0, 0.0]], [1]).round(10).tolist()
    [-0.8323955818]
    """
    z, _ = _class_first(logits, labels)
    z -= z.max(0)
    p = np.exp(z)
    total = p.sum(0)
    negated: Floats = (p * z).sum(0) / total - np.log(total)
    return negated


def modified_entropy(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """Negated modified entropy (1 - p_y) log p_y + sum over j != y of p_j log(1 - p_j), ``[..., n]`` in (-inf, 0].

    Source: Song and Mittal 2021 (arXiv 2003.10595), equation 8; log(1 - p_j) comes from logits, so nothing is clamped.

    >>> modified_entropy([[2.0, 1.0, 0.0]], [0]).round(10).tolist()
    [-0.2136335388]
    """
    z, index = _class_first(logits, labels)
    phi = _log_odds(z, index)
    top = z.argmax(0)[None]
    top_odds = _log_odds(z, top)
    p = np.exp(z - z.max(0))
    p /= p.sum(0)
    # Only the largest p can be near 1, where log(1 - p) must not be formed from p.
    np.put_along_axis(p, top, 0.0, 0)
    terms = p * np.log1p(-p)
    np.put_along_axis(terms, top, -(expit(top_odds) * np.logaddexp(0.0, top_odds))[None], 0)
    np.put_along_axis(terms, index, -(expit(-phi) * np.logaddexp(0.0, -phi))[None], 0)
    negated: Floats = terms.sum(0)
    return negated


def correctness(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """1 where the largest logit is the label's, else 0, ``[..., n]``; of equal logits the first class counts.

    Source: Yeom et al. 2018 (arXiv 1709.01604), the gap attack.

    >>> correctness([[2.0, 1.0, 0.0], [2.0, 1.0, 0.0]], [0, 1]).tolist()
    [1.0, 0.0]
    """
    z, index = _class_first(logits, labels)
    right: Floats = (z.argmax(0) == index[0]).astype(np.float64)
    return right


def hinge(logits: ArrayLike, labels: ArrayLike) -> Floats:
    """Margin z_y - max over j != y of z_j, ``[..., n]``; unbounded.

    Source: Carlini et al. 2022 (arXiv 2112.03570), section VI.

    >>> hinge([[2.0, 1.0, 0.0]], [2]).tolist()
    [-2.0]
    """
    z, index = _class_first(logits, labels)
    own, others = _own_and_others(z, index)
    margin: Floats = own - others.max(0)
    return margin


@dataclass(frozen=True)
class Signal:
    """A registered signal: ``function(logits [..., n, classes], labels [n]) -> float64 [..., n]``, higher = member."""

    name: str
    description: str
    citation: str
    function: Callable[[ArrayLike, ArrayLike], Floats]


_LIRA = "Carlini et al. 2022, arXiv 2112.03570"
_SALEM = "Salem et al. 2019, arXiv 1806.01246"
_YEOM = "Yeom et al. 2018, arXiv 1709.01604"
_SONG = "Song and Mittal 2021, arXiv 2003.10595"

SIGNALS: Mapping[str, Signal] = MappingProxyType(
    {
        signal.name: signal
        for signal in (
            Signal("loss", "negated cross-entropy of the label, log p_y", _YEOM, loss),
            Signal("confidence", "probability of the label, p_y", _SALEM, confidence),
            Signal("max_confidence", "largest probability, whatever the label", _SALEM, max_confidence),
            Signal("entropy", "negated entropy of the prediction, whatever the label", _SALEM, entropy),
            Signal("modified_entropy", "negated entropy that knows the label", _SONG, modified_entropy),
            Signal("correctness", "1 when the prediction is the label", _YEOM, correctness),
            Signal("logit", "logit-scaled confidence phi, log p_y - log(1 - p_y) from logits", _LIRA, logit),
            Signal("hinge", "logit of the label minus the largest other logit", _LIRA, hinge),
        )
    }
)


def _class_first(logits: ArrayLike, labels: ArrayLike) -> tuple[Floats, Labels]:
    """A float64 copy ``[classes, ..., n]`` (sums over the first axis run at memory speed and in an order that does not
    depend on the batch) and the labels as an index ``[1, ..., n]`` into it."""
    given = np.asarray(logits)
    index = np.asarray(labels)
    if given.ndim < 2 or given.shape[-1] < 2:
        raise DataError(f"logits: expected shape [..., examples, classes >= 2], got {list(given.shape)}")
    *_, examples, classes = given.shape
    if index.shape != (examples,) or index.dtype.kind not in "iu":
        raise DataError(f"labels: expected integers of shape [{examples}], got {index.dtype} {list(index.shape)}")
    outside = int(((index < 0) | (index >= classes)).sum())
    if outside:
        raise DataError(f"labels: expected values in 0..{classes - 1}, got {outside} outside; check the class order")
    moved = np.array(np.moveaxis(given, -1, 0), dtype=np.float64, order="C")
    return moved, np.broadcast_to(index.astype(np.int64), moved.shape[1:])[None]


def _own_and_others(z: Floats, index: Labels) -> tuple[Floats, Floats]:
    """Logit at ``index [1, ..., n]`` as ``[..., n]``, and ``z [classes, ..., n]`` with -inf in its place."""
    own = np.take_along_axis(z, index, 0)[0]
    others = z.copy()
    np.put_along_axis(others, index, -np.inf, 0)
    return own, others


def _log_odds(z: Floats, index: Labels) -> Floats:
    """log p - log(1 - p) of the class at ``index [1, ..., n]``, ``[..., n]``."""
    own, others = _own_and_others(z, index)
    largest = others.max(0)
    others -= largest
    odds: Floats = own - largest - np.log(np.exp(others).sum(0))
    return odds
