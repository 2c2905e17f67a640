"""Which examples are audited, and what models say about them."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.models.making import MadeModel, Plan
from vestige.audit.models.workspace import ModelKey, Workspace
from vestige.learners.arrays import Indices
from vestige.learners.data.examples import Examples
from vestige.learners.data.split import Split
from vestige.learners.seeds import numpy_generator
from vestige.learners.training.checkpoints import weights_digest
from vestige.learners.training.flops import forward_flops
from vestige.learners.training.inference import predict_logits


def audited_rows(plan: Plan) -> tuple[Indices, NDArray[np.str_]]:
    """Indices of the audited examples of this audit and their roles."""
    return rows_and_roles(plan.examples, plan.split, plan.config.seed)


def rows_and_roles(examples: Examples, split: Split, seed: int) -> tuple[Indices, NDArray[np.str_]]:
    """Indices of the audited examples and their roles: all forget, all unseen, at most RETAIN_ROWS retain, and where
    whole classes were forgotten at most as many test examples of the other classes, unseen ones too."""
    parts = [split.forget, split.unseen, _some(split.retain, seed, "retain rows"), _others(examples, split, seed)]
    return np.concatenate(parts), np.repeat(["forget", "unseen", "retain", "unseen"], [len(part) for part in parts])


def rows_of_split(split: Split, seed: int) -> Indices:
    """The audited examples among those that the split gives a role."""
    return np.concatenate([split.forget, split.unseen, _some(split.retain, seed, "retain rows")])


def _some(rows: Indices, seed: int, purpose: str) -> Indices:
    if len(rows) <= RETAIN_ROWS:
        return rows
    return np.sort(numpy_generator(seed, purpose).choice(rows, RETAIN_ROWS, replace=False))


def _others(examples: Examples, split: Split, seed: int) -> Indices:
    forgotten = np.unique(examples.labels[split.forget])
    if np.isin(examples.labels[split.retain], forgotten).any():
        return split.forget[:0]
    rows = np.flatnonzero(examples.test_part & ~np.isin(examples.labels, forgotten))
    taken = (split.train, split.unseen, split.validation, split.canaries_out)
    return _some(np.setdiff1d(rows, np.concatenate(taken)), seed, "unseen rows of other classes")


def role_outputs(
    plan: Plan, rows: Indices, roles: NDArray[np.str_], reference: Sequence[MadeModel], candidate: MadeModel
) -> Outputs:
    """The outputs of a candidate and of the reference: the original, then the retrains."""
    examples = plan.examples
    return Outputs(
        labels=examples.labels[rows],
        role=roles,
        candidate=candidate.logits,
        retrain=np.array([model.logits for model in reference[1:]]).reshape(-1, *reference[0].logits.shape),
        original=reference[0].logits,
        group=None if examples.groups is None else examples.groups[rows],
        subject=None if examples.subjects is None else examples.subjects[rows],
        id=examples.names(rows),
    )


def outputs_of(plan: Plan, workspace: Workspace, key: ModelKey, rows: Indices) -> MadeModel:
    """The model with this key on the examples at ``rows``; its logits are kept in the workspace."""
    model, header = workspace.load(key, plan.device)
    weights = weights_digest(model)
    compute = partial(predict_logits, model, plan.examples, rows, plan.device)
    logits = workspace.logits(key, weights, rows, compute)
    return MadeModel(logits, weights, header, forward_flops(model, plan.examples.shape))


RETAIN_ROWS = 10_000
"""Retain examples, or unseen ones of other classes, in the utility comparison; more would cost time and add no
precision that matters."""
