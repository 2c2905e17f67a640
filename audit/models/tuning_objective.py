"""The objective of a blind search: what can be said about a trial without a retrain and without unseen examples.

The score of a trial; lower is better:

    single examples, people:  max(|AUC - 1/2|, |forget accuracy - validation accuracy| / 2) + max(0, loss - tolerance)
    classes:                  forget accuracy + max(0, loss - tolerance)

AUC is that of phi on forget against validation examples, centred per class as in the audit. A retrain has trained on
neither, so it would know the one as little as the other: one half is the aim, and equal accuracies are. Half their
difference is the AUC of correctness less one half. Where most outputs are saturated the two part: examples that a model
gets right only because it trained on them move the AUC of phi by little. Both sides count, because a model that knows
the forget set less than data it never saw gives it away as well. For classes validation holds nothing to compare
with, and a network that has never met a class names it for none of its images: the aim is 0. The loss is the original's
accuracy on validation examples (of the classes that stay) minus the trial's; up to the tolerance it is free, since a
retrain too has fewer data.

Validation is cut into two halves by the seed, each class evenly. The first goes to the method as ``Task.validation``,
for its own stopping rule, and gives the medians of the classes; AUC and loss are taken on the second, which no step, no
rule and no median of a trial has seen.

The score has a sampling error: the standard error of its first term (DeLong's of an AUC, binomial of an accuracy) in
the best trial. Trials within one such error of the best do not differ by it: among them the smaller loss wins (a
gain counts as none), then fewer FLOPs, then the earlier trial.

Limits: with few validation examples the error is large, and then the tie rule favours gentle and cheap trials, which
forget less; more validation examples are the cure. The winner's own score is optimistic, as that of any best of
several. Validation rows of people come from people who stay, whom a retrain knows a little, so there one half lies
slightly above what a retrain would reach.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.metrics.roc import auc, delong_variance, placements
from vestige.attacks.scores.threshold import class_centred
from vestige.attacks.signals.signals import logit
from vestige.learners.arrays import Indices
from vestige.learners.errors import DataError
from vestige.learners.seeds import numpy_generator
from vestige.learners.training.architectures import Classifier
from vestige.learners.training.inference import accuracy, predict_logits
from vestige.unlearners.core.task import Task

LEAST_VALIDATION = 4
"""Two examples in each half: the least that an AUC with an error can be taken on."""


@dataclass(frozen=True, kw_only=True)
class TrialScore:
    """What a trial is scored on.

    standard_error: of the score's first term. auc: None for classes. Accuracies and utility_loss are fractions."""

    score: float
    standard_error: float
    auc: float | None
    forget_accuracy: float
    validation_accuracy: float
    utility_loss: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Objective:
    """How the trials of one search are measured.

    rule, judged: the halves of validation. original_accuracy: on the judged half. tolerance: loss that is free."""

    rule: Indices
    judged: Indices
    original_accuracy: float
    tolerance: float

    @classmethod
    def of(cls, original: Classifier, task: Task, tolerance: float) -> "Objective":
        """Raises DataError when there are too few validation examples to halve."""
        labels = task.examples.labels
        kept = task.held_out[~np.isin(labels[task.held_out], task.forgotten_classes)]
        if len(kept) < LEAST_VALIDATION:
            raise DataError(
                f"tuning: expected at least {LEAST_VALIDATION} validation examples to score on, got {len(kept)}; set "
                "forget.validation in the audit file, and unlearn an original that was trained on that split"
            )
        mixed = numpy_generator(task.seed, "tuning", "halves").permutation(kept)
        by_class = mixed[np.argsort(labels[mixed], kind="stable")]
        rule, judged = np.sort(by_class[0::2]), np.sort(by_class[1::2])
        reached = accuracy(_logits(original, task, judged), labels[judged])
        return cls(rule=rule, judged=judged, original_accuracy=reached, tolerance=tolerance)

    def measure(self, model: Classifier, task: Task) -> TrialScore:
        """The trial's model; raises DataError when an output is not finite."""
        labels = task.examples.labels
        rows = np.concatenate([task.forget, self.judged, self.rule])
        roles = np.repeat([0, 1, 2], [len(task.forget), len(self.judged), len(self.rule)])
        logits = _logits(model, task, rows)
        known = accuracy(logits[roles == 0], labels[task.forget])
        reached = accuracy(logits[roles == 1], labels[self.judged])
        area = None
        if task.setting == "class":
            first, error = known, sqrt(known * (1 - known) / len(task.forget))
        else:
            phi = class_centred(logit(logits, labels[rows]), labels[rows], roles == 2)
            area = auc(phi[roles == 0], phi[roles == 1])
            right = (logits.argmax(1) == labels[rows]).astype(np.float64)
            by_phi = abs(area - 0.5), _error(phi[roles == 0], phi[roles == 1])
            by_accuracy = abs(known - reached) / 2, _error(right[roles == 0], right[roles == 1])
            first, error = max(by_phi, by_accuracy)
        loss = self.original_accuracy - reached
        return TrialScore(
            score=first + max(0.0, loss - self.tolerance),
            standard_error=error,
            auc=area,
            forget_accuracy=known,
            validation_accuracy=reached,
            utility_loss=loss,
        )


def best(measured: Sequence[tuple[TrialScore, int] | None]) -> int:
    """Place of the trial to take, from what was measured and its FLOPs; None for a trial that was refused.

    Raises ValueError when every trial was."""
    runs = [(one[0], one[1], place) for place, one in enumerate(measured) if one is not None]
    leader, _, _ = min(runs, key=lambda run: run[0].score)
    bound = leader.score + leader.standard_error
    tied = [run for run in runs if run[0].score <= bound]
    return min(tied, key=lambda run: (max(0.0, run[0].utility_loss), run[1], run[2]))[2]


def _error(members: NDArray[Any], others: NDArray[Any]) -> float:
    """Standard error of the AUC; 1/2, the largest there is, where a single forget example has none."""
    if len(members) < 2:
        return 0.5
    return sqrt(delong_variance(*placements(members, others)))


def _logits(model: Classifier, task: Task, indices: Indices) -> NDArray[np.float32]:
    logits = predict_logits(model, task.examples, indices, task.device)
    if not np.isfinite(logits).all():
        raise DataError("expected finite outputs on forget and validation examples, got NaN or infinity")
    return logits
