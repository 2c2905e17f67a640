"""Rates and figures of all trials of one cell."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vestige.attacks.metrics.influence import share_interval
from vestige.audit.endpoints.endpoints import BY_NAME
from vestige.audit.results.figures import Interval
from vestige.audit.studies.calibration.trials import SHARES, Cell, Trial

OUTCOMES = ("PASS", "FAIL", "INCONCLUSIVE")


@dataclass(frozen=True)
class Rate:
    """A share of trials with its 95 % interval (Clopper-Pearson; trials on one candidate count together)."""

    value: float
    interval: Interval

    @classmethod
    def of(cls, hits: Sequence[bool], candidates: Sequence[int]) -> "Rate":
        """The rate of ``hits``; candidates: the model of each trial."""
        apart = len(set(candidates)) == len(candidates)
        values = np.asarray(hits, np.bool_)
        return cls(float(values.mean()), share_interval(values, None if apart else np.asarray(candidates)))

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.interval[0]:.3f}, {self.interval[1]:.3f}]"


@dataclass(frozen=True)
class Leak:
    """All trials of one share. counts: PASS, FAIL, INCONCLUSIVE. gaps: mean by endpoint. excess: the largest mean gap
    of an endpoint that PASS requires, as a multiple of its margin: from 1 on the leak must not pass."""

    share: float
    counts: tuple[int, int, int]
    passed: Rate
    gaps: dict[str, float]
    excess: float


@dataclass(frozen=True)
class Precision:
    """Of one endpoint on retrains. coverage: of the interval of level 1 - 2 alpha. ratio: root mean square of the gaps
    over that of the stated errors; 1 where the errors are right. factor: c^2 measured, the mean square of the gaps to
    the retrains' mean over the mean of the leave-one-out variances, None below two retrains; specified: by the rule."""

    coverage: Rate
    ratio: float
    factor: float | None
    specified: float


@dataclass(frozen=True)
class Calibration:
    """How the rule does in one cell. passed, failed: of a retrain. reasons: why others did not PASS. edge: the smallest
    leak beyond a margin, None where none of those tried is. changed: outcomes of a retrain that a temperature changed,
    the number tried, and the largest change of a gap."""

    trials: int
    passed: Rate
    failed: Rate
    reasons: dict[str, int]
    edge: Leak | None
    precision: dict[str, Precision]
    leaks: tuple[Leak, ...]
    changed: tuple[int, int, float]


@dataclass(frozen=True)
class Step:
    """The same trials with fewer and with more retrains. counts: candidates that PASS only with fewer, only with more;
    FAIL of leaks beyond the margin with both, only with fewer, only with more."""

    setting: str
    fewer: int
    more: int
    counts: tuple[int, int, int, int]


def summarise(cell: Cell, trials: Sequence[Trial]) -> Calibration:
    """The figures of all trials of one cell."""
    candidates = [trial.candidate for trial in trials]
    leaks = tuple(_leak(place, trials, candidates) for place in range(len(trials[0].outcomes)))
    honest = [trial.outcomes[0] for trial in trials]
    twins = [trial for trial in trials if trial.twin is not None]
    moved = [
        abs(gap - trial.gaps[name][0])
        for trial in twins
        if trial.twin is not None
        for name, gap in trial.twin[1].items()
        if name in trial.gaps
    ]
    return Calibration(
        trials=len(trials),
        passed=leaks[0].passed,
        failed=Rate.of([outcome == "FAIL" for outcome in honest], candidates),
        reasons=dict(Counter(reason for trial in trials for reason in trial.reasons[0]).most_common()),
        edge=next((leak for leak in leaks if leak.excess >= 1), None),
        precision={name: _precision(name, cell, trials, candidates) for name in _names(trials)},
        leaks=leaks,
        changed=(
            sum(trial.twin is not None and trial.twin[0] != trial.outcomes[0] for trial in twins),
            len(twins),
            max(moved, default=0.0),
        ),
    )


def _names(trials: Sequence[Trial]) -> list[str]:
    """Endpoints that are estimable in every trial."""
    return [name for name in trials[0].gaps if all(name in trial.gaps for trial in trials)]


def _leak(place: int, trials: Sequence[Trial], candidates: Sequence[int]) -> Leak:
    outcomes = [trial.outcomes[place] for trial in trials]
    gaps = {name: float(np.mean([trial.gaps[name][place] for trial in trials])) for name in _names(trials)}
    margins = {name: margin for name, margin in trials[0].margins.items() if name in gaps}
    passes, fails, others = (outcomes.count(outcome) for outcome in OUTCOMES)
    return Leak(
        share=SHARES[place],
        counts=(passes, fails, others),
        passed=Rate.of([outcome == "PASS" for outcome in outcomes], candidates),
        gaps=gaps,
        excess=max((_size(name, gaps[name]) / margin for name, margin in margins.items()), default=0.0),
    )


def _size(name: str, gap: float) -> float:
    return gap if BY_NAME[name.partition(":")[0]].sides == "upper" else abs(gap)


def _precision(name: str, cell: Cell, trials: Sequence[Trial], candidates: Sequence[int]) -> Precision:
    gaps, errors, residuals, spreads = (
        np.array(values)
        for values in zip(
            *((t.gaps[name][0], t.errors[name], t.residuals[name], t.spreads[name]) for t in trials), strict=True
        )
    )
    spread = float((spreads**2).mean()) if cell.retrains > 1 else 0.0
    return Precision(
        coverage=Rate.of([trial.covered[name] for trial in trials], candidates),
        ratio=float(np.sqrt((gaps**2).mean() / (errors**2).mean())),
        factor=float((residuals**2).mean()) / spread if spread > 0 else None,  # nan: two retrains give S none
        specified=BY_NAME[name.partition(":")[0]].factor(cell.retrains),
    )


def steps(trials: Mapping[Cell, Sequence[Trial]], found: Mapping[Cell, Calibration]) -> list[Step]:
    """Every K with the next one of the same setting, trial by trial."""
    ordered = sorted(trials, key=lambda cell: (cell.setting, cell.retrains))
    pairs = [pair for pair in zip(ordered, ordered[1:], strict=False) if pair[0].setting == pair[1].setting]
    return [_step(fewer, more, trials, found) for fewer, more in pairs]


def _step(fewer: Cell, more: Cell, trials: Mapping[Cell, Sequence[Trial]], found: Mapping[Cell, Calibration]) -> Step:
    leaks = zip(found[fewer].leaks, found[more].leaks, strict=True)
    beyond = [place for place, pair in enumerate(leaks) if min(leak.excess for leak in pair) >= 1]
    before, after = trials[fewer], trials[more]
    counts = (*_changes(before, after, [0], "PASS"), *_changes(before, after, beyond, "FAIL"))
    return Step(fewer.setting, fewer.retrains, more.retrains, counts)


def _changes(before: Sequence[Trial], after: Sequence[Trial], places: list[int], outcome: str) -> tuple[int, int]:
    """In how many trials this was the outcome only before, and only after."""
    pairs = [
        (first.outcomes[place] == outcome, second.outcomes[place] == outcome)
        for first, second in zip(before, after, strict=True)
        for place in places
    ]
    return sum(first > second for first, second in pairs), sum(second > first for first, second in pairs)
