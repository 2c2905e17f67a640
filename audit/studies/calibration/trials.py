"""How often the whole rule errs: leaks of known size planted in models that never saw the forget set, and judged.

A trial takes one such model as the candidate and K others as the retrains. A leak of share q answers on that share of
the forget examples as the original does; at q = 0 the candidate is a fresh retrain, at q = 1 it knows the forget set as
the original does. Whether a leak is beyond the margin is settled by its mean gap over all trials, not by its share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from vestige.audit.endpoints.baseline import baseline
from vestige.audit.endpoints.endpoints import DEFINITIONS, measure
from vestige.audit.endpoints.groups import find_groups, judge_groups, measure_groups
from vestige.audit.endpoints.preconditions import examine
from vestige.audit.endpoints.scores import score_signals
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Evidence
from vestige.audit.studies.calibration.rates import EDGE, Rate, Trials, covers_zero, gaps_of
from vestige.audit.verdict.controls import plant
from vestige.audit.verdict.evidence import reference_of
from vestige.audit.verdict.rule import decide
from vestige.learners.arrays import Floats, Indices, Labels, Mask

SHARES = tuple(
    round(percent / 100, 2)
    for percent in (0, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 17, 20, 23, 26, 30, 33, 36, 40, 50, 70, 100)
)
"""Shares of the forget set that leak: close together where the edge of the margins was found."""


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

    @property
    def rates(self) -> dict[str, str]:
        """The rates as columns of a table."""
        edge = self.edge
        return {
            "fresh: PASS": str(self.passed),
            "fresh: FAIL": str(self.false_fail),
            EDGE: "-" if edge is None else f"{100 * edge.share:g} % ({edge.excess:.2f})",
            "edge: PASS": "-" if edge is None else str(edge.passed),
            "original: PASS": str(self.original_passed),
        }


def try_model(
    signals: Mapping[str, Floats],
    models: tuple[int, Sequence[int], int],
    labels: Labels,
    forget: Mask,
    policy: Policy,
    order: Indices,
) -> Trials:
    """One trial: the candidate with every share planted, against the retrains.

    signals: of ``read_signals``, ``[models, n]``, on forget and unseen rows. models: rows of the candidate, the
    retrains and the original. order: the forget rows as they leak. Judged is all of the rule but utility and controls,
    on the whole forget set and on its groups."""
    candidate, retrains, original = models
    planted = plant(signals, candidate, original, order, SHARES)
    rows = list(retrains)
    tables = {name: np.concatenate([table[rows], planted[name], table[[original]]]) for name, table in signals.items()}
    scores = score_signals(tables, len(rows), labels, forget, policy.calibration_share, policy.calibration_seed)
    measured = measure(scores, policy.fpr, paired=policy.conservative)
    alone = [endpoint.alone(0) for endpoint in measured]
    standing = examine(alone, scores.phi[: len(rows)], True, int((~forget).sum()), policy)
    groups = find_groups(scores, None)
    parts = measure_groups(groups, policy, paired=policy.conservative)
    reference = reference_of(scores.alone(0), standing)
    outcomes, gaps, covered = [], [], []
    for place in range(len(SHARES)):
        endpoints, judged = judge_groups(
            [endpoint.alone(place) for endpoint in measured],
            groups,
            [[endpoint.alone(place) for endpoint in part] for part in parts],
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
        gaps.append(gaps_of(endpoints))
        covered.append(covers_zero(endpoints))
    return Trials(np.array([outcomes]), np.array([gaps]), covered[0][None], np.array([candidate]))


def summarise(trials: Trials, policy: Policy) -> Calibration:
    """The rates of all trials of one setting."""
    apart = len(np.unique(trials.candidates)) == len(trials.candidates)
    rate = partial(Rate.of, candidates=None if apart else trials.candidates)
    mean = trials.gaps.mean(0)
    known = {DEFINITIONS[place].name: place for place in trials.estimable}
    leaks = tuple(
        Leak(
            share=share,
            excess=max(
                _excess(mean[column, place], place, policy) for place in known.values() if DEFINITIONS[place].primary
            ),
            gaps={name: float(mean[column, place]) for name, place in known.items()},
            passed=rate(trials.outcomes[:, column] == "PASS"),
            failed=rate(trials.outcomes[:, column] == "FAIL"),
        )
        for column, share in enumerate(SHARES)
    )
    return Calibration(
        false_fail=leaks[0].failed,
        passed=leaks[0].passed,
        edge=next((leak for leak in leaks if leak.excess >= 1), None),
        original_passed=leaks[-1].passed,
        coverage={name: rate(trials.covered[:, place]) for name, place in known.items()},
        leaks=leaks,
    )


def _excess(gap: float, place: int, policy: Policy) -> float:
    definition = DEFINITIONS[place]
    return float((gap if definition.sides == "upper" else abs(gap)) / definition.margin(policy))
