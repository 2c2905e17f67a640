"""The attacks of an audit file or of an outputs file: gathers the material, and calls ``attack_all``."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.registry.attacks import ATTACKS
from vestige.attacks.registry.inputs import AttackInputs
from vestige.attacks.shadows.bank import ShadowBank
from vestige.audit.config.config import AuditConfig
from vestige.audit.endpoints.scores import calibration_rows
from vestige.audit.models.making import Plan, plan_models, train_missing, unlearn_missing
from vestige.audit.models.outputs import audited_rows, outputs_of, role_outputs
from vestige.audit.models.workspace import ModelKey, Workspace
from vestige.audit.policy import Policy
from vestige.audit.progress import Watch, ignore
from vestige.audit.results.attacks import AttackTable
from vestige.audit.shadows.bank import found_shadows
from vestige.audit.shadows.inference import augmented_logits, problems_of
from vestige.audit.studies.attacks.table import BASELINE, attack_all, literature_numbers
from vestige.audit.workflows.declaration import need_retrains
from vestige.learners.data.examples import Indices
from vestige.learners.errors import ConfigError

SIDE = 32
"""Most pixels a side that quantile regression looks at."""

PIXELS = 64
"""Principal directions of the pixels that quantile regression gets, beside the class."""


def attack_outputs(
    path: Path,
    policy: Policy,
    *,
    signals: Sequence[str],
    probabilities: bool = False,
    against: tuple[str, str] = BASELINE,
) -> AttackTable:
    """Every attack that an outputs file (``.npz``) allows on its candidate; shadows need the models themselves."""
    outputs = Outputs.read(path, probabilities=probabilities)
    asked = outputs.where("forget") | outputs.where("unseen")
    labels = outputs.labels[asked]
    forget = outputs.where("forget")[asked]
    others = [outputs.candidate] + ([] if outputs.original is None else [outputs.original])
    material = AttackInputs(
        labels=labels,
        calibration=calibration_rows(labels, ~forget, policy.calibration_share, policy.calibration_seed),
        retrains=outputs.retrain[:, asked],
        others=np.stack([one[asked] for one in others]),
        original=None if outputs.original is None else outputs.original[asked],
        seed=policy.calibration_seed,
    )
    people = None if outputs.subject is None else outputs.subject[asked]
    (table,) = attack_all(material, forget, candidates=[path.stem], signals=signals, people=people, against=against)
    return replace(table, numbers=_numbers(outputs, policy.calibration_seed))


def attack_candidates(
    config: AuditConfig,
    workspace: Workspace,
    *,
    base: Path = Path("."),
    names: Sequence[str] = (),
    count: int | None = None,
    against: tuple[str, str] = BASELINE,
    watch: Watch = ignore,
) -> list[AttackTable]:
    """Every attack that an audit's workspace allows on its candidates, or on those named.

    Models that are missing are made first, as ``vestige run`` would; shadows are not: ``vestige shadows`` makes them.
    count: use so many of them only, None for all. against: see ``attack_all``.
    Raises ConfigError for a name that is no candidate of the file."""
    need_retrains(config, "vestige attack")
    watch("loading data", 0, 1)
    plan = plan_models(config, base)
    known = [spec.name for spec, _ in plan.candidates]
    for name in names:
        if name not in known:
            raise ConfigError(
                f"candidate: expected one of {', '.join(known)}, got {name!r}; name one of the audit file"
            )
    plan = replace(plan, candidates=tuple(one for one in plan.candidates if not names or one[0].name in names))
    shadows, unlearned = found_shadows(plan, workspace.root, count)  # refuses a wrong count early
    _refuse_comparison(against, shadows, [spec.name for spec, _ in plan.candidates if spec.name not in unlearned])
    watch("loading data", 1, 1)
    train_missing(plan, workspace, watch)
    unlearn_missing(plan, workspace, watch)
    rows, roles = audited_rows(plan)
    reference = [outputs_of(plan, workspace, key, rows) for key in (plan.original, *plan.retrains)]
    made = [outputs_of(plan, workspace, key, rows) for _, key in plan.candidates]
    outputs = [role_outputs(plan, rows, roles, reference, one) for one in made]
    asked, known = roles != "retain", [spec.name for spec, _ in plan.candidates]
    watch("attacking", 0, 1)
    tables = attack_all(
        _material(plan, workspace, outputs, rows[asked], asked, shadows),
        roles[asked] == "forget",
        candidates=known,
        signals=config.attacks.signals,
        unlearned={name: bank.at(rows[asked]) for name, bank in unlearned.items()},
        people=None if plan.examples.subjects is None else plan.examples.subjects[rows[asked]],
        against=against,
        problems=problems_of(plan, shadows, outputs[0]),
    )
    tables = [replace(table, numbers=_numbers(one, config.seed)) for table, one in zip(tables, outputs, strict=True)]
    watch("attacking", 1, 1)
    return tables


def _refuse_comparison(against: tuple[str, str], shadows: ShadowBank | None, missing: Sequence[str]) -> None:
    """Before hours of training: an attack to compare with that lacks shadows, or a candidate's unlearned ones."""
    attack = ATTACKS[against[0]]
    lacks_shadows = attack.requires in ("shadows", "augmentations") and shadows is None
    if lacks_shadows or (attack.requires == "unlearned" and missing):
        whose = f" of {', '.join(missing)}" if attack.requires == "unlearned" else ""
        raise ConfigError(
            f"against: {attack.name} needs {attack.needs}{whose}; make them with vestige shadows, "
            "or compare with another attack"
        )


def _material(
    plan: Plan,
    workspace: Workspace,
    outputs: Sequence[Outputs],
    rows: Indices,
    asked: NDArray[np.bool_],
    shadows: ShadowBank | None,
) -> AttackInputs:
    """Of all candidates and the original, on the forget and unseen rows."""
    first, policy = outputs[0], plan.config.policy
    assert first.original is not None
    labels, forget = first.labels[asked], first.where("forget")[asked]

    def views(one: ModelKey) -> NDArray[np.float32]:
        assert shadows is not None
        return augmented_logits(plan, workspace, one, rows, shadows)

    questioned = [*(key for _, key in plan.candidates), plan.original]
    return AttackInputs(
        labels=labels,
        calibration=calibration_rows(labels, ~forget, policy.calibration_share, policy.calibration_seed),
        retrains=first.retrain[:, asked],
        others=np.stack([*(one.candidate[asked] for one in outputs), first.original[asked]]),
        original=first.original[asked],
        shadows=None if shadows is None else shadows.at(rows),
        retrain_augmentations=None if shadows is None else np.stack([views(one) for one in plan.retrains]),
        other_augmentations=None if shadows is None else np.stack([views(one) for one in questioned]),
        features=_features(plan, rows),
        seed=plan.config.seed,
    )


def _features(plan: Plan, rows: Indices) -> NDArray[np.float64]:
    """What an example looks like, to no model: its class and the principal directions of its pixels."""
    from sklearn.decomposition import PCA  # slow to import

    images, labels = plan.examples.read(rows)
    step = -(-max(images.shape[1:3]) // SIDE)
    coarse = images[:, ::step, ::step]
    pixels = coarse.reshape(len(rows), -1).astype(np.float32) / 255
    directions = PCA(min(PIXELS, *pixels.shape), svd_solver="randomized", random_state=plan.config.seed)
    return np.concatenate([directions.fit_transform(pixels), np.eye(plan.examples.classes)[labels]], axis=1)


def _numbers(outputs: Outputs, seed: int) -> Any:
    models = {"candidate": [outputs.candidate], "retrain": list(outputs.retrain)}
    if outputs.original is not None:
        models["original"] = [outputs.original]
    return partial(literature_numbers, models, outputs.labels, outputs.role)(seed=seed)
