"""Amnesiac Machine Learning: take back the updates of every batch that held a forget example."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from vestige.learners.arrays import Floats
from vestige.learners.errors import DataError
from vestige.learners.training.architectures import Classifier
from vestige.learners.training.checkpoints import weights_digest
from vestige.learners.training.ledger import Ledger
from vestige.unlearners.core.defaults import BySize, Grid, Scaled
from vestige.unlearners.core.registry import register
from vestige.unlearners.core.task import Task
from vestige.unlearners.core.unlearner import STRICT, check_finite_weights
from vestige.unlearners.shared.losses import retain_loss
from vestige.unlearners.shared.pool import Pool
from vestige.unlearners.shared.retain_phase import ContrastHost
from vestige.unlearners.shared.steps import Seen, autocast, train_mode

UNDONE = 0.5
"""Above this share of its batches taken back, a training run is undone rather than amended."""


@register(
    "amnesiac",
    description="Take back the updates of all batches that held a forget example; they had to be kept in training.",
    citation="Graves et al. 2021, arXiv 2010.10981 (Amnesiac Machine Learning)",
    settings=("sample", "class", "subject"),
    reads=("retain",),
    needs=("ledger",),
)
@dataclass(frozen=True, kw_only=True, config=STRICT)
class Amnesiac(ContrastHost):
    """``theta = theta_original - sum of the updates of the batches that held a forget example``, then a short repair.

    The updates come from the ledger of the original's training (``learners.LedgerWriter``), and only those of the
    batches in question are read. Without a ledger, with that of another model, or with one that did not watch every
    forget example, the method refuses: there is nothing to stand in for it.

    share: of the recipe's epochs, the repair: training on the retain set afterwards, 0 for none. rate: its peak, as a
    multiple of the recipe's; schedule, batch_size, momentum and bn are the repair's too, weight decay is the recipe's.
    statistics: whether batch normalisation takes its running mean and variance anew before the repair. They
    are no updates and hence not in the ledger; the old ones have seen the forget set. Each becomes the plain mean over
    the batches of one shuffled pass over the retain set with the recipe's augmentation, as in training.

    The result is not exact: later updates were computed at weights that the removed ones had moved. At a forget share s
    a batch of B is free of forget examples with probability ``(1 - s) ** B``; at 10 % hardly any batch of 64 is. The
    record states the share that was taken back: above a half the training is undone rather than amended, and what works
    afterwards is the repair. A forget set that lies in no batch changes nothing, and there is no repair either.

    The paper's other scheme of this name, relabelling, is ``random_label``. Defaults: the paper repairs for a few
    epochs; rates and shares here are those of ``finetune``, a proposal.

    Cost: retain images (statistics, in networks with batch normalisation) + repair epochs x retain images x 3.
    """

    by_size: ClassVar[Mapping[str, BySize[Any]]] = {
        "rate": BySize(xs=1.0, s=1.0, m=0.3, l=0.3),
        "share": BySize(xs=0.3, s=0.3, m=0.1, l=0.1, few_images=0.3),
    }
    search: ClassVar[Mapping[str, Grid]] = {"rate": Scaled(0.1, 0.3, 1.0), "share": Scaled(0.3, 1.0, 3.0)}

    statistics: bool = True

    def unlearn(self, model: Classifier, task: Task) -> Classifier:
        """Subtract, take the statistics anew, repair."""
        ledger = self._ledger(model, task)
        rows = ledger.batches_with(task.forget)
        epochs, norms = self._epochs(task), _norms(model) if self.statistics else []
        total = bool(norms) + epochs + 1
        task.meter.note(f"{len(rows)} of {ledger.steps} batches taken back ({100 * len(rows) / ledger.steps:.1f} %)")
        if len(rows) == 0:
            task.meter.stopped("no batch held a forget example")
            return model
        if len(rows) > UNDONE * ledger.steps:
            task.meter.note(
                "more than half of all batches held a forget example: taking them back undoes the training itself"
            )
        self._take_back(model, ledger.total(rows))
        task.report(1, total)
        task.meter.stopped(f"single shot, then a repair of {epochs} epochs" if epochs else "single shot")
        if norms or epochs:
            self._mend(model, task, norms, epochs)
        return model

    def _mend(self, model: Classifier, task: Task, norms: list[_BatchNorm], epochs: int) -> None:
        """The statistics of ``norms`` anew, then the repair."""
        pool, total = Pool(task, "retain"), bool(norms) + epochs + 1
        if norms:
            _take_statistics(model, task, norms, pool, self._batch_size(task))
            task.report(2, total)
        steps = self._steps(model, task, epochs * self._batches(task, pool))

        def loss(network: Classifier, seen: Seen) -> Tensor:
            return retain_loss(seen.logits, seen.y, task.recipe)

        for epoch in range(epochs):
            self._retain_pass(model, task, steps, pool, loss)
            task.report(1 + bool(norms) + epoch + 1, total)

    def _ledger(self, model: Classifier, task: Task) -> Ledger:
        """The task's ledger, if it is of this model and complete; refused otherwise."""
        name, ledger = self.entry.name, task.ledger
        if ledger is None:
            raise DataError(
                f"{name}: expected the ledger of the original's training, got none; "
                "let vestige run train the original for amnesiac, or keep one with learners.LedgerWriter"
            )
        if ledger.weights != weights_digest(model):
            raise DataError(
                f"{name}: expected the ledger of the given model, got {ledger.folder}, which belongs to other weights; "
                "give the ledger that was kept while this model was trained"
            )
        unwatched = int((~np.isin(task.forget, ledger.watched)).sum())
        if unwatched:
            raise DataError(
                f"{name}: expected a ledger that watched all {len(task.forget)} forget examples, got {ledger.folder}, "
                f"which did not watch {unwatched} of them; train the original again with a ledger that does"
            )
        return ledger

    def _take_back(self, model: Classifier, updates: Floats) -> None:
        """Subtract from the parameters, in float64."""
        parameters = list(model.parameters())
        parts = np.split(updates, np.cumsum([parameter.numel() for parameter in parameters])[:-1])
        with torch.no_grad():
            for parameter, update in zip(parameters, parts, strict=True):
                before = parameter.detach().to("cpu", torch.float64)
                parameter.copy_(before - torch.from_numpy(update).view(parameter.shape))
                check_finite_weights(self.entry.name, "the weights", parameter, self.step_parameter)


def _norms(model: nn.Module) -> list[_BatchNorm]:
    """Batch normalisations that keep running statistics."""
    return [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]


def _take_statistics(model: Classifier, task: Task, norms: list[_BatchNorm], pool: Pool, batch_size: int) -> None:
    """Running statistics from nothing: their plain mean over the batches of one pass, without gradients."""
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # torch's word for a cumulative mean
    for x, y in pool.epoch(batch_size):
        with torch.no_grad(), train_mode(model, frozen=False), autocast(task):
            model(x)
        task.meter.forward(pool.role, len(y))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
