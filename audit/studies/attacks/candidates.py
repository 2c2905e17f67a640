"""The attacks of an audit file or of an outputs file: gathers the inputs, and calls ``attack_all``."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.registry.attacks import ATTACKS
from vestige.attacks.shadows.bank import ShadowBank
from vestige.audit.config.config import AuditConfig
from vestige.audit.config.declaration import need_retrains
from vestige.audit.endpoints.readings import judged_rows
from vestige.audit.endpoints.setting import setting_of
from vestige.audit.models.making import Plan, train_missing, unlearn_missing
from vestige.audit.models.outputs import audited_rows, outputs_of, role_outputs
from vestige.audit.models.reading import candidate_of, load_plan
from vestige.audit.models.workspace import Workspace
from vestige.audit.policy import Policy
from vestige.audit.progress import Watch, ignore
from vestige.audit.results.attacks import AttackTable, NumberResult
from vestige.audit.shadows.bank import found_shadows
from vestige.audit.shadows.scores import inputs_of, problems_of, with_bank
from vestige.audit.studies.attacks.table import BASELINE, attack_all, literature_numbers
from vestige.learners.arrays import Indices
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
    judged = judged_rows(outputs, setting_of(outputs))
    inputs, forget = inputs_of([outputs], judged, policy, 0), outputs.where("forget")[judged]
    people = None if outputs.subject is None else outputs.subject[judged]
    (table,) = attack_all(inputs, forget, candidates=[path.stem], signals=signals, people=people, against=against)
    return replace(table, numbers=_numbers(outputs, judged, 0))


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
    plan = load_plan(config, base, watch)
    chosen = {candidate_of(config, name).name for name in names or [spec.name for spec in config.candidates]}
    plan = replace(plan, candidates=tuple(pair for pair in plan.candidates if pair[0].name in chosen))
    shadows, unlearned = found_shadows(plan, workspace.root, count)  # refuses a wrong count early
    _refuse_comparison(against, shadows, [spec.name for spec, _ in plan.candidates if spec.name not in unlearned])
    train_missing(plan, workspace, watch)
    unlearn_missing(plan, workspace, watch)
    rows, roles = audited_rows(plan)
    reference = [outputs_of(plan, workspace, key, rows) for key in (plan.original, *plan.retrains)]
    made = [outputs_of(plan, workspace, key, rows) for _, key in plan.candidates]
    outputs = [role_outputs(plan, rows, roles, reference, model) for model in made]
    judged = judged_rows(outputs[0], setting_of(outputs[0]))
    watch("attacking", 0, 1)
    inputs = replace(inputs_of(outputs, judged, config.policy, config.seed), features=_features(plan, rows[judged]))
    inputs = inputs if shadows is None else with_bank(inputs, plan, workspace, rows[judged], shadows)
    tables = attack_all(
        inputs,
        roles[judged] == "forget",
        candidates=[spec.name for spec, _ in plan.candidates],
        signals=config.attacks.signals,
        unlearned={name: bank.at(rows[judged]) for name, bank in unlearned.items()},
        people=None if plan.examples.subjects is None else plan.examples.subjects[rows[judged]],
        against=against,
        problems=problems_of(plan, shadows, outputs[0], judged),
    )
    tables = [
        replace(table, numbers=_numbers(of, judged, config.seed)) for table, of in zip(tables, outputs, strict=True)
    ]
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


def _features(plan: Plan, rows: Indices) -> NDArray[np.float64]:
    """What an example looks like, to no model: its class and the principal directions of its pixels."""
    from sklearn.decomposition import PCA  # slow to import

    images, labels = plan.examples.read(rows)
    step = -(-max(images.shape[1:3]) // SIDE)
    coarse = images[:, ::step, ::step]
    pixels = coarse.reshape(len(rows), -1).astype(np.float32) / 255
    directions = PCA(min(PIXELS, *pixels.shape), svd_solver="randomized", random_state=plan.config.seed)
    return np.concatenate([directions.fit_transform(pixels), np.eye(plan.examples.classes)[labels]], axis=1)


def _numbers(outputs: Outputs, judged: Indices, seed: int) -> tuple[NumberResult, ...]:
    rows = np.union1d(judged, np.flatnonzero(outputs.where("retain")))
    models = {"candidate": [outputs.candidate[rows]], "retrain": [logits[rows] for logits in outputs.retrain]}
    if outputs.original is not None:
        models["original"] = [outputs.original[rows]]
    return literature_numbers(models, outputs.labels[rows], outputs.role[rows], seed=seed)
