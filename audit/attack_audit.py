"""The attacks of an audit file or of an outputs file: gathers the material, and calls ``attack_all``."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attacks import Material, Outputs, ShadowBank
from attacks.shadow_checks import bank_problems
from audit._making import Plan, Watch, plan_models, train_missing, unlearn_missing
from audit._scores import calibration_rows
from audit.attacking import AttackTable, attack_all, literature_numbers
from audit.config import AuditConfig
from audit.policy import Policy
from audit.run import audited_rows, ignore, outputs_of, role_outputs
from audit.shadowing import found_shadows
from audit.workspace import ModelKey, Workspace
from learners import ConfigError, Indices, accuracy, digest, parse_views, predict_views, weights_digest

PIXELS = 64
"""Principal directions of the pixels that quantile regression gets, beside the class."""


def attack_outputs(path: Path, policy: Policy, *, signals: Sequence[str], probabilities: bool = False) -> AttackTable:
    """Every attack that an outputs file (``.npz``) allows on its candidate; shadows need the models themselves."""
    outputs = Outputs.read(path, probabilities=probabilities)
    asked = outputs.where("forget") | outputs.where("unseen")
    labels = outputs.labels[asked]
    forget = outputs.where("forget")[asked]
    others = [outputs.candidate] + ([] if outputs.original is None else [outputs.original])
    material = Material(
        labels=labels,
        calibration=calibration_rows(labels, ~forget, policy.calibration_share, policy.calibration_seed),
        retrains=outputs.retrain[:, asked],
        others=np.stack([one[asked] for one in others]),
        original=None if outputs.original is None else outputs.original[asked],
        seed=policy.calibration_seed,
    )
    table = attack_all(material, forget, candidate=path.stem, signals=signals)
    return replace(table, numbers=_numbers(outputs, policy.calibration_seed))


def attack_candidates(
    config: AuditConfig,
    workspace: Workspace,
    *,
    base: Path = Path("."),
    names: Sequence[str] = (),
    count: int | None = None,
    watch: Watch = ignore,
) -> list[AttackTable]:
    """Every attack that an audit's workspace allows on its candidates, or on those named.

    Models that are missing are made first, as ``vestige run`` would; shadows are not: ``vestige shadows`` makes them.
    count: use so many of them only, None for all.
    Raises ConfigError for a name that is no candidate of the file."""
    watch("loading data", 0, 1)
    plan = plan_models(config, base)
    known = [spec.name for spec, _ in plan.candidates]
    for name in names:
        if name not in known:
            raise ConfigError(
                f"candidate: expected one of {', '.join(known)}, got {name!r}; name one of the audit file"
            )
    plan = replace(plan, candidates=tuple(one for one in plan.candidates if not names or one[0].name in names))
    watch("loading data", 1, 1)
    train_missing(plan, workspace, watch)
    unlearn_missing(plan, workspace, watch)
    rows, roles = audited_rows(plan)
    keys = [plan.original, *plan.retrains]
    reference = [outputs_of(plan, workspace, key, rows) for key in keys]
    features = _features(plan, rows[roles != "retain"])
    tables = []
    for done, (spec, key) in enumerate(plan.candidates):
        watch("attacking", done, len(plan.candidates))
        made = outputs_of(plan, workspace, key, rows)
        outputs = role_outputs(plan, rows, roles, reference, made)
        shadows, unlearned = found_shadows(plan, workspace.root, spec, count)
        asked = roles != "retain"
        problems: tuple[str, ...] = ()
        if shadows is not None:
            known_to = accuracy(reference[0].logits[roles != "unseen"], outputs.labels[roles != "unseen"])
            new_to = accuracy(reference[0].logits[roles == "unseen"], outputs.labels[roles == "unseen"])
            problems = bank_problems(shadows, accuracy_in=known_to, accuracy_out=new_to)
        material = _material(plan, workspace, outputs, rows[asked], asked, key, shadows, unlearned, features)
        forget = roles[asked] == "forget"
        table = attack_all(material, forget, candidate=spec.name, signals=config.attacks.signals, problems=problems)
        tables.append(replace(table, numbers=_numbers(outputs, config.seed)))
    watch("attacking", len(plan.candidates), len(plan.candidates))
    return tables


def _material(
    plan: Plan,
    workspace: Workspace,
    outputs: Outputs,
    rows: Indices,
    asked: NDArray[np.bool_],
    key: ModelKey,
    shadows: ShadowBank | None,
    unlearned: ShadowBank | None,
    features: NDArray[np.float64],
) -> Material:
    labels, forget = outputs.labels[asked], outputs.where("forget")[asked]
    policy = plan.config.policy
    views: Callable[[ModelKey], NDArray[Any]] = lambda one: _views(plan, workspace, one, rows, shadows)  # noqa: E731
    assert outputs.original is not None
    return Material(
        labels=labels,
        calibration=calibration_rows(labels, ~forget, policy.calibration_share, policy.calibration_seed),
        retrains=outputs.retrain[:, asked],
        others=np.stack([outputs.candidate[asked], outputs.original[asked]]),
        original=outputs.original[asked],
        shadows=None if shadows is None else shadows.at(rows),
        retrain_views=None if shadows is None else np.stack([views(one) for one in plan.retrains]),
        other_views=None if shadows is None else np.stack([views(key), views(plan.original)]),
        unlearned=None if unlearned is None else unlearned.at(rows),
        features=features,
        seed=plan.config.seed,
    )


def _views(
    plan: Plan, workspace: Workspace, key: ModelKey, rows: Indices, shadows: ShadowBank | None
) -> NDArray[np.float32]:
    """Logits ``[views, m, classes]`` of one of the audit's models under the bank's views, kept in the workspace."""
    assert shadows is not None
    model, _ = workspace.load(key, plan.device)
    views = parse_views(shadows.views)

    def flat() -> NDArray[np.float32]:
        found = predict_views(model, plan.examples, rows, views, plan.device)
        return np.moveaxis(found, 0, 1).reshape(len(rows), -1)

    kept = workspace.logits(key, digest(weights_digest(model), *shadows.views), rows, flat)
    return np.moveaxis(kept.reshape(len(rows), len(views), -1), 1, 0)


def _features(plan: Plan, rows: Indices) -> NDArray[np.float64]:
    """What an example looks like, to no model: its class and the principal directions of its pixels."""
    from sklearn.decomposition import PCA  # slow to import

    images, labels = plan.examples.read(rows)
    pixels = images.reshape(len(rows), -1).astype(np.float32) / 255
    directions = PCA(min(PIXELS, *pixels.shape), svd_solver="randomized", random_state=plan.config.seed)
    return np.concatenate([directions.fit_transform(pixels), np.eye(plan.examples.classes)[labels]], axis=1)


def _numbers(outputs: Outputs, seed: int) -> Any:
    models = {"candidate": [outputs.candidate], "retrain": list(outputs.retrain)}
    if outputs.original is not None:
        models["original"] = [outputs.original]
    return partial(literature_numbers, models, outputs.labels, outputs.role)(seed=seed)
