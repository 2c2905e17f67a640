"""A trial: a model that never saw the forget set is the candidate, others like it are retrains, and the rule judges.

A leak of share q answers on that share of the forget examples as the original does: at 0 the candidate is a retrain, at
1 it knows the forget set as the original does. Whether a leak is beyond a margin is settled by its mean gap over all
trials, not by its share.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.decisions import judge
from vestige.audit.endpoints.endpoints import Measured, measure
from vestige.audit.endpoints.preconditions import Standing
from vestige.audit.endpoints.readings import read
from vestige.audit.endpoints.scores import Scores, score
from vestige.audit.endpoints.setting import setting_of
from vestige.audit.endpoints.unseen import unseen_check
from vestige.audit.endpoints.utility import utility
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Evidence, Utility
from vestige.audit.results.setting import CHOSEN, Setting
from vestige.audit.verdict.controls import leaking_rows
from vestige.audit.verdict.evidence import reference_of, settle
from vestige.audit.verdict.grades import LEAST_CHOSEN
from vestige.audit.verdict.rule import decide
from vestige.learners.arrays import Array, Labels
from vestige.learners.seeds import numpy_generator

SHARES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 1.0)
"""Shares of the forget set that leak."""
RANDOM = Setting("random", "known")
REDRAWN = "redrawn"
TEMPERATURES = (0.2, 0.5, 2.0, 5.0)


class Cell(NamedTuple):
    """What is tried. setting: of the audit; ``REDRAWN``: random, with forget and unseen examples dealt out anew among
    those that no retrain saw. retrains: K."""

    setting: str
    retrains: int


@dataclass(frozen=True, eq=False)
class Pool:
    """Logits ``[models, n, classes]`` of models that never saw the forget set, and at last of the original. redraw:
    whether forget and unseen rows may change places: no retrain was trained on either."""

    logits: Float[Array, "models n classes"]
    labels: Labels
    role: NDArray[np.str_]
    redraw: bool

    def outputs(self, candidate: int, retrains: Sequence[int]) -> Outputs:
        """The audit of one model against others."""
        return Outputs(
            labels=self.labels,
            role=self.role,
            candidate=self.logits[candidate],
            retrain=self.logits[list(retrains)],
            original=self.logits[-1],
        )


@dataclass(frozen=True)
class Case:
    """A candidate, and the retrains in the order in which they join; seed: of leaks and redrawn roles. temperature: of
    a twin of the candidate."""

    candidate: int
    retrains: tuple[int, ...]
    seed: int
    temperature: float = 1.0


@dataclass(frozen=True, eq=False)
class Trial:
    """What came out. outcomes, reasons, gaps (by endpoint): by share of the leak. covered, errors, spreads, residuals
    (gap to the mean of the retrains, NaN without any): of the retrain itself, by endpoint. margins: of the primary
    endpoints. twin: outcome and gaps of the candidate at another temperature, where it was tried."""

    candidate: int
    outcomes: tuple[str, ...]
    reasons: tuple[tuple[str, ...], ...]
    gaps: dict[str, tuple[float, ...]]
    covered: dict[str, bool]
    errors: dict[str, float]
    spreads: dict[str, float]
    residuals: dict[str, float]
    margins: dict[str, float]
    twin: tuple[str, dict[str, float]] | None = None


def try_case(pool: Pool, retrains: Sequence[int], policy: Policy, case: Case) -> dict[Cell, Trial]:
    """Every setting at every K of ``retrains``: the first K of the case's. The rule is whole but for the controls."""
    found = {}
    for k in retrains:
        outputs = pool.outputs(case.candidate, case.retrains[:k])
        of_class = setting_of(outputs).of_class
        settings = [setting_of(outputs)] if of_class else [RANDOM, *([CHOSEN] if k >= LEAST_CHOSEN else [])]
        readings = read(outputs, settings[0], range(k), policy.calibration_share)
        order = leaking_rows(readings, numpy_generator(case.seed, "leaks"))
        leaks = [order[: int(np.ceil(share * len(order)))] for share in SHARES]
        scores = score(readings.plant(k, leaks))
        for setting in settings:
            trial = _try(replace(scores, setting=setting), outputs, policy, case.candidate)
            if case.temperature != 1 and setting is settings[-1]:
                trial = replace(trial, twin=_twin(outputs, setting, case, policy))
            found[Cell(setting.name, k)] = trial
        if pool.redraw and not of_class:
            found[Cell(REDRAWN, k)] = _redrawn(outputs, case, policy)
    return found


def _redrawn(outputs: Outputs, case: Case, policy: Policy) -> Trial:
    role, never = outputs.role.copy(), np.flatnonzero(outputs.role != "retain")
    role[never] = numpy_generator(case.seed, "redrawn forget set").permutation(role[never])
    return _honest(replace(outputs, role=role, original=None), RANDOM, policy, case.candidate)


def _twin(outputs: Outputs, setting: Setting, case: Case, policy: Policy) -> tuple[str, dict[str, float]]:
    hot = outputs.candidate * np.asarray(case.temperature, outputs.candidate.dtype)
    trial = _honest(replace(outputs, candidate=hot), setting, policy, case.candidate)
    return trial.outcomes[0], {name: gaps[0] for name, gaps in trial.gaps.items()}


def _honest(outputs: Outputs, setting: Setting, policy: Policy, candidate: int) -> Trial:
    readings = read(outputs, setting, range(len(outputs.retrain)), policy.calibration_share)
    return _try(score(readings), outputs, policy, candidate)


def _try(scores: Scores, outputs: Outputs, policy: Policy, candidate: int) -> Trial:
    """scores: of the retrains, the candidate with every leak, and the original if there is one."""
    k, original = scores.retrains, scores.has_original
    measured = measure(scores, policy)
    leaks = [tuple(measure.alone(place) for measure in measured) for place in range(len(scores.phi) - k - original)]
    standing = settle(scores, leaks[0], policy)
    usefulness = utility(outputs, tuple(range(k)), scores.setting, policy)
    verdicts = [_verdict(scores, of_leak, standing, usefulness, policy) for of_leak in leaks]
    honest = [measure for measure in leaks[0] if measure.estimable and not measure.statistic.where.startswith("class ")]
    errors = {measure.name: measure.error(0) for measure in honest}
    return Trial(
        candidate=candidate,
        outcomes=tuple(outcome for outcome, _ in verdicts),
        reasons=tuple(reasons for _, reasons in verdicts),
        gaps={
            name: tuple(measure.gap(0) for of_leak in leaks for measure in of_leak if measure.name == name)
            for name in errors
        },
        covered={
            measure.name: abs(measure.gap(0)) <= errors[measure.name].half_width(policy.level) for measure in honest
        },
        errors={name: error.error for name, error in errors.items()},
        spreads={measure.name: np.nan if measure.spread is None else measure.spread for measure in honest},
        residuals={measure.name: _residual(measure) for measure in honest},
        margins={measure.name: measure.margin(policy) for measure in honest if measure.primary},
    )


def _residual(measured: Measured) -> float:
    k = measured.retrains
    return float(measured.values[k] - measured.values[:k].mean()) if k else np.nan


def _verdict(
    scores: Scores, measured: tuple[Measured, ...], standing: Standing, usefulness: tuple[Utility, ...], policy: Policy
) -> tuple[str, tuple[str, ...]]:
    """Outcome, and reasons with where. A forget set that was redrawn has no original: that nobody caught it, and
    without a retrain that there is nothing to compare accuracy with, is no obstacle then."""
    evidence = Evidence(
        candidate="candidate",
        setting=scores.setting,
        endpoints=judge(measured, standing.effective, standing.problem, policy),
        utility=usefulness,
        reference=reference_of(scores, standing),
        scale=(),
        no_op=False,
        unseen_check=unseen_check(scores, next((part for part in usefulness if part.role == "unseen"), None), policy),
    )
    verdict = decide(evidence, policy)
    absent = () if scores.has_original else ("NO_SIGNAL",) if usefulness else ("NO_SIGNAL", "UTILITY")
    kept = [reason for reason in verdict.reasons if reason.code not in absent]
    outcome = verdict.outcome if kept or scores.has_original else "PASS"
    return outcome, tuple(label for reason in kept for label in _labels(reason.code, reason.where))


def _labels(code: str, where: tuple[str, ...]) -> Iterator[str]:
    yield from (f"{code} {name}" for name in where) if where and code != "REFERENCE" else (code,)
