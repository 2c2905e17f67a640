"""Signals: one number per model and example, from logits in float64, higher = more member-like.

Every function takes ``logits [..., n, classes]`` (any leading axes, e.g. models) and ``labels [n]``, returns float64
``[..., n]``, does not change its input and scores each example by itself. At least two classes are needed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike
from scipy.special import expit

from vestige.attacks.signals.prepared import Prepared, label_and_others, log_odds
from vestige.learners.arrays import Array, Floats


def logit(logits: ArrayLike, labels: ArrayLike) -> Float64[Array, "*models n"]:
    """Logit-scaled confidence phi = z_y - logsumexp of the other z, ``[..., n]``; unbounded, no saturation.

    Source: Carlini et al. 2022 (arXiv 2112.03570), section V; computed from logits, never as log p - log(1 - p).

    >>> logit([[2.0, 1.0, 0.0]], [0]).round(10).tolist()
    [0.6867383125]
    """
    return Prepared.of(logits, labels).phi


def loss(logits: ArrayLike, labels: ArrayLike) -> Float64[Array, "*models n"]:
    """Negated cross-entropy log p_y, ``[..., n]`` in (-inf, 0].

    Source: Yeom et al. 2018 (arXiv 1709.01604), adversary 1; log p_y = -log(1 + exp(-phi)).

    >>> loss([[2.0, 1.0, 0.0]], [0]).round(10).tolist()
    [-0.4076059644]
    """
    return _loss(Prepared.of(logits, labels))


def confidence(logits: ArrayLike, labels: ArrayLike) -> Float64[Array, "*models n"]:
    """Probability of the label p_y, ``[..., n]`` in [0, 1]; ranks like loss until it saturates at 1.

    Source: Salem et al. 2019 (arXiv 1806.01246); p_y = 1 / (1 + exp(-phi)).

    >>> confidence([[2.0, 1.0, 0.0]], [0]).round(10).tolist()
    [0.6652409558]
    """
    return _confidence(Prepared.of(logits, labels))


def max_confidence(logits: ArrayLike, labels: ArrayLike) -> Float64[Array, "*models n"]:
    """Largest probability max_j p_j, ``[..., n]`` in [1 / classes, 1]; ``labels`` are checked but not used.

    Source: Salem et al. 2019 (arXiv 1806.01246), adversary 3.

    >>> max_confidence([[2.0, 1.0, 0.0]], [1]).round(10).tolist()
    [0.6652409558]
    """
    return _max_confidence(Prepared.of(logits, labels))


def entropy(logits: ArrayLike, labels: ArrayLike) -> Float64[Array, "*models n"]:
    """Negated entropy sum_j p_j log p_j, ``[..., n]`` in [-log classes, 0]; ``labels`` are checked but not used.

    A confidently wrong prediction looks like a member. Source: Salem et al. 2019 (arXiv 1806.01246), adversary 3.

    >>> entropy([[2.0, 1.0, 0.0]], [1]).round(10).tolist()
    [-0.8323955818]
    """
    return _entropy(Prepared.of(logits, labels))


def modified_entropy(logits: ArrayLike, labels: ArrayLike) -> Float64[Array, "*models n"]:
    """Negated modified entropy (1 - p_y) log p_y + sum over j != y of p_j log(1 - p_j), ``[..., n]`` in (-inf, 0].

    Source: Song and Mittal 2021 (arXiv 2003.10595), equation 8; log(1 - p_j) comes from logits, so nothing is clamped.

    >>> modified_entropy([[2.0, 1.0, 0.0]], [0]).round(10).tolist()
    [-0.2136335388]
    """
    return _modified_entropy(Prepared.of(logits, labels))


def correctness(logits: ArrayLike, labels: ArrayLike) -> Float64[Array, "*models n"]:
    """1 where the largest logit is the label's, else 0, ``[..., n]``; of equal logits the first class counts.

    Source: Yeom et al. 2018 (arXiv 1709.01604), the gap attack.

    >>> correctness([[2.0, 1.0, 0.0], [2.0, 1.0, 0.0]], [0, 1]).tolist()
    [1.0, 0.0]
    """
    return _correctness(Prepared.of(logits, labels))


def hinge(logits: ArrayLike, labels: ArrayLike) -> Float64[Array, "*models n"]:
    """Margin z_y - max over j != y of z_j, ``[..., n]``; unbounded.

    Source: Carlini et al. 2022 (arXiv 2112.03570), section VI.

    >>> hinge([[2.0, 1.0, 0.0]], [2]).tolist()
    [-2.0]
    """
    return _hinge(Prepared.of(logits, labels))


def _loss(logits: Prepared) -> Float64[Array, "*models n"]:
    return -np.logaddexp(0.0, -logits.phi)


def _confidence(logits: Prepared) -> Float64[Array, "*models n"]:
    probability: Floats = expit(logits.phi)
    return probability


def _max_confidence(logits: Prepared) -> Float64[Array, "*models n"]:
    probability: Floats = 1.0 / logits.total
    return probability


def _entropy(logits: Prepared) -> Float64[Array, "*models n"]:
    negated: Floats = (logits.powers * logits.shifted).sum(0) / logits.total - np.log(logits.total)
    return negated


def _modified_entropy(logits: Prepared) -> Float64[Array, "*models n"]:
    phi = logits.phi
    top_odds = log_odds(*label_and_others(logits.z, logits.top))
    p = logits.powers / logits.total
    # Only the largest p can be near 1, where log(1 - p) must not be formed from p.
    np.put_along_axis(p, logits.top, 0.0, 0)
    terms = p * np.log1p(-p)
    np.put_along_axis(terms, logits.top, -(expit(top_odds) * np.logaddexp(0.0, top_odds))[None], 0)
    np.put_along_axis(terms, logits.index, -(expit(-phi) * np.logaddexp(0.0, -phi))[None], 0)
    negated: Floats = terms.sum(0)
    return negated


def _correctness(logits: Prepared) -> Float64[Array, "*models n"]:
    right: Floats = (logits.top[0] == logits.index[0]).astype(np.float64)
    return right


def _hinge(logits: Prepared) -> Float64[Array, "*models n"]:
    at_label, others = logits.others
    margin: Floats = at_label - others.max(0)
    return margin


@dataclass(frozen=True)
class Signal:
    """A registered signal: ``function(logits [..., n, classes], labels [n]) -> float64 [..., n]``, higher = member.

    of: the same from logits that are prepared already."""

    name: str
    description: str
    citation: str
    function: Callable[[ArrayLike, ArrayLike], Floats]
    of: Callable[[Prepared], Floats]


_LIRA = "Carlini et al. 2022, arXiv 2112.03570"
_SALEM = "Salem et al. 2019, arXiv 1806.01246"
_YEOM = "Yeom et al. 2018, arXiv 1709.01604"
_SONG = "Song and Mittal 2021, arXiv 2003.10595"

SIGNALS: Mapping[str, Signal] = MappingProxyType(
    {
        signal.name: signal
        for signal in (
            Signal("loss", "negated cross-entropy of the label, log p_y", _YEOM, loss, _loss),
            Signal("confidence", "probability of the label, p_y", _SALEM, confidence, _confidence),
            Signal(
                "max_confidence", "largest probability, whatever the label", _SALEM, max_confidence, _max_confidence
            ),
            Signal("entropy", "negated entropy of the prediction, whatever the label", _SALEM, entropy, _entropy),
            Signal(
                "modified_entropy", "negated entropy that knows the label", _SONG, modified_entropy, _modified_entropy
            ),
            Signal("correctness", "1 when the prediction is the label", _YEOM, correctness, _correctness),
            Signal(
                "logit",
                "logit-scaled confidence phi, log p_y - log(1 - p_y) from logits",
                _LIRA,
                logit,
                attrgetter("phi"),
            ),
            Signal("hinge", "logit of the label minus the largest other logit", _LIRA, hinge, _hinge),
        )
    }
)
