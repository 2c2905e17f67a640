"""An audit's models under the views of its shadow bank, and what is wrong with holding them against it."""

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.shadows.bank import ShadowBank
from vestige.attacks.shadows.checks import bank_problems
from vestige.audit.models.making import Plan
from vestige.audit.models.workspace import ModelKey, Workspace
from vestige.audit.shadows.bank import design_of
from vestige.learners.data.examples import Indices
from vestige.learners.files.io import digest
from vestige.learners.training.augmentations import parse_augmentations, predict_augmentations
from vestige.learners.training.checkpoints import weights_digest
from vestige.learners.training.code_version import code_version
from vestige.learners.training.inference import accuracy


def augmented_logits(
    plan: Plan, workspace: Workspace, key: ModelKey, rows: Indices, shadows: ShadowBank
) -> NDArray[np.float32]:
    """Logits ``[views, m, classes]`` of one of the audit's models under the bank's views, kept in the workspace."""
    model, _ = workspace.load(key, plan.device)
    views = parse_augmentations(shadows.augmentations)

    def flat() -> NDArray[np.float32]:
        found = predict_augmentations(model, plan.examples, rows, views, plan.device)
        return np.moveaxis(found, 0, 1).reshape(len(rows), -1)

    name = digest(
        weights_digest(model), code_version("vestige.learners.training.augmentations"), *shadows.augmentations
    )
    kept = workspace.logits(key, name, rows, flat)
    return np.moveaxis(kept.reshape(len(rows), len(views), -1), 1, 0)


def problems_of(plan: Plan, shadows: ShadowBank | None, outputs: Outputs) -> tuple[str, ...]:
    """What is wrong with the bank, held against the original; sentences."""
    if shadows is None or outputs.original is None:
        return ()
    seen, unseen = outputs.role != "unseen", outputs.role == "unseen"
    known, new = (accuracy(outputs.original[rows], outputs.labels[rows]) for rows in (seen, unseen))
    problems = bank_problems(shadows, accuracy_in=known, accuracy_out=new)
    asked, wanted = len(design_of(plan).requests) // 2, len(plan.split.forget)
    if asked < 0.9 * wanted:
        problems += (
            f"each shadow was told to forget about {asked} examples, the audited model {wanted}: there are too few "
            "unseen examples of the same classes; U-LiRA then judges the method on a smaller request",
        )
    return problems
