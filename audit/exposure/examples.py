"""Which forget examples one model still remembers, or has conspicuously forgotten: each judged against retrains.

Report only: the verdict is about the forget set as a whole. The ids belong into a file of their own
(``exposed_ids``): a list of exposed examples is itself personal data, so a report carries counts alone.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, polygamma

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.metrics import distributions as stats
from vestige.attacks.scores.shrinkage import inverse_trigamma
from vestige.attacks.scores.threshold import class_centred
from vestige.learners.arrays import Floats, Mask
from vestige.learners.errors import ConfigError, DataError

LEAST_REFERENCES = 3
"""A leave-one-out retrain needs two others for a variance."""
RATE = 0.10


@dataclass(frozen=True)
class Prior:
    """Of the examples' variances: scale / variance ~ chi-squared / degrees. degrees infinite: one common variance."""

    degrees: float
    scale: float


@dataclass(frozen=True, eq=False)
class Family:
    """One direction's tests on the forget rows, in their order.

    p, adjusted: float64 ``[f]``, one-sided p-values before and after Benjamini and Hochberg; flagged: bool ``[f]``.
    """

    p: Floats
    adjusted: Floats
    flagged: Mask

    @property
    def count(self) -> int:
        """How many examples are flagged."""
        return int(self.flagged.sum())


@dataclass(frozen=True, eq=False)
class JudgedModel:
    """One model's forget rows. t: float64 ``[f]``, moderated t, higher = more member-like.

    exposed, over_forgotten: against Student's t on ``degrees`` degrees of freedom. exposed_ranked,
    over_forgotten_ranked: against the same model's t on the unseen evaluation rows (conformal p-values).
    """

    t: Floats
    prior: Prior
    degrees: float
    exposed: Family
    over_forgotten: Family
    exposed_ranked: Family
    over_forgotten_ranked: Family


@dataclass(frozen=True, eq=False)
class Exposure:
    """What ``exposure`` found. rows: int64 ``[f]``, places of the forget rows, the order of every ``[f]``.

    rate: q of Benjamini and Hochberg, in each direction by itself. fewest_ranked: so many examples have to lie beyond
    every unseen evaluation row before the ranked count can be other than 0. retrains: each against the others.
    """

    rows: NDArray[np.int64]
    rate: float
    fewest_ranked: int
    model: JudgedModel
    retrains: tuple[JudgedModel, ...]


def exposure(
    model: ArrayLike,
    references: ArrayLike,
    forget: ArrayLike,
    evaluation: ArrayLike,
    calibration: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    rate: float = RATE,
) -> Exposure:
    """Moderated t of every forget row, and Benjamini-Hochberg in each direction, for a model and for each retrain.

    model ``[n]``, references ``[K, n]``, K at least 3: phi on forget and unseen rows, higher = more member-like.
    forget, evaluation, calibration: disjoint bool ``[n]``, the last two of unseen rows. With calibration rows a model's
    t is centred on their median, so that a shift of the whole model is not called exposure, and with labels ``[n]`` on
    that of each class. t = (phi - mu) / (sigma sqrt(1 + 1/K)); mu and s^2 of the example from the references, sigma^2 =
    (d0 s0^2 + (K - 1) s^2) / (d0 + K - 1), with d0 and s0^2 from all n rows.

    The ranked families keep the rate whatever the noise, provided that a never-trained forget row is exchangeable with
    an evaluation row. The t families need noise that is normal within an example, and a model as noisy as a retrain;
    heavy tails make them flag too many. Measured with 500 forget and 4,000 evaluation rows, K = 5, q = 0.10, 400 runs
    (standard error of a share of runs: .015 at .10), noise of variance 1; a variance that differs between examples by a
    prior of 8 degrees of freedom leaves the false flags as they are and finds .63 and .61:

    ======================================  ==============  ==============  ================
    .                                       normal: t       normal: ranked  t_5: t / ranked
    ======================================  ==============  ==============  ================
    none exposed: runs with a flag          .08             .02             .49 / .01
    none exposed: mean flags                .10             .04             .98 / .03
    25 exposed by 4: share of false flags   .09             .09             .16 / .09
    25 exposed by 4: share found            .86             .85             .83 / .59
    ======================================  ==============  ==============  ================

    With K = 10 the t family is worse on t_5 (.62 of runs, 1.5 flags): the t distribution that it is compared with has
    more degrees of freedom, the noise as heavy tails as before. The counts of the leave-one-out retrains show it: on
    t_5 they are .7 (K = 5) and 1.5 (K = 10) where on normal noise they are .1.

    DataError for shapes, masks and numbers that do not fit; NotEstimable below three references or when they are
    identical; ConfigError for a rate outside (0, 1). Source: Smyth 2004, sections 4 and 6.2 (moderated t); Benjamini
    and Hochberg 1995; Bates et al. 2023 (arXiv 2104.08279), section 2 (ranks).
    """
    if not 0 < rate < 1:
        raise ConfigError(f"rate: expected a number between 0 and 1, got {rate}; 0.10 is usual")
    own, others = np.asarray(model, np.float64), np.asarray(references, np.float64)
    if own.ndim != 1 or others.ndim != 2 or others.shape[1] != len(own):
        raise DataError(f"expected phi [n] and references [K, n], got {list(own.shape)} and {list(others.shape)}")
    wrong = int((~np.isfinite(own)).sum() + (~np.isfinite(others)).sum())
    if wrong:
        raise DataError(f"phi: expected finite numbers, got {wrong} that are NaN or infinite; check the logits")
    if len(others) < LEAST_REFERENCES:
        raise NotEstimable(
            f"exposure: expected at least {LEAST_REFERENCES} retrains, got {len(others)}; train more retrains"
        )
    chosen, unseen = _rows("forget", forget, len(own)), _rows("evaluation", evaluation, len(own))
    centre = None if calibration is None else _rows("calibration", calibration, len(own))
    masks = [chosen, unseen] if centre is None else [chosen, unseen, centre]
    if (np.sum(masks, axis=0) > 1).any():
        raise DataError("forget, evaluation, calibration: expected disjoint masks, got rows in two of them")
    kinds = np.zeros(len(own), np.int64) if labels is None else np.asarray(labels)

    def judged(phi: Floats, retrains: Floats) -> JudgedModel:
        t, prior = moderated_t(phi, retrains)
        if centre is not None:
            t = class_centred(t, kinds, centre)
        return _judged(t[chosen], t[unseen], prior, prior.degrees + len(retrains) - 1, rate)

    return Exposure(
        rows=np.flatnonzero(chosen),
        rate=rate,
        fewest_ranked=int(np.ceil(chosen.sum() / (rate * (unseen.sum() + 1)) - 1e-9)),
        model=judged(own, others),
        retrains=tuple(judged(others[k], np.delete(others, k, axis=0)) for k in range(len(others))),
    )


def moderated_t(phi: Floats, references: Floats) -> tuple[Floats, Prior]:
    """t ``[n]``, not centred, of ``phi [n]`` against ``references [K, n]``, K at least 2; and the variances' prior.

    Source: Smyth 2004, section 4; the factor sqrt(1 + 1/K) is that of one new value.
    """
    # From the first reference, so that identical ones have variance 0 and not the rounding of their mean.
    variance = (references - references[0]).var(axis=0, ddof=1)
    prior = prior_of(variance, len(references) - 1)
    sigma = np.sqrt(moderated_variance(variance, len(references) - 1, prior))
    return (phi - references.mean(0)) / (sigma * np.sqrt(1 + 1 / len(references))), prior


def prior_of(variance: Floats, degrees: int) -> Prior:
    """Prior of ``variance [n]``, each on ``degrees`` degrees of freedom, by the moments of its logarithm.

    Variances of 0 (phi that saturates) have no logarithm and stay out; when all are 0 the references are identical and
    this is NotEstimable. degrees is infinite, and scale the mean variance, where the logarithms spread no more than by
    chance. Source: Smyth 2004, section 6.2.

    >>> prior_of(np.array([1.0, 1.1, 0.9, 1.0]), 4)
    Prior(degrees=inf, scale=1.0)
    """
    known = variance[variance > 0]
    if not len(known):
        raise NotEstimable("exposure: expected retrains that differ, got identical ones; train them with other seeds")
    half = degrees / 2
    logs = np.log(known) - digamma(half) + np.log(half)
    excess = logs.var(ddof=1) - polygamma(1, half) if len(known) > 1 else 0.0
    prior = float(inverse_trigamma(np.array([excess]))[0])
    if np.isinf(prior):
        return Prior(np.inf, float(variance.mean()))
    return Prior(prior, float(np.exp(logs.mean() + digamma(prior / 2) - np.log(prior / 2))))


def moderated_variance(variance: Floats, degrees: int, prior: Prior) -> Floats:
    """``variance [n]`` on ``degrees`` degrees of freedom, drawn towards the prior. Source: Smyth 2004, section 4.

    >>> moderated_variance(np.array([2.25]), 4, Prior(4.0, 1.0)).tolist()
    [1.625]
    """
    if np.isinf(prior.degrees):
        return np.full_like(variance, prior.scale)
    return (prior.degrees * prior.scale + degrees * variance) / (prior.degrees + degrees)


def _judged(t: Floats, unseen: Floats, prior: Prior, degrees: float, rate: float) -> JudgedModel:
    def ranked(scores: Floats, null: Floats) -> Family:
        at_least = len(null) - np.searchsorted(np.sort(null), scores, side="left")
        return _family((1.0 + at_least) / (1.0 + len(null)), rate)

    return JudgedModel(
        t=t,
        prior=prior,
        degrees=degrees,
        exposed=_family(stats.t.sf(t, degrees), rate),
        over_forgotten=_family(stats.t.cdf(t, degrees), rate),
        exposed_ranked=ranked(t, unseen),
        over_forgotten_ranked=ranked(-t, -unseen),
    )


def _family(p: NDArray[np.floating[Any]], rate: float) -> Family:
    adjusted = stats.false_discovery_control(p)
    return Family(np.asarray(p, np.float64), adjusted, adjusted <= rate)


def _rows(name: str, mask: ArrayLike, examples: int) -> Mask:
    rows = np.asarray(mask)
    if rows.dtype != np.bool_ or rows.shape != (examples,):
        raise DataError(f"{name}: expected a boolean mask of shape [{examples}], got {rows.dtype} {list(rows.shape)}")
    if not rows.any():
        raise DataError(f"{name}: expected at least one row, got none")
    return rows
