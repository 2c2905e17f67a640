"""LiRA: how likely a signal is under shadow models that trained on the example, and under those that did not."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Float64
from numpy.typing import ArrayLike

from vestige.attacks.arrays import only_finite
from vestige.attacks.scores.gaussians import Centre, Normals, Rule, Tables, Variance, fit, mask_of, resolve
from vestige.learners.arrays import Array
from vestige.learners.errors import ConfigError, DataError

Form = Literal["online", "offline", "offline_two_sided"]
FEW = 10
FORMS = ("online", "offline", "offline_two_sided")


@dataclass(frozen=True, eq=False)
class Lira:
    """scores: float64 except where a function says otherwise. variance: the rule that was used. floored: (augmentation,
    example) pairs, IN and OUT, whose variance was raised to a hundredth of the pooled one."""

    scores: Float[Array, "targets n"]
    variance: Rule
    floored: int


def lira(
    targets: ArrayLike,
    shadows: Tables,
    member: ArrayLike,
    *,
    form: Form = "online",
    variance: Variance = "auto",
    centre: Centre = "mean",
) -> Lira:
    """Scores of models that are not among the shadows; higher = member.

    targets: phi ``[P, n]``, or ``[P, augmentations, n]`` under those of the shadows. shadows: phi of N models, each
    ``[n]`` or ``[augmentations, n]`` (an array, or one mapped table a model: they are read in blocks). member: bool
    ``[N, n]``.

    - ``online``: log N(phi; in) - log N(phi; out). Needs 2 shadows on each side of every example.
    - ``offline``: (phi - mean out) / deviation out, which ranks as Pr[Z <= phi] does. Needs OUT shadows only.
    - ``offline_two_sided``: -log N(phi; out), also high for an example that the model knows *less* than OUT shadows
      do; that is another attack.

    Augmentations are averaged: log densities, or standard scores. variance: ``fixed``, one for all examples, the mean
    of their variances around their own means; ``per_example``; ``shrunken``, the latter shrunk towards the former by as
    much as the variances' own spread warrants; ``auto``: fixed below 64 shadows. centre: the median is the reference
    code's. Raises NotEstimable with too few shadows. Source: Carlini et al. 2022 (arXiv 2112.03570), algorithm 1,
    section VI.

    >>> lira([[1.0]], [[1.5], [2.5], [-2.0], [2.0]], [[True], [True], [False], [False]]).scores.round(6).tolist()
    [[0.318147]]
    """
    mask = mask_of(member, len(shadows))
    values = target_values(targets, shadows, mask.shape[1])
    if form not in FORMS:
        raise ConfigError(f"form: expected one of {', '.join(FORMS)}, got {form!r}")
    rule = resolve(variance, len(mask))
    outside = fit(shadows, ~mask, rule, side="OUT", centre=centre)
    check_out_of_sample(values, shadows)
    if form != "online":
        return Lira(offline_scores(values, outside, form), rule, outside.floored)
    inside = fit(shadows, mask, rule, side="IN", centre=centre)
    return Lira(log_ratio(values, inside, outside), rule, inside.floored + outside.floored)


def log_ratio(
    values: Float64[Array, "targets augmentations n"], above: Normals, below: Normals
) -> Float64[Array, "targets n"]:
    """Mean over augmentations of log density above - log density below."""
    return above.log_density(values) - below.log_density(values)


def offline_scores(
    values: Float64[Array, "targets augmentations n"], outside: Normals, form: str
) -> Float64[Array, "targets n"]:
    """The one-sided or the two-sided statistic."""
    if form == "offline":
        return outside.standardised(values)
    return -outside.log_density(values)


def target_values(
    targets: ArrayLike, shadows: Tables, examples: int
) -> Float64[Array, "targets augmentations {examples}"]:
    """Targets as float64, under as many augmentations and on as many examples as the shadows."""
    values = np.asarray(targets, dtype=np.float64)
    augmentations = np.atleast_2d(shadows[0]).shape[0]
    if values.ndim == 2:
        values = values[:, None, :]
    if values.ndim != 3 or values.shape[1:] != (augmentations, examples):
        raise DataError(
            f"targets: expected [models, {augmentations} augmentations, {examples} examples] as the shadows have, "
            f"got {list(np.shape(targets))}"
        )
    only_finite("targets", values)
    return values


def check_out_of_sample(values: Float64[Array, "targets augmentations n"], tables: Tables) -> None:
    """Raise DataError where a target is one of the shadows: it would be scored by a fit on itself.

    Compared in the shadows' precision; targets that take only a few values (votes) may agree by chance and pass."""
    for target in values:
        if len(np.unique(target)) < FEW:
            continue
        for place, table in enumerate(tables):
            row = np.atleast_2d(table)
            same = target.astype(row.dtype)
            if np.array_equal(same[:, :1], row[:, :1]) and np.array_equal(same, row):
                raise DataError(
                    f"targets: expected models that are not among the shadows, got one equal to shadow {place}; "
                    "leave it out, or score the shadows themselves with lira_leave_pair_out"
                )
