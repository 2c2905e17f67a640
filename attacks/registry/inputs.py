"""What an attacker holds: the evidence that decides which attacks can be made."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vestige.attacks.shadows.bank import ShadowBank
from vestige.attacks.signals.signals import SIGNALS, logit
from vestige.learners.arrays import Floats, Labels, Logits, Mask
from vestige.learners.errors import DataError


@dataclass(frozen=True, eq=False, kw_only=True)
class AttackInputs:
    """Outputs on n forget and unseen examples, and what else there is.

    labels: int64 ``[n]``. calibration: bool ``[n]``, unseen examples set aside; no attack is judged on them. retrains:
    logits ``[K, n, classes]``, K may be 0. others: logits ``[P, n, classes]`` of the models in question (candidate,
    original). original: logits ``[n, classes]`` of the model before unlearning, or None. shadows: a bank on these very
    examples, or None; retrain_augmentations, other_augmentations: logits ``[K or P, augmentations, n, classes]`` under
    the bank's augmentations, needed with it. unlearned: what the method under audit made of the shadows, or None.
    features: float ``[n, d]`` for quantile regression (without anything that a model trained on the forget set said),
    or None. seed: of attacks that draw. Raises DataError where the parts do not fit.
    """

    labels: Labels
    calibration: Mask
    retrains: Logits
    others: Logits
    original: Logits | None = None
    shadows: ShadowBank | None = None
    retrain_augmentations: Logits | None = None
    other_augmentations: Logits | None = None
    unlearned: ShadowBank | None = None
    features: Floats | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        n, classes = len(self.labels), self.others.shape[-1]
        expected: dict[str, tuple[int, ...]] = {
            "retrains": (len(self.retrains), n, classes),
            "others": (len(self.others), n, classes),
        }
        for name, bank in (("shadows", self.shadows), ("unlearned", self.unlearned)):
            if bank is not None and not np.array_equal(bank.labels, self.labels):
                raise DataError(f"{name}: expected a bank on these {n} examples, got other ones; use ShadowBank.at")
        if self.shadows is not None:
            augmentations = len(self.shadows.augmentations)
            expected["retrain_augmentations"] = (len(self.retrains), augmentations, n, classes)
            expected["other_augmentations"] = (len(self.others), augmentations, n, classes)
        if self.original is not None:
            expected["original"] = (n, classes)
        for name, shape in expected.items():
            logits = getattr(self, name)
            if logits is None or logits.shape != shape:
                got = "none" if logits is None else list(logits.shape)
                raise DataError(f"{name}: expected logits {list(shape)}, got {got}")

    @property
    def models(self) -> int:
        """K + P."""
        return len(self.retrains) + len(self.others)

    def signal(self, name: str) -> Floats:
        """A signal on the retrains, then the others, ``[K + P, n]``."""
        return SIGNALS[name].function(np.concatenate([self.retrains, self.others]), self.labels)

    @cached_property
    def phi(self) -> Floats:
        """phi of the retrains, then the others, ``[K + P, n]``."""
        return self.signal("logit")

    @cached_property
    def logits_of_augmentations(self) -> Logits:
        """Logits of the retrains, then the others, ``[K + P, augmentations, n, classes]``."""
        if self.retrain_augmentations is None or self.other_augmentations is None:
            raise DataError("augmentations: expected outputs under the bank's augmentations, got none")
        logits: Logits = np.concatenate([self.retrain_augmentations, self.other_augmentations])
        return logits

    @cached_property
    def phi_of_augmentations(self) -> Floats:
        """phi of them, ``[K + P, augmentations, n]``."""
        return logit(self.logits_of_augmentations, self.labels)

    @property
    def bank(self) -> ShadowBank:
        """The bank; DataError without one."""
        if self.shadows is None:
            raise DataError("shadows: expected a bank, got none")
        return self.shadows
