"""What a study found, as plain values: per seed as it was measured, and per method over the seeds.

Every field of ``Study`` is a key of its JSON file. Accuracies and MIA-efficacy are in percent.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from vestige.attacks.metrics.literature import average_gap
from vestige.audit.config.config import CONTROLS

NO_OP, FRESH = CONTROLS


@dataclass(frozen=True)
class LiteratureNumbers:
    """The literature's numbers on one model, in percent, and the size of the model.

    retain_accuracy: RA. unlearn_accuracy: UA, 100 minus the accuracy on forget. test_accuracy: TA. forward_flops: of
    one image. notes: what the method that made the model wrote down.
    """

    retain_accuracy: float
    unlearn_accuracy: float
    test_accuracy: float
    mia_efficacy_svc_confidence: float
    forward_flops: int
    notes: tuple[str, ...] = ()

    @property
    def four(self) -> tuple[float, float, float, float]:
        """RA, UA, TA, MIA-efficacy: what the average gap is over."""
        return (
            self.retain_accuracy,
            self.unlearn_accuracy,
            self.test_accuracy,
            self.mia_efficacy_svc_confidence,
        )


@dataclass(frozen=True)
class CandidateVerdict:
    """What the audit concluded about one candidate, and what the candidate cost.

    gaps: of each endpoint, utility: gaps of accuracy (fractions) by role; None where not estimable. flops, seconds:
    of the method's run; share_of_retrain: its FLOPs over one retrain's. stop: why it ended.
    """

    outcome: str
    reasons: tuple[str, ...]
    grade: str
    gaps: dict[str, float | None]
    utility: dict[str, float]
    weights: str | None
    parameters: dict[str, Any]
    flops: float | None
    share_of_retrain: float | None
    seconds: float | None
    stop: str | None


@dataclass(frozen=True)
class CandidateRecord:
    """One candidate of one seed; ``refusal`` instead of numbers where the method refused these data."""

    name: str
    method: str
    given: dict[str, Any]
    measured: LiteratureNumbers | None
    judged: CandidateVerdict | None
    refusal: str | None


@dataclass(frozen=True)
class SeedRecord:
    """One seed of one audit file. problems: what is wrong with its controls, a sentence each."""

    seed: int
    split: str
    counts: dict[str, int]
    original: LiteratureNumbers
    retrains: tuple[LiteratureNumbers, ...]
    candidates: tuple[CandidateRecord, ...]
    problems: tuple[str, ...]

    @property
    def retrain_means(self) -> tuple[float, ...]:
        """RA, UA, TA and MIA-efficacy of Retrain: means over the seed's retrains."""
        return means([retrain.four for retrain in self.retrains])

    def candidate(self, name: str) -> CandidateRecord:
        """The candidate with this name."""
        return next(candidate for candidate in self.candidates if candidate.name == name)


@dataclass(frozen=True)
class SettingRecord:
    """One audit file over all seeds. setting: what is forgotten, sample, class or subject."""

    file: str
    setting: str
    data: str
    classes: int
    shape: tuple[int, int, int]
    recipe: dict[str, Any]
    policy: dict[str, Any]
    device: str
    seeds: tuple[SeedRecord, ...]

    @property
    def retrains(self) -> list[LiteratureNumbers]:
        """All retrains of all seeds."""
        return [retrain for seed in self.seeds for retrain in seed.retrains]

    @property
    def retrain_means(self) -> tuple[float, ...]:
        """RA, UA, TA and MIA-efficacy of Retrain: means over the retrains of a seed, then over the seeds."""
        return means([seed.retrain_means for seed in self.seeds])

    @property
    def names(self) -> list[str]:
        """The candidates in the order of the tables: the two controls, then by name."""
        known = [candidate.name for candidate in self.seeds[0].candidates]
        return [name for name in CONTROLS if name in known] + sorted(set(known) - set(CONTROLS))

    def of(self, name: str) -> list[CandidateRecord]:
        """One candidate over the seeds."""
        return [seed.candidate(name) for seed in self.seeds]


@dataclass(frozen=True)
class Study:
    """All audit files of a study, each over the same seeds."""

    title: str
    command: str
    version: str
    settings: tuple[SettingRecord, ...]


@dataclass(frozen=True)
class Spread:
    """Mean over seeds and standard deviation (divisor n - 1); None of one seed."""

    mean: float
    deviation: float | None

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Of at least one value."""
        known = list(values)
        return cls(fmean(known), stdev(known) if len(known) > 1 else None)


@dataclass(frozen=True)
class CandidateSummary:
    """One candidate over the seeds where its method did not refuse.

    four: RA, UA, TA, MIA-efficacy. gap: Avg. Gap of their means to Retrain's on the same seeds. The last fields are
    means; None where nothing is known.
    """

    four: tuple[Spread, ...]
    gap: float
    memory: Spread | None
    pflops: float | None
    share_of_retrain: float | None
    seconds: float | None


def summarise(setting: SettingRecord, name: str) -> CandidateSummary | None:
    """The numbers of one candidate over the seeds; None where its method refused on every seed."""
    records = setting.of(name)
    measured = [candidate.measured.four for candidate in records if candidate.measured is not None]
    judged = [candidate.judged for candidate in records if candidate.judged is not None]
    if not measured:
        return None
    ran = [
        seed.retrain_means
        for seed, candidate in zip(setting.seeds, records, strict=True)
        if candidate.measured is not None
    ]

    def mean_of(value: Callable[[CandidateVerdict], float | None]) -> float | None:
        known = [found for verdict in judged if (found := value(verdict)) is not None]
        return fmean(known) if known else None

    flops = mean_of(lambda verdict: verdict.flops)
    memory = [gap for verdict in judged if (gap := verdict.gaps.get("M")) is not None]
    return CandidateSummary(
        four=tuple(Spread.of(values) for values in zip(*measured, strict=True)),
        gap=average_gap(means(measured), means(ran)),
        memory=Spread.of(memory) if memory else None,
        pflops=None if flops is None else flops / 1e15,
        share_of_retrain=mean_of(lambda verdict: verdict.share_of_retrain),
        seconds=mean_of(lambda verdict: verdict.seconds),
    )


def means(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Mean of each column."""
    return tuple(fmean(column) for column in zip(*rows, strict=True))
