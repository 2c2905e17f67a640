"""The endpoints: what is computed on every model (verdict.md, section 4.1)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from vestige.attacks.metrics.roc import (
    LEAST_FALSE_POSITIVES,
    auc_rows,
    delong_variance,
    estimable,
    placements,
    threshold_at_fpr,
)
from vestige.audit.endpoints.scores import MIN_RETRAINS, Scores
from vestige.audit.policy import Policy
from vestige.audit.results.shadows import ULIRA, ShadowEvidence, why_absent
from vestige.audit.statistics import intervals
from vestige.learners.arrays import Floats

NO_SPREAD = 1e-12
"""A spread of AUCs below this is rounding."""
NO_RETRAINS = "needs retrains, and there is none"
Sides = Literal["two", "upper"]


@dataclass(frozen=True)
class Definition:
    """An endpoint fixed in advance: ``score`` names what it reads; ``tail``: a TPR at low FPR, else an AUC; ``group``:
    on one group of the forget set, else on all of it."""

    name: str
    score: str
    tail: bool
    primary: bool
    per_example: bool
    words: str
    group: bool = False

    @property
    def sides(self) -> Sides:
        """A TPR endpoint only counts upwards."""
        return "upper" if self.tail else "two"

    @property
    def directed(self) -> bool:
        """Whether the sign of a gap says leak or over-forgetting: not that of |z|, nor of a score that does not know
        the label, for which a confidently wrong answer looks like a member; nor that of U-LiRA, whose higher scores are
        the traces of a method, left by too little or too much of it; nor that of online LiRA, which falls again where a
        model knows an example even better than the shadows that trained on it."""
        return not self.tail and self.score not in ("abs_z", "entropy", ULIRA, "lira_online")

    def null(self, fpr: float) -> float:
        """Value on a model that ranks forget and unseen examples alike."""
        return fpr if self.tail else 0.5

    def margin(self, policy: Policy) -> float:
        """The policy's margin on this endpoint."""
        if self.group:
            return policy.margin_group
        return policy.margin_tpr if self.tail else policy.margin_auc


DEFINITIONS = (
    Definition("A1", "phi", False, True, False, "AUC of class-centred phi, forget against unseen"),
    Definition("A2", "z", False, True, True, "AUC of the R-LiRA score z, forget against unseen"),
    Definition("A3", "abs_z", False, True, True, "AUC of |z|, forget against unseen"),
    Definition("T1", "z", True, True, True, "TPR at FPR {fpr} of z"),
    Definition("T2", "abs_z", True, True, True, "TPR at FPR {fpr} of |z|"),
    Definition("A4", "ulira", False, True, True, "AUC of U-LiRA, forget against unseen"),
    Definition("T4", "ulira", True, True, True, "TPR at FPR {fpr} of U-LiRA"),
    Definition("F1", "rmia", False, False, True, "AUC of RMIA, forget against unseen"),
    Definition("F2", "entropy", False, False, False, "AUC of class-centred entropy, forget against unseen"),
    Definition(
        "F3", "modified_entropy", False, False, False, "AUC of class-centred modified entropy, forget against unseen"
    ),
    Definition("F4", "lira_online", False, False, True, "AUC of online LiRA, forget against unseen"),
    Definition("F5", "lira_offline", False, False, True, "AUC of offline LiRA, forget against unseen"),
)


@dataclass(frozen=True, eq=False)
class Measured:
    """One endpoint's value on every model.

    values: ``[models]`` in the order of Scores, None when not estimable (``reason`` says why). retrains: K. spread:
    standard deviation over the retrains, None below two. example_errors: standard error, from the examples alone, of
    candidate (and original) minus the mean of the retrains. unseen_variance: the part of the squared spread that more
    unseen examples would shrink.
    """

    definition: Definition
    retrains: int
    values: Floats | None
    reason: str = ""
    spread: float | None = None
    example_errors: tuple[float, ...] = ()
    unseen_variance: float = 0.0

    @property
    def name(self) -> str:
        """The endpoint's name."""
        return self.definition.name

    @property
    def in_force(self) -> bool:
        """Whether the endpoint belongs to the family that is tested."""
        return self.values is not None

    def alone(self, place: int) -> "Measured":
        """The same with the model at ``place`` after the retrains as candidate, and the last one as original."""
        if self.values is None:
            return self
        chosen = [*range(self.retrains), self.retrains + place, len(self.values) - 1]
        errors = (self.example_errors[place], self.example_errors[-1]) if self.example_errors else ()
        return replace(self, values=self.values[chosen], example_errors=errors)

    def gap(self, other: int) -> float:
        """Candidate (``other`` 0) or original (1) minus the mean of the retrains."""
        if self.values is None:
            raise ValueError(f"{self.name} is not estimable")
        return float(self.values[self.retrains + other] - self.values[: self.retrains].mean())

    @property
    def error(self) -> float:
        """Standard error of a gap, from the spread over the retrains."""
        if self.spread is None:
            raise ValueError(f"{self.name} has no spread over the retrains")
        return intervals.seed_error(self.spread, self.retrains)

    def example_error(self, other: int) -> float | None:
        """Standard error of the gap from the examples alone; None where there are too few of them."""
        return self.example_errors[other] if self.example_errors else None


def measure(
    scores: Scores, fpr: float, *, paired: bool = True, definitions: Sequence[Definition] = DEFINITIONS
) -> tuple[Measured, ...]:
    """Every endpoint of ``definitions`` on every model; ``paired=False`` leaves out, for speed, what an AUC's examples
    alone say about its gap."""
    tables = scores.by_name
    evaluation = int(scores.evaluation.sum())

    def measured(definition: Definition) -> Measured:
        missing = _missing(definition, scores.retrains, evaluation, fpr, scores.shadows)
        if not missing and definition.score not in tables:
            missing = "needs the logits of all classes"
        if missing:
            return Measured(definition, scores.retrains, None, missing)
        forget, calibration, unseen = scores.rows(tables[definition.score], definition.score)
        if definition.tail:
            endpoint = _tpr(definition, scores.retrains, forget, calibration, fpr)
        else:
            endpoint = _auc(definition, scores.retrains, forget, unseen, paired)
        # U-LiRA judges as many unseen examples as there are forget examples: more unseen ones would not help it.
        return replace(endpoint, unseen_variance=0.0) if definition.score == ULIRA else endpoint

    return tuple(measured(definition) for definition in definitions)


def _missing(
    definition: Definition, retrains: int, evaluation: int, fpr: float, shadows: ShadowEvidence | None = None
) -> str:
    if not retrains:
        return NO_RETRAINS
    # Of fewer retrains only A1 is judged: its allowance for the seed says nothing about other scores.
    if retrains < MIN_RETRAINS and (definition.per_example or not definition.primary):
        return f"needs at least {MIN_RETRAINS} retrains, got {retrains}"
    absent = why_absent(definition.score, shadows)
    if absent:
        return absent
    if definition.score == ULIRA and shadows is not None:
        evaluation = shadows.unseen_evaluation
    if definition.tail and not estimable(fpr, evaluation):
        least = int(np.ceil(LEAST_FALSE_POSITIVES / fpr))
        return f"needs at least {least} unseen examples for evaluation, got {evaluation}"
    return ""


def _auc(definition: Definition, retrains: int, forget: Floats, unseen: Floats, paired: bool) -> Measured:
    values = auc_rows(forget, unseen)
    spread = float(np.std(values[:retrains], ddof=1)) if retrains > 1 else None
    if spread is not None and spread <= NO_SPREAD and not definition.primary:
        return Measured(definition, retrains, None, "the same value on every retrain")
    if not paired or min(forget.shape[1], unseen.shape[1]) < 2:
        return Measured(definition, retrains, values, "", spread)
    pairs = [placements(*model) for model in zip(forget, unseen, strict=True)]
    v10, v01 = np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs])
    mean10, mean01 = v10[:retrains].mean(axis=0), v01[:retrains].mean(axis=0)
    errors = tuple(
        float(np.sqrt(delong_variance(v10[model] - mean10, v01[model] - mean01))) for model in range(retrains, len(v10))
    )
    unseen_variance = 0.0
    if retrains > 1:
        variances = np.var(v01[:retrains] - mean01, axis=1, ddof=1)
        unseen_variance = float(variances.sum() / (retrains - 1) / v01.shape[1])
    return Measured(definition, retrains, values, "", spread, errors, unseen_variance)


def _tpr(definition: Definition, retrains: int, forget: Floats, calibration: Floats, fpr: float) -> Measured:
    thresholds = np.array([threshold_at_fpr(scores, fpr) for scores in calibration])
    caught = (forget > thresholds[:, None]).astype(np.float64)
    values, n = caught.mean(axis=1), caught.shape[1]
    # Shares of n examples can agree on all retrains by chance, which an AUC cannot: hence a floor, not a refusal.
    spread = intervals.floored_spread(values[:retrains], 1 / n)
    errors: tuple[float, ...] = ()
    if n > 1:
        differences = caught[retrains:] - caught[:retrains].mean(axis=0)
        errors = tuple(float(error) for error in np.std(differences, axis=1, ddof=1) / np.sqrt(n))
    level = float(values[:retrains].mean())
    unseen_variance = max(0.0, spread**2 - level * (1 - level) / n)
    return Measured(definition, retrains, values, "", spread, errors, unseen_variance)


BATTERY = "2"
"""Version of the set of endpoints; a verdict is only comparable with verdicts of the same battery."""
