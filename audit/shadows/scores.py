"""The bank's questions to an audit's models, and the scores of the endpoints A4, T4, F4 and F5 that it gives.

Shadows are trained apart from the retrains, the candidates and the original, so none of these is scored by a fit to
itself, and no retrain has to be left out when it is scored. All models meet the same shadows: what these shadows happen
to be like is common to all and drops out of a gap.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.registry.attacks import ATTACKS
from vestige.attacks.registry.inputs import AttackInputs
from vestige.attacks.shadows.bank import ShadowBank
from vestige.attacks.shadows.checks import bank_problems
from vestige.audit.endpoints.readings import calibration_of, judged_rows
from vestige.audit.models.making import Plan
from vestige.audit.models.workspace import SHADOWS, ModelKey, Workspace
from vestige.audit.policy import Policy
from vestige.audit.progress import Watch
from vestige.audit.results.setting import Setting
from vestige.audit.results.shadows import FEWEST, LIRA, ULIRA, ShadowEvidence, ShadowTables
from vestige.audit.shadows.bank import design_of, found_shadows
from vestige.learners.arrays import Indices, Mask
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


def inputs_of(outputs: Sequence[Outputs], judged: Indices, policy: Policy, seed: int) -> AttackInputs:
    """What attacks without shadows read of some candidates, then the original, on the rows ``judged_rows``.

    outputs: of each candidate, with the same reference."""
    first = outputs[0]
    others = [of_candidate.candidate for of_candidate in outputs] + ([] if first.original is None else [first.original])
    return AttackInputs(
        labels=first.labels[judged],
        calibration=calibration_of(first, judged, policy.calibration_share),
        retrains=first.retrain[:, judged],
        others=np.stack([logits[judged] for logits in others]),
        original=None if first.original is None else first.original[judged],
        seed=seed,
    )


def with_bank(inputs: AttackInputs, plan: Plan, workspace: Workspace, rows: Indices, bank: ShadowBank) -> AttackInputs:
    """The inputs of all candidates of the plan with the bank, and with their models under its augmentations.

    rows: the examples of the inputs."""
    shadows = bank.at(rows)
    keys = [*plan.retrains, *(key for _, key in plan.candidates), plan.original]
    logits = np.stack([augmented_logits(plan, workspace, key, rows, shadows) for key in keys])
    retrains, others = logits[: len(plan.retrains)], logits[len(plan.retrains) :]
    return replace(inputs, shadows=shadows, retrain_augmentations=retrains, other_augmentations=others)


def problems_of(plan: Plan, shadows: ShadowBank | None, outputs: Outputs, judged: Indices) -> tuple[str, ...]:
    """What is wrong with the bank, compared with the original; sentences. judged: the rows ``judged_rows``."""
    if shadows is None or outputs.original is None:
        return ()
    seen, unseen = outputs.role != "unseen", judged[outputs.role[judged] == "unseen"]
    known, new = (accuracy(outputs.original[rows], outputs.labels[rows]) for rows in (seen, unseen))
    problems = bank_problems(shadows, accuracy_in=known, accuracy_out=new)
    requested, wanted = len(design_of(plan).requests) // 2, len(plan.split.forget)
    if requested < 0.9 * wanted:
        problems += (
            f"each shadow had to forget about {requested} examples, the audited model {wanted}: there are too few "
            "unseen examples of the same classes; U-LiRA then judges the method on a smaller request",
        )
    return problems


def tables_of_run(
    plan: Plan, workspace: Workspace, outputs: Sequence[Outputs], setting: Setting, rows: Indices, watch: Watch
) -> dict[str, ShadowTables]:
    """What the workspace's bank says about each candidate on the rows ``judged_rows``, by name; empty without a bank.

    outputs: of each candidate of the plan, in order. rows: the audited examples. Models are queried under the
    bank's augmentations, and LiRA is made once for all candidates. Raises DataError for a damaged bank.
    """
    if not outputs or not (workspace.root / SHADOWS).is_dir():
        return {}
    bank, unlearned = found_shadows(plan, workspace.root)
    if bank is None:
        return {}
    first = outputs[0]
    judged = judged_rows(first, setting)
    faults = bank_problems(bank)
    evidence = ShadowEvidence(
        bank=bank.folder.name,
        shadows=len(bank),
        unlearned=0,
        attacks=(),
        unseen_evaluation=0,
        problem="" if len(bank) < FEWEST else "; ".join(faults),
        remarks=tuple(problem for problem in problems_of(plan, bank, first, judged) if problem not in faults),
    )
    names = [spec.name for spec, _ in plan.candidates]
    if len(bank) < FEWEST or evidence.problem:
        without = ShadowTables(evidence, {}, np.zeros(len(judged), np.bool_))
        return {name: _counted(without, unlearned.get(name)) for name in names}
    watch("querying models for the shadow attacks", 0, 1)
    inputs = with_bank(inputs_of(outputs, judged, plan.config.policy, 0), plan, workspace, rows[judged], bank)
    of_bank, k = _lira(evidence, inputs), len(inputs.retrains)
    tables = {}
    for place, name in enumerate(names):
        alone = of_bank.take([*range(k), k + place, inputs.models - 1])
        bank_of_method = unlearned.get(name)
        tables[name] = (
            alone
            if bank_of_method is None
            else _with_method(alone, inputs, place, bank_of_method.at(rows[judged]), first.where("forget")[judged])
        )
    watch("querying models for the shadow attacks", 1, 1)
    return tables


def _counted(tables: ShadowTables, unlearned: ShadowBank | None) -> ShadowTables:
    count = 0 if unlearned is None else len(unlearned)
    return replace(tables, evidence=replace(tables.evidence, unlearned=count))


def _lira(evidence: ShadowEvidence, inputs: AttackInputs) -> ShadowTables:
    """LiRA on all models of the inputs."""
    judged = np.zeros(len(inputs.labels), np.bool_)
    try:
        scored = {name: ATTACKS[name](inputs) for name in LIRA}
    except NotEstimable as error:
        return ShadowTables(replace(evidence, problem=str(error)), {}, judged)
    evidence = replace(evidence, attacks=tuple(f"{name} ({of_attack.remark})" for name, of_attack in scored.items()))
    return ShadowTables(evidence, {name: of_attack.scores for name, of_attack in scored.items()}, judged)


def _with_method(
    tables: ShadowTables, inputs: AttackInputs, place: int, unlearned: ShadowBank, forget: Mask
) -> ShadowTables:
    """Beside LiRA, U-LiRA with the shadows that the candidate's method was run on."""
    counted = _counted(tables, unlearned)
    if len(unlearned) < FEWEST:
        return counted
    faults = bank_problems(unlearned)
    if faults:
        return replace(counted, evidence=replace(counted.evidence, unlearned_problem="; ".join(faults)))
    pair = [place, -1]  # the candidate and the original
    assert inputs.other_augmentations is not None
    others, views = inputs.others[pair], inputs.other_augmentations[pair]
    try:
        scored = ATTACKS[ULIRA](replace(inputs, others=others, other_augmentations=views, unlearned=unlearned))
    except NotEstimable as error:
        return replace(counted, evidence=replace(counted.evidence, unlearned_problem=str(error)))
    assert scored.judged[forget].all()  # the whole request is among what shadows have to forget
    evidence = replace(
        counted.evidence,
        attacks=(*counted.evidence.attacks, f"{ULIRA} ({scored.remark})"),
        unseen_evaluation=int((scored.judged & ~forget & ~inputs.calibration).sum()),
    )
    return ShadowTables(evidence, {**counted.tables, ULIRA: scored.scores}, scored.judged)
