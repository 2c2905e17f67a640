"""What an attacker holds: the evidence that decides which attacks can be made."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.shadows.bank import ShadowBank
from vestige.attacks.signals.signals import SIGNALS, logit
from vestige.learners.arrays import Floats, Labels, Mask
from vestige.learners.errors import DataError

Logits = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False, kw_only=True)
class AttackInputs:
    """Outputs on n forget and unseen examples, and what else there is.

    labels: int64 ``[n]``. calibration: bool ``[n]``, unseen examples set aside; no attack is judged on them. retrains:
    logits ``[K, n, classes]``, K may be 0. others: logits ``[P, n, classes]`` of the models in question (candidate,
    original). original: logits ``[n, classes]`` of the model before unlearning, or None. shadows: a bank on these very
    examples, or None; retrain_views, other_views: logits ``[K or P, views, n, classes]`` under the bank's views, needed
    beside it. unlearned: what the method under audit made of the shadows, or None. features: float ``[n, d]`` for
    quantile regression (without anything that a model trained on the forget set said), or None. seed: of attacks that
    draw. Raises DataError where the parts do not fit.
    """

    labels: Labels
    calibration: Mask
    retrains: Logits
    others: Logits
    original: Logits | None = None
    shadows: ShadowBank | None = None
    retrain_views: Logits | None = None
    other_views: Logits | None = None
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
            views = len(self.shadows.views)
            expected["retrain_views"] = (len(self.retrains), views, n, classes)
            expected["other_views"] = (len(self.others), views, n, classes)
        if self.original is not None:
            expected["original"] = (n, classes)
        for name, shape in expected.items():
            found = getattr(self, name)
            if found is None or found.shape != shape:
                got = "none" if found is None else list(found.shape)
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
    def logits_of_views(self) -> Logits:
        """Logits of the retrains, then the others, ``[K + P, views, n, classes]``."""
        if self.retrain_views is None or self.other_views is None:
            raise DataError("views: expected outputs under the bank's views, got none")
        views: Logits = np.concatenate([self.retrain_views, self.other_views])
        return views

    @cached_property
    def phi_of_views(self) -> Floats:
        """phi of them, ``[K + P, views, n]``."""
        return logit(self.logits_of_views, self.labels)

    @property
    def bank(self) -> ShadowBank:
        """The bank; DataError without one."""
        if self.shadows is None:
            raise DataError("shadows: expected a bank, got none")
        return self.shadows
