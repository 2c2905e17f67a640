"""The literature's attacks that end in one number for a model: the table of them. Reported, never decided on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from vestige.attacks.metrics.literature import (
    mia_accuracy_logistic_loss,
    mia_efficacy_logistic_entropy,
    mia_efficacy_svc_confidence,
)
from vestige.attacks.signals.signals import SIGNALS
from vestige.learners.arrays import Floats, Labels, Logits


@dataclass(frozen=True, eq=False)
class RoleLogits:
    """One model's logits ``[m, classes]`` and the labels ``[m]`` on the examples of one role."""

    logits: Logits
    labels: Labels

    def signal(self, name: str) -> Floats:
        """A signal of the registry, ``[m]``."""
        return SIGNALS[name].function(self.logits, self.labels)


@dataclass(frozen=True)
class Number:
    """A registered number. desired: what a perfect candidate scores. function: ``(retain, unseen, forget, seed)`` of a
    model to the number, in percent."""

    name: str
    description: str
    citation: str
    desired: str
    function: Callable[[RoleLogits, RoleLogits, RoleLogits, int], float]


def _svc(retain: RoleLogits, unseen: RoleLogits, forget: RoleLogits, seed: int) -> float:
    return mia_efficacy_svc_confidence(*(role.signal("confidence") for role in (retain, unseen, forget)))


def _logistic_loss(retain: RoleLogits, unseen: RoleLogits, forget: RoleLogits, seed: int) -> float:
    return mia_accuracy_logistic_loss(-forget.signal("loss"), -unseen.signal("loss"), seed=seed)


def _logistic_entropy(retain: RoleLogits, unseen: RoleLogits, forget: RoleLogits, seed: int) -> float:
    return mia_efficacy_logistic_entropy(*(-role.signal("entropy") for role in (retain, unseen, forget)))


NUMBERS: Mapping[str, Number] = MappingProxyType(
    {
        number.name: number
        for number in (
            Number(
                "svc_efficacy",
                "MIA-efficacy: share of forget examples that a support vector classifier on p_y, retain against "
                "unseen, calls non-members, percent",
                "Jia et al. 2023, arXiv 2304.04934; Fan et al. 2024, arXiv 2310.12508",
                "the retrains' value",
                _svc,
            ),
            Number(
                "logistic_loss",
                "accuracy of a logistic regression on the loss, forget against unseen, cross-validated, percent",
                "NeurIPS 2023 unlearning challenge, starting kit; Kurmanji et al. 2023, arXiv 2302.09880",
                "the retrains' value, near 50",
                _logistic_loss,
            ),
            Number(
                "logistic_entropy",
                "share of forget examples that a logistic regression on entropy, retain against unseen, calls members, "
                "percent",
                "Chundawat et al. 2023, arXiv 2205.08096; Foster et al. 2024, arXiv 2308.07707",
                "the retrains' value",
                _logistic_entropy,
            ),
        )
    }
)
