"""The scores of the verdict's endpoints A4, T4, F4 and F5, from the shadow bank that an audit's workspace holds.

Shadows are trained apart from the retrains, the candidates and the original, so none of these is scored by a fit to
itself, and no retrain has to be left out when it is scored. All models meet the same shadows: what these shadows happen
to be like is common to all and drops out of a gap.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.registry.attacks import ATTACKS
from vestige.attacks.registry.inputs import AttackInputs
from vestige.attacks.shadows.bank import ShadowBank
from vestige.attacks.shadows.checks import bank_problems
from vestige.audit.endpoints.scores import calibration_rows, people_of
from vestige.audit.models.making import Plan
from vestige.audit.models.workspace import SHADOWS, Workspace
from vestige.audit.policy import Policy
from vestige.audit.progress import Watch
from vestige.audit.results.shadows import FEWEST, LIRA, ULIRA, Floats, Mask, ShadowEvidence, ShadowTables
from vestige.audit.shadows.bank import found_shadows
from vestige.audit.shadows.inference import augmented_logits, problems_of
from vestige.learners.data.examples import Indices


def tables_of_run(
    plan: Plan, workspace: Workspace, outputs: Sequence[Outputs], rows: Indices, watch: Watch
) -> dict[str, ShadowTables]:
    """What the workspace's bank says about each candidate, by name; empty without a bank.

    outputs: of each candidate of the plan, in order. rows: the audited examples. Models are asked under the bank's
    views, and LiRA is made once for all candidates. Raises DataError for a damaged bank.
    """
    if not outputs or not (workspace.root / SHADOWS).is_dir():
        return {}
    bank, unlearned = found_shadows(plan, workspace.root)
    if bank is None:
        return {}
    first = outputs[0]
    asked = first.where("forget") | first.where("unseen")
    faults = bank_problems(bank)
    remarks = tuple(one for one in problems_of(plan, bank, first) if one not in faults)
    evidence = ShadowEvidence(
        bank=bank.folder.name,
        shadows=len(bank),
        unlearned=0,
        attacks=(),
        unseen_evaluation=0,
        problem="" if len(bank) < FEWEST else "; ".join(faults),
        remarks=remarks,
    )
    names = [spec.name for spec, _ in plan.candidates]
    if len(bank) < FEWEST or evidence.problem:
        without = ShadowTables(evidence, {}, np.zeros(int(asked.sum()), np.bool_))
        return {name: _counted(without, unlearned.get(name)) for name in names}
    watch("asking models under the shadows' views", 0, 1)
    material = _material(plan, workspace, outputs, rows[asked], asked, bank.at(rows[asked]))
    found = _lira(evidence, material)
    tables = {}
    for place, name in enumerate(names):
        own = found.take(_alone(material, place))
        made = unlearned.get(name)
        tables[name] = own if made is None else _with_method(own, material, place, made, rows[asked], first)
    watch("asking models under the shadows' views", 1, 1)
    return tables


def _counted(tables: ShadowTables, unlearned: ShadowBank | None) -> ShadowTables:
    count = 0 if unlearned is None else len(unlearned)
    return replace(tables, evidence=replace(tables.evidence, unlearned=count))


def _alone(material: AttackInputs, place: int) -> list[int]:
    """The retrains, the candidate at ``place`` and the original, among the material's models."""
    k = len(material.retrains)
    return [*range(k), k + place, material.models - 1]


def _lira(evidence: ShadowEvidence, material: AttackInputs) -> ShadowTables:
    """LiRA on all models of the material."""
    judged = np.zeros(len(material.labels), np.bool_)
    made = {name: _made(name, material) for name in LIRA}
    problem = next((one for one in made.values() if isinstance(one, str)), "")
    if problem:
        return ShadowTables(replace(evidence, problem=problem), {}, judged)
    found = {name: one for name, one in made.items() if isinstance(one, _Made)}
    evidence = replace(evidence, attacks=tuple(one.label for one in found.values()))
    return ShadowTables(evidence, {name: one.scores for name, one in found.items()}, judged)


def _with_method(
    tables: ShadowTables, material: AttackInputs, place: int, unlearned: ShadowBank, rows: Indices, outputs: Outputs
) -> ShadowTables:
    """Beside LiRA, U-LiRA with the shadows that the candidate's method was run on."""
    counted = _counted(tables, unlearned)
    if len(unlearned) < FEWEST:
        return counted
    faults = bank_problems(unlearned)
    if faults:
        return replace(counted, evidence=replace(counted.evidence, unlearned_problem="; ".join(faults)))
    chosen = _alone(material, place)[len(material.retrains) :]
    others = [one - len(material.retrains) for one in chosen]
    assert material.other_augmentations is not None
    own = replace(
        material,
        others=material.others[others],
        other_augmentations=material.other_augmentations[others],
        unlearned=unlearned.at(rows),
    )
    made = _made(ULIRA, own)
    if not isinstance(made, _Made):
        return replace(counted, evidence=replace(counted.evidence, unlearned_problem=made))
    forget = outputs.where("forget")[outputs.where("forget") | outputs.where("unseen")]
    assert made.judged[forget].all()  # the whole request is among what shadows are told to forget
    evidence = replace(
        counted.evidence,
        attacks=(*counted.evidence.attacks, made.label),
        unseen_evaluation=int((made.judged & ~forget & ~material.calibration).sum()),
    )
    return ShadowTables(evidence, {**counted.tables, ULIRA: made.scores}, made.judged)


@dataclass(frozen=True, eq=False)
class _Made:
    scores: Floats
    judged: Mask
    label: str


def _made(name: str, material: AttackInputs) -> _Made | str:
    """The registered attack on the material, or why it cannot be made."""
    try:
        scored = ATTACKS[name](material)
    except NotEstimable as error:
        return str(error)
    return _Made(scored.scores, scored.judged, f"{name} ({scored.remark})")


def _material(
    plan: Plan, workspace: Workspace, outputs: Sequence[Outputs], rows: Indices, asked: Mask, bank: ShadowBank
) -> AttackInputs:
    """Of all candidates and the original, on the forget and unseen rows; calibration rows are the endpoints'."""
    first, policy = outputs[0], plan.config.policy
    assert first.original is not None
    labels, forget = first.labels[asked], first.where("forget")[asked]
    keys = [*plan.retrains, *(key for _, key in plan.candidates), plan.original]
    views = np.stack([augmented_logits(plan, workspace, key, rows, bank) for key in keys])
    k = len(plan.retrains)
    return AttackInputs(
        labels=labels,
        calibration=_calibration(first, labels, forget, policy),
        retrains=first.retrain[:, asked],
        others=np.stack([*(one.candidate[asked] for one in outputs), first.original[asked]]),
        original=first.original[asked],
        shadows=bank,
        retrain_augmentations=views[:k],
        other_augmentations=views[k:],
    )


def _calibration(outputs: Outputs, labels: Indices, forget: Mask, policy: Policy) -> Mask:
    """The rows ``[n]`` that the endpoints calibrate on: all rows of a person, where people are judged."""
    share, seed, people = policy.calibration_share, policy.calibration_seed, people_of(outputs)
    if people is None:
        return calibration_rows(labels, ~forget, share, seed)
    return people.calibration(~forget[people.first], share, seed)[people.unit]
