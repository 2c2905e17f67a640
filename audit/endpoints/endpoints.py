"""The endpoints of the verdict, and their statistics on every model.

One endpoint is one function from scores to statistics, in a module of its own; here it is given its name, its margin
and what it counts for. Source: docs/verdict.md, "Endpoints".
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Literal

import numpy as np

from vestige.audit.endpoints.accuracy import PLAIN, labels
from vestige.audit.endpoints.memory import groups, memory, spread
from vestige.audit.endpoints.others import others
from vestige.audit.endpoints.recognition import recognition
from vestige.audit.endpoints.scores import Scores
from vestige.audit.endpoints.shadowed import Compute, auc_of, tail_of
from vestige.audit.endpoints.shape import shape
from vestige.audit.endpoints.statistic import Statistic
from vestige.audit.endpoints.tail import tail
from vestige.audit.policy import Policy
from vestige.audit.results.endpoint import EndpointName
from vestige.audit.results.setting import Setting, SettingName
from vestige.audit.results.shadows import LIRA, ULIRA
from vestige.audit.statistics.intervals import GapError, Sides, gap_error, spread_of
from vestige.learners.arrays import Floats

BATTERY: Literal["3"] = "3"
"""Version of the set of endpoints; a verdict is only comparable with verdicts of the same battery."""
EVERYWHERE: tuple[SettingName, ...] = ("random", "chosen", "class")
Margin = Literal["margin_auc", "margin_tpr", "margin_labels", "margin_group", "margin_shape"]


@dataclass(frozen=True)
class Definition:
    """An endpoint fixed in advance. margin: which of the policy's. primary: settings in which PASS requires it; in the
    others it can only cause FAIL. more: c^2 = 1 + more / K, the variance of a candidate's gap over that of the
    leave-one-out retrains (measured: docs/simulations.md). failure: reason codes of a gap upwards and downwards. least:
    retrains from which on their spread is one (of two, each the other's reference, residuals are equal up to sign)."""

    name: EndpointName
    words: str
    compute: Compute
    margin: Margin
    primary: tuple[SettingName, ...]
    more: int
    failure: tuple[str, str]
    sides: Sides = "two"
    least: int = 2

    def factor(self, retrains: int) -> float:
        """c^2 with so many retrains."""
        return 1 + self.more / max(retrains, 1)


LEAKING = ("LEAK", "OVER_FORGET")
TRACING = ("TRACE", "TRACE")
SAMPLES: tuple[SettingName, ...] = ("random", "chosen")
DEFINITIONS = (
    Definition(
        "M", "memory: AUC of the memory score, forget against unseen", memory, "margin_auc", EVERYWHERE, 0, LEAKING
    ),
    Definition("S", "spread: AUC of the size of the residual", spread, "margin_auc", SAMPLES, 2, TRACING, least=3),
    Definition(
        "T", "worst-exposed: TPR at FPR {fpr} of the residual", tail, "margin_tpr", EVERYWHERE, 2, LEAKING, "upper"
    ),
    Definition("L", "labels: accuracy on the forget set", labels, "margin_labels", ("class",), 2, LEAKING),
    Definition(
        "B",
        "recognition: AUC of the forgotten class's output",
        recognition,
        "margin_auc",
        ("class",),
        2,
        LEAKING,
        "upper",
    ),
    Definition("A4", "U-LiRA: AUC, forget against unseen", auc_of(ULIRA), "margin_auc", EVERYWHERE, 1, TRACING),
    Definition("T4", "U-LiRA: TPR at FPR {fpr}", tail_of(ULIRA), "margin_tpr", EVERYWHERE, 1, TRACING, "upper"),
    Definition("V", "other classes: AUC of the closeness of their outputs", others, "margin_auc", (), 2, TRACING),
    Definition(
        "D", "shape: distance of the distributions, repeated values", shape, "margin_shape", (), 2, TRACING, "upper"
    ),
    Definition("F4", "LiRA online: AUC, forget against unseen", auc_of(LIRA[0]), "margin_auc", (), 1, TRACING),
    Definition("F5", "LiRA offline: AUC, forget against unseen", auc_of(LIRA[1]), "margin_auc", (), 1, LEAKING),
    Definition("G", "group: AUC of the memory score within a group", groups, "margin_group", (), 0, LEAKING),
)
BY_NAME: dict[str, Definition] = {definition.name: definition for definition in DEFINITIONS}
SHADOWED = ("A4", "T4", "F4", "F5")


@dataclass(frozen=True, eq=False)
class Measured:
    """One endpoint on every model: the definition, what was computed, K and the setting."""

    definition: Definition
    statistic: Statistic
    retrains: int
    setting: Setting

    @property
    def name(self) -> str:
        """Name, and the class or group."""
        where = self.statistic.where
        return f"{self.definition.name}: {where}" if where else self.definition.name

    @property
    def estimable(self) -> bool:
        """Whether the endpoint belongs to the family that is tested."""
        return self.statistic.values is not None

    @property
    def primary(self) -> bool:
        """Whether PASS requires it, groups aside."""
        statistic = self.statistic
        return self.setting.name in self.definition.primary and statistic.in_force and statistic.where != PLAIN

    @property
    def values(self) -> Floats:
        """Values on all models."""
        if self.statistic.values is None:
            raise ValueError(f"{self.name} is not estimable")
        return self.statistic.values

    @property
    def reference(self) -> float:
        """What the candidate is compared with: the null value, or the mean of the retrains."""
        null = self.statistic.null
        return float(self.values[: self.retrains].mean()) if null is None else null

    @property
    def spread(self) -> float | None:
        """Standard deviation over the retrains, None where they are too few."""
        known = self.estimable and self.retrains >= self.definition.least
        return spread_of(self.values[: self.retrains], self.statistic.floor) if known else None

    def gap(self, other: int) -> float:
        """Candidate (``other`` 0) or original (1) minus the reference."""
        return float(self.values[self.retrains + other] - self.reference)

    def error(self, other: int) -> GapError:
        """How far that gap may be off."""
        return self.error_with(float(self.statistic.errors[other]))

    @property
    def expected(self) -> GapError:
        """The error that a candidate would have, from retrains and sizes alone."""
        return self.error_with(self.statistic.expected)

    def projected(self, retrains: int, unseen: float = 1.0) -> GapError:
        """The same with other numbers of retrains, and of unseen examples (a factor). A spread that is not known yet is
        taken to be what the examples explain."""
        statistic, factor = self.statistic, self.definition.factor(retrains)
        example = statistic.expected * sqrt(1 - statistic.unseen_share * (1 - 1 / unseen))
        enough = retrains >= self.definition.least
        spread = example / sqrt(factor) if self.spread is None and enough else self.spread
        return gap_error(example, spread, factor, retrains, self.setting.d0)

    def error_with(self, example_error: float) -> GapError:
        """The error of a gap whose example error this is."""
        factor = self.definition.factor(self.retrains)
        return gap_error(example_error, self.spread, factor, self.retrains, self.setting.d0)

    def margin(self, policy: Policy) -> float:
        """The policy's margin on this endpoint."""
        return float(getattr(policy, self.definition.margin))

    def alone(self, place: int) -> "Measured":
        """The same with the model at ``place`` after the retrains as candidate, and the last one as original."""
        return replace(self, statistic=self.statistic.alone(self.retrains, place))


def measure(scores: Scores, policy: Policy, definitions: Sequence[Definition] = DEFINITIONS) -> tuple[Measured, ...]:
    """Every endpoint of ``definitions`` on every model."""
    return tuple(
        Measured(definition, _checked(statistic, scores), scores.retrains, scores.setting)
        for definition in definitions
        for statistic in definition.compute(scores, policy)
    )


def _checked(statistic: Statistic, scores: Scores) -> Statistic:
    """Not estimable where there is nothing to compare with, or where a statistic cannot differ between models."""
    values, k = statistic.values, scores.retrains
    if values is None:
        return statistic
    if statistic.null is None and not k:
        return replace(statistic, values=None, reason="needs a retrain to compare with")
    same = k > 1 and not statistic.floor and float(np.ptp(values[:k])) == 0.0 and not scores.setting.random
    return replace(statistic, values=None, reason="the same value on every retrain") if same else statistic
