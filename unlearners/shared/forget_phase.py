"""The hyper-parameters that all methods with passes over the forget set alone have, and how they become steps."""

from collections.abc import Callable, Mapping
from typing import ClassVar

from pydantic.dataclasses import dataclass
from torch import Tensor

from vestige.learners.training.architectures import Classifier
from vestige.learners.training.batches import batch_bounds
from vestige.unlearners.core.defaults import Grid, Scaled, filled
from vestige.unlearners.core.ranges import BatchSize, Fraction, Momentum, Passes, Positive, Rate
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT, Unlearner
from vestige.unlearners.shared.optimisation import Optimisation, Schedule, Steps
from vestige.unlearners.shared.pool import Pool
from vestige.unlearners.shared.steps import Loss, Normalisation, one_pass
from vestige.unlearners.shared.stopping import StoppingRule


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ForgetPhase(Unlearner):
    """Base of the methods that take steps on forget batches alone, with a rule that ends them.

    rate: peak learning rate, as a multiple of the recipe's. passes: most passes over the forget set. schedule: of the
    rate, over the whole budget. batch_size: None for the recipe's. momentum: of SGD; there is no weight decay. clip:
    largest gradient norm, None for no limit. bn: running statistics by default, since forget-only batches would move
    them. max_utility_loss: fall of validation accuracy, a fraction, at which the last good state is restored.
    per_pass: the rate is that of a whole pass, so that each of its b batches steps with ``rate / b``; False for the
    plain rate of every step, as published codes have it. The rule looks after whole passes, and a pass of many full
    steps over a large forget set runs far past the point where it would have held.
    """

    search: ClassVar[Mapping[str, Grid]] = {"rate": Scaled(0.1, 0.3, 1.0, 3.0)}

    rate: Rate | None = None
    passes: Passes | None = None
    schedule: Schedule = "constant"
    batch_size: BatchSize | None = None
    momentum: Momentum = 0.9
    clip: Positive | None = None
    bn: Normalisation = "frozen_on_forget"
    max_utility_loss: Fraction = 0.1
    per_pass: bool = True

    def _train_on_forget(
        self,
        model: Classifier,
        task: Task,
        loss: Loss,
        *,
        targets: Callable[[], Tensor] | None = None,
        judged: Classifier | None = None,
        settle: Callable[[], None] | None = None,
    ) -> Classifier:
        """The whole budget of passes over the forget set, in place, or fewer when the rule ends them; see ``one_pass``.

        targets: makes what stands in for the labels, ``[n_forget, ...]``; not called without a budget. judged: the
        network that the rule reads and restores and that is returned, where it is another than ``model``. settle:
        called after every pass, before the rule.
        """
        budget, candidate = filled(self.passes), model if judged is None else judged
        task.meter.stopped(f"budget ({budget} passes)")
        if budget == 0:
            return candidate
        pool = Pool(task, "forget", targets=None if targets is None else targets())
        batch_size = self.batch_size or task.recipe.batch_size
        steps = self._steps(model, task, len(batch_bounds(len(pool), batch_size)), budget)
        rule = StoppingRule(self.entry.name, candidate, task, max_utility_loss=self.max_utility_loss)
        for number in range(1, budget + 1):
            one_pass(model, task, steps, pool, batch_size=batch_size, frozen=self.bn != "train", loss=loss)
            if settle is not None:
                settle()
            task.report(number, budget)
            if rule.after_pass(number, budget):
                break
        return candidate

    def _steps(self, model: Classifier, task: Task, batches: int, budget: int) -> Steps:
        optimisation = Optimisation(
            learning_rate=filled(self.rate) * task.recipe.learning_rate / (batches if self.per_pass else 1),
            momentum=self.momentum,
            schedule=self.schedule,
            clip=self.clip,
            total=batches * budget,
        )
        return Steps(self.entry.name, model, optimisation)
