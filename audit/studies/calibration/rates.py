"""Trials of a rule, run in many processes, and the rates that they give."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

from vestige.attacks.metrics.influence import share_interval
from vestige.audit.progress import Watch
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.exchangeable import ExampleEndpoint
from vestige.audit.results.figures import Interval
from vestige.learners.arrays import Array, Mask
from vestige.learners.engine.jobs import run_jobs
from vestige.learners.progress import Progress

EDGE = "edge (excess)"


@dataclass(frozen=True)
class Rate:
    """A share of trials with its 95 % interval (Clopper-Pearson; trials on one candidate count together)."""

    value: float
    interval: Interval
    trials: int

    @classmethod
    def of(cls, hits: Mask, candidates: Array | None) -> "Rate":
        """The rate of ``hits [trials]``; candidates: the model of each trial, None where trials are independent."""
        return cls(float(hits.mean()), share_interval(hits, candidates), len(hits))

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.interval[0]:.3f}, {self.interval[1]:.3f}]"


@dataclass(frozen=True, eq=False)
class Trials:
    """What came out. outcomes: PASS, FAIL, INCONCLUSIVE. gaps: NaN where not estimable. covered: whether the interval
    of a fresh retrain's gap holds zero. candidates: which model was judged; trials on the same one are no independent
    ones."""

    outcomes: Shaped[Array, "trials shares"]
    gaps: Float64[Array, "trials shares endpoints"]
    covered: Bool[Array, "trials endpoints"]
    candidates: Int64[Array, " trials"]

    @property
    def estimable(self) -> list[int]:
        """Places of the endpoints that have a gap in every trial."""
        return [place for place in range(self.gaps.shape[2]) if np.isfinite(self.gaps[:, 0, place]).all()]


Kind = TypeVar("Kind", bound=Trials)
Group = TypeVar("Group")
Case = TypeVar("Case")


def gaps_of(endpoints: Sequence[Endpoint] | Sequence[ExampleEndpoint]) -> list[float]:
    """The gap of each endpoint, NaN where it is not estimable."""
    return [np.nan if endpoint.gap is None else endpoint.gap for endpoint in endpoints]


def covers_zero(endpoints: Sequence[Endpoint] | Sequence[ExampleEndpoint]) -> Bool[Array, " endpoints"]:
    """Whether the interval of each endpoint's gap holds zero."""
    intervals = [endpoint.interval for endpoint in endpoints]
    return np.array([interval is None or interval[0] <= 0 <= interval[1] for interval in intervals])


def join(trials: Sequence[Kind]) -> Kind:
    """All of them in one."""
    kind = type(trials[0])
    return kind(*(np.concatenate([getattr(part, field) for part in trials]) for field in kind.__dataclass_fields__))


def run_trials(
    try_one: Callable[[Group, Case], Kind],
    blocks: Sequence[tuple[Group, Sequence[Case]]],
    *,
    workers: int,
    watch: Watch,
) -> dict[Group, Kind]:
    """All trials of each setting. blocks: cases that one process tries in turn. workers: processes side by side."""
    found: dict[Group, list[Kind]] = {setting: [] for setting, _ in blocks}
    progress = partial(watch, "calibrating")
    for position, trials in run_jobs(partial(_try_block, try_one), blocks, workers=workers, progress=progress):
        found[blocks[position][0]].append(trials)
    return {setting: join(parts) for setting, parts in found.items()}


def _try_block(try_one: Callable[[Group, Case], Kind], block: tuple[Group, Sequence[Case]], progress: Progress) -> Kind:
    setting, cases = block
    trials = []
    for done, case in enumerate(cases, start=1):
        trials.append(try_one(setting, case))
        progress(done, len(cases))
    return join(trials)
