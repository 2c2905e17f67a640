"""What an unlearning method may see."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import numpy as np
import torch

from vestige.learners.arrays import Indices
from vestige.learners.data.examples import Examples
from vestige.learners.data.split import Setting
from vestige.learners.errors import DataError
from vestige.learners.training.ledger import Ledger
from vestige.learners.training.recipe import Recipe
from vestige.unlearners.core.cost import CostMeter


@dataclass(frozen=True, eq=False, kw_only=True)
class Task:
    """One request to forget: the examples to forget, those to keep, and how the original was trained.

    forget, retain: int64 ``[m]`` indices into ``examples``, disjoint. validation: the same, for stopping rules, never
    trained on and never audited; None or empty when there is none. The audit's unseen examples are not here on purpose.
    recipe: of the original. seed: of every random draw. setting: what the forget set is. ledger: of the original's
    training, where one was kept. meter: the cost of the method that runs last on this task. progress: called with
    (done, total). Raises DataError when index sets overlap or leave the examples, and when whole classes are to be
    forgotten and some of their images retained.
    """

    examples: Examples
    forget: Indices
    retain: Indices
    recipe: Recipe
    seed: int
    device: torch.device
    validation: Indices | None = None
    setting: Setting = "sample"
    ledger: Ledger | None = None
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
        for (first, indices), (second, others) in combinations(roles.items(), 2):
            shared = np.intersect1d(indices, others)
            if len(shared):
                raise DataError(f"task: expected {first} and {second} to share no example, got {len(shared)} in both")
        kept = int(np.isin(self.examples.labels[self.retain], self.forgotten_classes).sum())
        if kept:
            raise DataError(
                f"task: expected no retain example of a class that is to be forgotten, got {kept}; "
                "forget all of the class, or set the setting to sample"
            )

    @cached_property
    def forgotten_classes(self) -> tuple[int, ...]:
        """The classes that are to be forgotten whole; none in the other settings. Labels are read, images are not."""
        if self.setting != "class":
            return ()
        return tuple(int(label) for label in np.unique(self.examples.labels[self.forget]))

    @property
    def held_out(self) -> Indices:
        """The validation indices, empty when there are none."""
        return np.zeros(0, dtype=np.int64) if self.validation is None else self.validation

    @property
    def training_images(self) -> int:
        """How many images the original was trained on."""
        return len(self.forget) + len(self.retain)

    def report(self, done: int, total: int) -> None:
        """Report how far the method is."""
        if self.progress is not None:
            self.progress(done, total)
