"""Rates of the second mode: what is tried, and what came out."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Bool, Shaped

from vestige.audit.exchangeable.decisions import WORDS, margin_of
from vestige.audit.policy import Policy
from vestige.audit.studies.calibration.rates import EDGE, Rate, Trials
from vestige.learners.arrays import Array

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
class ExampleTrials(Trials):
    """unguarded: the outcomes as if nothing had been contradicted. contradicted: whether something was."""

    unguarded: Shaped[Array, "trials shares"]
    contradicted: Bool[Array, " trials"]


@dataclass(frozen=True)
class ExampleLeak:
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
    edge: ExampleLeak | None
    coverage: dict[str, Rate]
    leaks: tuple[ExampleLeak, ...]

    @property
    def rates(self) -> dict[str, str]:
        """The rates as columns of a table."""
        edge = self.edge
        return {
            "contradicted": str(self.contradicted),
            "fresh: PASS": str(self.passed),
            "fresh: FAIL": str(self.false_fail),
            "fresh: FAIL, unguarded": str(self.false_fail_unguarded),
            EDGE: "-" if edge is None else f"{100 * edge.share:g} % ({edge.excess:.2f})",
            "edge: PASS": "-" if edge is None else str(edge.passed),
            "edge: PASS, unguarded": "-" if edge is None else str(edge.passed_unguarded),
        }


def summarise(setting: Setting, trials: ExampleTrials, policy: Policy) -> ModeCalibration:
    """The rates of all trials of one setting."""
    rate, known = partial(Rate.of, candidates=trials.candidates), trials.estimable
    names = list(WORDS)
    margins = np.array([margin_of(names[place], policy) for place in known])
    shifts = (trials.gaps[:, :, known] - trials.gaps[:, :1, known]).mean(0)
    leaks = tuple(
        ExampleLeak(
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
