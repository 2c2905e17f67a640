"""The scores of the verdict's endpoints A4, T4, F4 and F5, from the shadow bank that an audit's workspace holds.

Shadows are trained apart from the retrains, the candidates and the original, so none of these is scored by a fit to
itself, and no retrain has to be left out when it is scored. All models meet the same shadows: what these shadows happen
to be like is common to all and drops out of a gap.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.registry.attacks import ATTACKS
from vestige.attacks.registry.inputs import AttackInputs
from vestige.attacks.shadows.bank import ShadowBank
from vestige.attacks.shadows.checks import bank_problems
from vestige.audit.endpoints.scores import people_of
from vestige.audit.models.making import Plan
from vestige.audit.models.workspace import SHADOWS, Workspace
from vestige.audit.policy import Policy
from vestige.audit.progress import Watch
from vestige.audit.results.shadows import FEWEST, LIRA, ULIRA, ShadowEvidence, ShadowTables
from vestige.audit.shadows.bank import found_shadows
from vestige.audit.shadows.inference import inputs_of, problems_of, with_bank
from vestige.learners.arrays import Indices, Mask


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
    faults = bank_problems(bank)
    evidence = ShadowEvidence(
        bank=bank.folder.name,
        shadows=len(bank),
        unlearned=0,
        attacks=(),
        unseen_evaluation=0,
        problem="" if len(bank) < FEWEST else "; ".join(faults),
        remarks=tuple(problem for problem in problems_of(plan, bank, first) if problem not in faults),
    )
    names = [spec.name for spec, _ in plan.candidates]
    if len(bank) < FEWEST or evidence.problem:
        without = ShadowTables(evidence, {}, np.zeros(int((first.role != "retain").sum()), np.bool_))
        return {name: _counted(without, unlearned.get(name)) for name in names}
    watch("asking models under the shadows' views", 0, 1)
    inputs = inputs_of(outputs, plan.config.policy, 0)
    inputs = with_bank(inputs, plan, workspace, rows[first.role != "retain"], bank)
    inputs = replace(inputs, calibration=_calibration(first, inputs, plan.config.policy))
    of_bank, k = _lira(evidence, inputs), len(inputs.retrains)
    tables = {}
    for place, name in enumerate(names):
        alone = of_bank.take([*range(k), k + place, inputs.models - 1])
        bank_of_method = unlearned.get(name)
        tables[name] = (
            alone if bank_of_method is None else _with_method(alone, inputs, place, bank_of_method, rows, first)
        )
    watch("asking models under the shadows' views", 1, 1)
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
    evidence = replace(evidence, attacks=tuple(f"{name} ({one.remark})" for name, one in scored.items()))
    return ShadowTables(evidence, {name: one.scores for name, one in scored.items()}, judged)


def _with_method(
    tables: ShadowTables, inputs: AttackInputs, place: int, unlearned: ShadowBank, rows: Indices, outputs: Outputs
) -> ShadowTables:
    """Beside LiRA, U-LiRA with the shadows that the candidate's method was run on."""
    counted = _counted(tables, unlearned)
    if len(unlearned) < FEWEST:
        return counted
    faults = bank_problems(unlearned)
    if faults:
        return replace(counted, evidence=replace(counted.evidence, unlearned_problem="; ".join(faults)))
    audited = outputs.role != "retain"
    pair = [place, -1]  # the candidate and the original
    assert inputs.other_views is not None
    others, views = inputs.others[pair], inputs.other_views[pair]
    try:
        scored = ATTACKS[ULIRA](
            replace(inputs, others=others, other_views=views, unlearned=unlearned.at(rows[audited]))
        )
    except NotEstimable as error:
        return replace(counted, evidence=replace(counted.evidence, unlearned_problem=str(error)))
    forget = outputs.where("forget")[audited]
    assert scored.judged[forget].all()  # the whole request is among what shadows are told to forget
    evidence = replace(
        counted.evidence,
        attacks=(*counted.evidence.attacks, f"{ULIRA} ({scored.remark})"),
        unseen_evaluation=int((scored.judged & ~forget & ~inputs.calibration).sum()),
    )
    return ShadowTables(evidence, {**counted.tables, ULIRA: scored.scores}, scored.judged)


def _calibration(outputs: Outputs, inputs: AttackInputs, policy: Policy) -> Mask:
    """The rows ``[n]`` that the endpoints calibrate on: all rows of a person, where people are judged."""
    people = people_of(outputs)
    if people is None:
        return inputs.calibration
    unseen = outputs.role[outputs.role != "retain"] == "unseen"
    return people.calibration(unseen[people.first], policy.calibration_share, policy.calibration_seed)[people.unit]
