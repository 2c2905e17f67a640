"""How often the whole rule errs: leaks of known size planted in models that never saw the forget set, and judged.

A trial takes one such model as the candidate and K others as the retrains. A leak of share q answers on that share of
the forget examples as the original does; at q = 0 the candidate is a fresh retrain, at q = 1 it knows the forget set as
the original does. Whether a leak is beyond the margin is settled by its mean gap over all trials, not by its share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.metrics.influence import share_interval
from vestige.audit.endpoints.baseline import baseline
from vestige.audit.endpoints.endpoints import DEFINITIONS, measure
from vestige.audit.endpoints.groups import find_groups, judge_groups, measure_groups
from vestige.audit.endpoints.preconditions import examine
from vestige.audit.endpoints.scores import score_signals
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Evidence
from vestige.audit.results.figures import Interval
from vestige.audit.verdict.controls import plant
from vestige.audit.verdict.evidence import reference_of
from vestige.audit.verdict.rule import decide
from vestige.learners.arrays import Floats, Mask
from vestige.learners.data.examples import Indices

SHARES = tuple(
    round(percent / 100, 2)
    for percent in (0, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 17, 20, 23, 26, 30, 33, 36, 40, 50, 70, 100)
)
"""Shares of the forget set that leak: close together where the edge of the margins was found."""


@dataclass(frozen=True, eq=False)
class Trials:
    """What came out. outcomes: ``[trials, shares]`` of PASS, FAIL, INCONCLUSIVE. gaps: ``[trials, shares, endpoints]``,
    NaN where not estimable. covered: bool ``[trials, endpoints]``, whether the interval of a fresh retrain's gap holds
    zero. candidates: ``[trials]``, which model was judged: trials on the same one are no independent ones."""

    outcomes: NDArray[np.str_]
    gaps: Floats
    covered: NDArray[np.bool_]
    candidates: Indices


@dataclass(frozen=True)
class Rate:
    """A share of trials with its 95 % interval (Clopper-Pearson; trials on one candidate count together)."""

    value: float
    interval: Interval
    trials: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.interval[0]:.3f}, {self.interval[1]:.3f}]"


@dataclass(frozen=True)
class Leak:
    """All trials of one share. gaps: mean gap by endpoint. excess: the largest mean gap of a primary endpoint, as a
    multiple of its margin: from 1 on the leak is beyond the margin and must not pass."""

    share: float
    excess: float
    gaps: dict[str, float]
    passed: Rate
    failed: Rate


@dataclass(frozen=True)
class Calibration:
    """The error rates of the rule in one setting. false_fail, passed: of a fresh retrain. edge: the smallest leak that
    is beyond the margin and must not pass; None where none of those tried is. original_passed: at q = 1. coverage: by
    endpoint, of the PASS interval of a fresh retrain, of level 1 - 2 alpha. leaks: all shares."""

    false_fail: Rate
    passed: Rate
    edge: Leak | None
    original_passed: Rate
    coverage: dict[str, Rate]
    leaks: tuple[Leak, ...]


def try_model(
    signals: Mapping[str, Floats],
    candidate: int,
    retrains: Sequence[int],
    original: int,
    labels: Indices,
    forget: Mask,
    policy: Policy,
    order: Indices,
) -> Trials:
    """One trial: the model ``candidate`` with every share planted, against ``retrains`` (rows of the signals).

    signals: of ``read_signals``, ``[models, n]``, on forget and unseen rows. order: the forget rows as they leak.
    Judged is all of the rule but utility and controls, on the whole forget set and on its groups."""
    planted = plant(signals, candidate, original, order, SHARES)
    rows = list(retrains)
    tables = {name: np.concatenate([table[rows], planted[name], table[[original]]]) for name, table in signals.items()}
    scores = score_signals(tables, len(rows), labels, forget, policy.calibration_share, policy.calibration_seed)
    measured = measure(scores, policy.fpr, paired=policy.conservative)
    standing = examine([one.alone(0) for one in measured], scores.phi[: len(rows)], True, int((~forget).sum()), policy)
    groups = find_groups(scores, None)
    parts = measure_groups(groups, policy, paired=policy.conservative)
    reference = reference_of(scores.alone(0), standing)
    outcomes, gaps = [], np.full((len(SHARES), len(DEFINITIONS)), np.nan)
    covered = np.ones(len(DEFINITIONS), np.bool_)
    for place in range(len(SHARES)):
        endpoints, judged = judge_groups(
            [one.alone(place) for one in measured],
            groups,
            [[one.alone(place) for one in part] for part in parts],
            standing,
            policy,
        )
        evidence = Evidence(
            candidate=str(candidate),
            reference=reference,
            no_op=False,
            endpoints=endpoints,
            groups=judged,
            utility=(),
            baseline=baseline(scores.alone(place), policy),
            operating_points=(),
            attacks=(),
            curves=(),
            histograms=(),
        )
        outcomes.append(decide(evidence, policy).outcome)
        gaps[place] = [np.nan if one.gap is None else one.gap for one in endpoints]
        if place == 0:
            covered = np.array([one.interval is None or one.interval[0] <= 0 <= one.interval[1] for one in endpoints])
    return Trials(np.array([outcomes]), gaps[None], covered[None], np.array([candidate]))


def join(trials: Sequence[Trials]) -> Trials:
    """All of them in one."""
    return Trials(
        outcomes=np.concatenate([one.outcomes for one in trials]),
        gaps=np.concatenate([one.gaps for one in trials]),
        covered=np.concatenate([one.covered for one in trials]),
        candidates=np.concatenate([one.candidates for one in trials]),
    )


def summarise(trials: Trials, policy: Policy) -> Calibration:
    """The rates of all trials of one setting."""
    groups = trials.candidates if len(np.unique(trials.candidates)) < len(trials.candidates) else None

    def rate(hits: NDArray[np.bool_]) -> Rate:
        return Rate(float(hits.mean()), share_interval(hits, groups), len(hits))

    known = [place for place in range(len(DEFINITIONS)) if np.isfinite(trials.gaps[:, 0, place]).all()]
    leaks = tuple(
        Leak(
            share=share,
            excess=max(_excess(mean[place], place, policy) for place in known if DEFINITIONS[place].primary),
            gaps={DEFINITIONS[place].name: float(mean[place]) for place in known},
            passed=rate(trials.outcomes[:, column] == "PASS"),
            failed=rate(trials.outcomes[:, column] == "FAIL"),
        )
        for column, share in enumerate(SHARES)
        for mean in [trials.gaps[:, column].mean(0)]
    )
    return Calibration(
        false_fail=leaks[0].failed,
        passed=leaks[0].passed,
        edge=next((leak for leak in leaks if leak.excess >= 1), None),
        original_passed=leaks[-1].passed,
        coverage={DEFINITIONS[place].name: rate(trials.covered[:, place]) for place in known},
        leaks=leaks,
    )


def _excess(gap: float, place: int, policy: Policy) -> float:
    definition = DEFINITIONS[place]
    return float((gap if definition.sides == "upper" else abs(gap)) / definition.margin(policy))
