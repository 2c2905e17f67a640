"""Would the original be right far more often, were its images prepared in another way? Mean and deviation that are not
those of training cost a network a part of its accuracy: too little to look like guessing, enough to blur a verdict."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from vestige.attacks.metrics.distributions import binom
from vestige.audit.data_checks.preprocessing_trials import (
    STEPS,
    command_options,
    common,
    gained,
    moved,
    reversed_colours,
)
from vestige.audit.progress import Watch
from vestige.learners.arrays import Indices, Labels
from vestige.learners.errors import DataError
from vestige.learners.external.inference import infer
from vestige.learners.external.model_files import ExternalModel
from vestige.learners.external.preprocessing import Preprocessing
from vestige.learners.seeds import numpy_generator

STAGE = "checking how images are prepared"
ROWS = 512
"""Retain rows that are predicted, at most."""
CHOOSING = 4
"""One in so many of them chooses a preparation; the others decide about it, so that choosing among many is free."""
LEVEL = 1e-6
"""The chosen preparation is better where the exact p-value is below this"""
FEWER = 0.5
"""and where it makes at most this share of the given one's errors,"""
RIGHT = 0.9
"""if the original is right on at least this share of the rows with it, as training leaves a network;"""
FAR_FEWER = 0.25
"""else at most this share. A network that has learned little from images with much noise answers clean ones as if dim,
and can make a third of its errors with more contrast."""
MOST_PASSES = 25
"""Preparations that are tried, at most, the given one included; all but one of them on the choosing rows."""

LogitsOf = Callable[[Preprocessing, slice], NDArray[Any]]


@dataclass(frozen=True)
class Better:
    """A preparation that fits better. rows: that decided; given, other: how many of these the original has right."""

    preprocessing: Preprocessing
    rows: int
    given: int
    other: int


def draw_rows(retain: Labels, seed: int) -> Indices:
    """At most ``ROWS`` of the rows ``retain``, drawn with the audit's seed, in random order."""
    return numpy_generator(seed, "rows that check how images are prepared").permutation(retain)[:ROWS]


def check_preparation(
    original: ExternalModel,
    given: Preprocessing,
    images: NDArray[Any],
    labels: Labels,
    batch_size: int,
    *,
    watch: Watch,
) -> None:
    """Raises DataError where the original is right far more often with images prepared in another way.

    images: uint8 ``[n, height, width, channels]`` of retain rows in random order (``draw_rows``); labels: ``[n]``. See
    ``find_better`` for the rule."""
    done = 0

    def logits_of(preprocessing: Preprocessing, rows: slice) -> NDArray[Any]:
        nonlocal done
        logits = infer(original.prepared_by(preprocessing).predictor, images[rows], batch_size=batch_size)
        done += 1
        watch(STAGE, done, MOST_PASSES)
        return logits

    better = find_better(logits_of, given, labels, images.shape[3])
    watch(STAGE, MOST_PASSES, MOST_PASSES)
    if better is not None:
        as_given, by_trial = command_options(given), command_options(better.preprocessing)
        raise DataError(
            f"expected images prepared as in training, got an original right on {better.given / better.rows:.3f} of "
            f"{better.rows} retain rows as given ({as_given}) and on {better.other / better.rows:.3f} as found by "
            f"trial (such as {by_trial}); give mean, std and channels of training, or --preprocess "
            "with the function of training, which is used as it is"
        )


def find_better(logits_of: LogitsOf, given: Preprocessing, labels: Labels, channels: int) -> Better | None:
    """The preparation with which a model is right far more often than with the given one; None where there is none.

    logits_of: logits ``[m, classes]`` for a preparation and a slice of the rows; may raise DataError for any but the
    given one. labels ``[n]``, in random order. channels: of the images.

    Tried are common means and deviations, 0..1 and 0..255, the other order of colours, and steps of gain and offset
    from the best of these: what the options can say. The first quarter of the rows chooses one, by rows right and then
    by the labels' mean log-probability. The other rows decide: McNemar's exact one-sided p, of rows that only one of
    both has right, is below 1e-6, and the errors are at most half, or at most a quarter where more than a tenth of the
    rows stay wrong. Where the given one makes too few errors to come there (fewer than 20), nothing else is tried.

    A model for which no other preparation is better is refused with a chance below 1e-6, whatever its accuracy. Of 384
    honest small networks of kinds that might gain from another one (labels made wrong, stopped early, brightness
    jitter; docs/outside.md) none was refused, 291 of them right on .70 to .95: at most 1.0 % of such (95 %).
    Source: McNemar 1947, with the exact binomial tail of the discordant rows.
    """
    choosing, deciding = slice(0, len(labels) // CHOOSING), slice(len(labels) // CHOOSING, len(labels))
    first = logits_of(given, slice(0, len(labels)))
    right = first.argmax(1)[deciding] == labels[deciding]
    if choosing.stop == 0 or 0.5 ** int((~right).sum()) >= LEVEL:
        return None
    best, best_score = given, _score(first[choosing], labels[choosing])

    def choose(among: Iterable[Preprocessing]) -> None:
        nonlocal best, best_score
        for trial in among:
            try:
                score = _score(logits_of(trial, choosing), labels[choosing])
            except DataError:  # a network may refuse, or overflow at, inputs of another range
                continue
            if score > best_score:
                best, best_score = trial, score

    seen = {None: channels, "grey": 1}.get(given.channels, 3)
    choose(reversed_colours(given, channels))
    choose(common(best, seen))
    for gains, offsets in STEPS:
        choose(gained(best, gains))
        choose(moved(best, offsets))
    choose(reversed_colours(best, channels))
    if best == given:
        return None
    try:
        other = logits_of(best, deciding).argmax(1) == labels[deciding]
    except DataError:
        return None
    gain, loss = int((other & ~right).sum()), int((right & ~other).sum())
    p = float(binom.sf(gain - 1, gain + loss, 0.5))
    allowed = FEWER if other.mean() >= RIGHT else FAR_FEWER
    if p >= LEVEL or (~other).sum() > allowed * (~right).sum():
        return None
    return Better(best, len(right), int(right.sum()), int(other.sum()))


def _score(logits: NDArray[Any], labels: Labels) -> tuple[int, float]:
    log_probabilities = log_softmax(logits.astype(np.float64), axis=1)
    return int((logits.argmax(1) == labels).sum()), float(log_probabilities[np.arange(len(labels)), labels].mean())
