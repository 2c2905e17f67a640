"""Rates of the second mode: what is tried, and what came out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vestige.attacks.metrics.influence import share_interval
from vestige.audit.exchangeable.decisions import WORDS, margin_of
from vestige.audit.policy import Policy
from vestige.audit.studies.calibration.trials import Rate
from vestige.learners.arrays import Floats, Mask
from vestige.learners.data.examples import Indices

SHARES = (0.0, 0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.7, 1.0)
"""Shares of the forget set that leak."""


@dataclass(frozen=True)
class Setting:
    """by: how the forget set is drawn, ``random``, ``classes`` (the lower half of the labels ``ratio`` times as likely)
    or ``difficulty`` (the hardest example, on a model that takes no other part, ``ratio`` times as likely as the
    easiest).
    retrains, shadows: models that the candidate is held against."""

    by: str
    ratio: float
    retrains: int
    shadows: int


SETTINGS = (
    *(Setting("random", 1, k, s) for k, s in ((1, 0), (2, 0), (0, 8), (0, 0))),
    *(Setting("classes", 3, k, s) for k, s in ((1, 0), (0, 0))),
    *(Setting("difficulty", ratio, k, s) for ratio in (2, 4, 16) for k, s in ((1, 0), (0, 0))),
)


@dataclass(frozen=True, eq=False)
class Trials:
    """outcomes, unguarded: ``[trials, shares]``, the second as if nothing had been contradicted; gaps: ``[trials,
    shares, endpoints]``, NaN where not estimable; covered ``[trials, endpoints]``: whether the interval of a fresh
    retrain holds zero; contradicted ``[trials]``; candidates ``[trials]``."""

    outcomes: np.ndarray[tuple[int, int], np.dtype[np.str_]]
    unguarded: np.ndarray[tuple[int, int], np.dtype[np.str_]]
    gaps: Floats
    covered: Mask
    contradicted: Mask
    candidates: Indices


@dataclass(frozen=True)
class Leak:
    """excess: largest mean gap over that of a fresh retrain, as a multiple of its margin."""

    share: float
    excess: float
    passed: Rate
    failed: Rate
    passed_unguarded: Rate


@dataclass(frozen=True)
class ModeCalibration:
    """Error rates of one setting. edge: the smallest leak beyond the margin, which must not pass. unguarded: as if
    nothing had been contradicted. coverage: by endpoint, of zero."""

    setting: Setting
    contradicted: Rate
    passed: Rate
    false_fail: Rate
    false_fail_unguarded: Rate
    edge: Leak | None
    coverage: dict[str, Rate]
    leaks: tuple[Leak, ...]


def join(trials: Sequence[Trials]) -> Trials:
    """All of them in one."""
    return Trials(*(np.concatenate([getattr(one, field) for one in trials]) for field in Trials.__dataclass_fields__))


def summarise(setting: Setting, parts: Sequence[Trials], policy: Policy) -> ModeCalibration:
    """The rates of all trials of one setting."""
    trials = join(parts)

    def rate(hits: Mask) -> Rate:
        return Rate(float(hits.mean()), share_interval(hits, trials.candidates), len(hits))

    known = [place for place in range(len(WORDS)) if np.isfinite(trials.gaps[:, 0, place]).all()]
    names = list(WORDS)
    margins = np.array([margin_of(names[place], policy) for place in known])
    shifts = (trials.gaps[:, :, known] - trials.gaps[:, :1, known]).mean(0)
    leaks = tuple(
        Leak(
            share=share,
            excess=float((shifts[column] / margins).max()),
            passed=rate(trials.outcomes[:, column] == "PASS"),
            failed=rate(trials.outcomes[:, column] == "FAIL"),
            passed_unguarded=rate(trials.unguarded[:, column] == "PASS"),
        )
        for column, share in enumerate(SHARES)
    )
    return ModeCalibration(
        setting=setting,
        contradicted=rate(trials.contradicted),
        passed=leaks[0].passed,
        false_fail=leaks[0].failed,
        false_fail_unguarded=rate(trials.unguarded[:, 0] == "FAIL"),
        edge=next((leak for leak in leaks if leak.excess >= 1), None),
        coverage={names[place]: rate(trials.covered[:, place]) for place in known},
        leaks=leaks,
    )
