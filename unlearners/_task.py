"""What an unlearning method may see."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import torch

from learners import DataError, Examples, Indices, Recipe, Setting
from unlearners._cost import CostMeter


@dataclass(frozen=True, eq=False, kw_only=True)
class Task:
    """One request to forget: the examples to forget, those to keep, and how the original was trained.

    forget, retain: int64 ``[m]`` indices into ``examples``, disjoint. validation: the same, for stopping rules, never
    trained on and never audited; None or empty when there is none. The audit's unseen examples are not here on purpose.
    recipe: of the original. seed: of every random draw. setting: what the forget set is. meter: the bill of the
    method that runs last on this task. progress: called with (done, total).
    Raises DataError when index sets overlap or leave the examples.
    """

    examples: Examples
    forget: Indices
    retain: Indices
    recipe: Recipe
    seed: int
    device: torch.device
    validation: Indices | None = None
    setting: Setting = "sample"
    meter: CostMeter = field(default_factory=CostMeter)
    progress: Callable[[int, int], None] | None = None

    def __post_init__(self) -> None:
        roles = {"forget": self.forget, "retain": self.retain, "validation": self.held_out}
        for role, indices in roles.items():
            if indices.ndim != 1 or indices.dtype != np.int64:
                raise DataError(f"{role}: expected indices as int64 [m], got {indices.dtype} {list(indices.shape)}")
            if len(indices) and not 0 <= indices.min() <= indices.max() < len(self.examples):
                raise DataError(
                    f"{role}: expected indices in 0..{len(self.examples) - 1}, got {indices.min()}..{indices.max()}"
                )
        for (one, a), (other, b) in combinations(roles.items(), 2):
            shared = np.intersect1d(a, b)
            if len(shared):
                raise DataError(f"task: expected {one} and {other} to share no example, got {len(shared)} in both")

    @property
    def held_out(self) -> Indices:
        """The validation indices, empty when there are none."""
        return np.zeros(0, dtype=np.int64) if self.validation is None else self.validation

    @property
    def training_images(self) -> int:
        """How many images the original was trained on."""
        return len(self.forget) + len(self.retain)

    def report(self, done: int, total: int) -> None:
        """Tell whoever watches how far the method is."""
        if self.progress is not None:
            self.progress(done, total)
