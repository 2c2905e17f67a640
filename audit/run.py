"""A whole audit: data, models, candidates, verdicts, report."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from attacks import Outputs
from audit._declaration import declaration, refuse_too_few
from audit._making import MadeModel, Plan, Watch, plan_models, train_missing, unlearn_missing
from audit._records import build_report, data_record, models_record, policy_record
from audit.canaries import canary_rows, register_planting
from audit.canary_bounds import CanaryQuestion
from audit.config import AuditConfig, describe
from audit.controls import run_controls
from audit.exposures import refuse_annex, write_exposed
from audit.judging import judge
from audit.near_duplicates import near_duplicates
from audit.one_run import plant
from audit.plan_file import PlanFile, Subject
from audit.preregistration import examples_digest, judged_under, refuse_other_subject, sizes_of
from audit.registration import register
from audit.report import Report
from audit.workspace import ModelKey, Workspace
from learners import Indices, Split, forward_flops, numpy_generator, predict_logits, weights_digest

RETAIN_ROWS = 10_000
"""Retain examples in the utility comparison; more would cost time and add no precision that matters."""


def ignore(stage: str, done: int, total: int) -> None:
    """The watcher of a caller who does not watch."""


def run_audit(
    config: AuditConfig,
    workspace: Workspace,
    *,
    base: Path = Path("."),
    watch: Watch = ignore,
    reproduce: str | None = None,
    annex: Path | None = None,
    under: PlanFile | None = None,
) -> Report:
    """Do whatever of the audit the workspace lacks, and judge every candidate.

    base: the folder that the configuration's relative paths start from. annex: where the ids of exposed examples go, by
    candidate; None for nowhere. under: the plan file to be judged under. The same configuration and seed give the same
    report, times aside, whether or not earlier runs were interrupted. Raises ConfigError and DataError in one sentence.
    """
    if annex is not None:
        refuse_annex(annex)
    watch("loading data", 0, 1)
    workspace.clear_remains()
    plan = plan_models(config, base)
    watch("loading data", 1, 1)
    declared = declaration(plan)
    refuse_too_few(plan, declared)
    near = near_duplicates(plan.examples, plan.split, annex, watch)
    rows, roles = audited_rows(plan)
    if under is not None:  # before hours of training
        refuse_other_subject(under, subject_of_models(plan, rows, roles))
    workspace.record("audit.json", describe(config))
    canaries = canary_question(plan, workspace.root)  # written down before anything is trained
    train_missing(plan, workspace, watch)
    unlearn_missing(plan, workspace, watch)
    keys = [plan.original, *plan.retrains, *(key for _, key in plan.candidates)]
    made = []
    for done, key in enumerate(keys):
        watch("computing outputs", done, len(keys))
        made.append(outputs_of(plan, workspace, key, rows))
    watch("computing outputs", len(keys), len(keys))
    reference, candidates = made[: 1 + len(plan.retrains)], made[1 + len(plan.retrains) :]
    shared = role_outputs(plan, rows, roles, reference, made[0])
    from audit.shadow_evidence import tables_of_run  # that module asks for the rows that this one defines

    shadows = tables_of_run(plan, workspace, [replace(shared, candidate=one.logits) for one in candidates], rows, watch)
    first = next(iter(shadows.values()), None)
    planned = judged_under(under, config.policy, sizes_of(shared), subject_of_models(plan, rows, roles, reference))
    # Policy and preconditions are written down before any candidate is scored (verdict.md, section 6, E3).
    registered = register(workspace.root, config.policy, shared, first, declared=declared)
    watch("judging", 0, len(candidates))
    controls = run_controls(shared, config.policy, first)
    asked = (
        []
        if canaries is None
        else [_on_canaries(plan, workspace, key, one, roles) for key, one in zip(keys, made, strict=True)]
    )
    audits = []
    for done, ((spec, _), one) in enumerate(zip(plan.candidates, candidates, strict=True)):
        watch("judging", done, len(candidates))
        audits.append(
            judge(
                replace(shared, candidate=one.logits),
                config.policy,
                name=spec.name,
                seed=config.seed,
                made=one,
                retained=len(plan.split.retain),
                signals=config.attacks.signals,
                controls=controls,
                plan=planned,
                declared=declared,
                shadows=shadows.get(spec.name),
            )
        )
        if canaries is not None:
            own = asked[1 + len(plan.retrains) + done]
            audits[-1] = replace(audits[-1], canaries=canaries.bounds(asked[1 : 1 + len(plan.retrains)], own, asked[0]))
        if annex is not None:
            write_exposed(annex, spec.name, replace(shared, candidate=one.logits), config.policy)
    watch("judging", len(candidates), len(candidates))
    policy, models = policy_record(config.policy, registered), models_record(plan, reference, plan.device.type)
    return build_report(
        audits,
        policy,
        data_record(plan.examples, plan.split, plan.duplicates, len(rows), near),
        models,
        reproduce=reproduce,
    )


def make_reference(config: AuditConfig, workspace: Workspace, *, base: Path = Path("."), watch: Watch = ignore) -> None:
    """Train what the workspace lacks of original and retrains, and nothing else: what a plan is made from."""
    watch("loading data", 0, 1)
    workspace.clear_remains()
    plan = plan_models(config, base)
    watch("loading data", 1, 1)
    train_missing(plan, workspace, watch)


def subject_of_models(
    plan: Plan, rows: Indices, roles: NDArray[np.str_], reference: Sequence[MadeModel] = ()
) -> Subject:
    """What a plan file fixes of an audit: data, split, audited examples, and original and retrains (``reference``, in
    this order) by their weights where they are given."""
    return Subject(
        kind="checkpoints",
        examples=examples_digest(plan.examples.labels[rows], roles),
        data=plan.examples.fingerprint,
        split=plan.split.fingerprint,
        original=reference[0].weights if reference else None,
        retrains=tuple(one.weights for one in reference[1:]) if reference else None,
    )


def audited_rows(plan: Plan) -> tuple[Indices, NDArray[np.str_]]:
    """Indices of the audited examples of this audit and their roles."""
    return rows_and_roles(plan.split, plan.config.seed)


def rows_and_roles(split: Split, seed: int) -> tuple[Indices, NDArray[np.str_]]:
    """Indices of the audited examples and their roles: all forget, all unseen, at most RETAIN_ROWS retain."""
    retain = split.retain
    if len(retain) > RETAIN_ROWS:
        random = numpy_generator(seed, "retain rows")
        retain = np.sort(random.choice(retain, RETAIN_ROWS, replace=False))
    parts = {"forget": split.forget, "unseen": split.unseen, "retain": retain}
    return np.concatenate(list(parts.values())), np.repeat(list(parts), [len(part) for part in parts.values()])


def role_outputs(
    plan: Plan, rows: Indices, roles: NDArray[np.str_], reference: Sequence[MadeModel], candidate: MadeModel
) -> Outputs:
    """The outputs of a candidate beside those of the reference: the original, then the retrains."""
    examples = plan.examples
    return Outputs(
        labels=examples.labels[rows],
        role=roles,
        candidate=candidate.logits,
        retrain=np.array([one.logits for one in reference[1:]]).reshape(-1, *reference[0].logits.shape),
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


def canary_question(plan: Plan, folder: Path) -> CanaryQuestion | None:
    """The canaries of an audit, their planting written down in ``folder``; None where there are none."""
    table = plan.config.canaries
    if table is None:
        return None
    planting, rows = plant(table.count, plan.config.canary_seed), canary_rows(plan.split)
    registered = register_planting(folder, planting, rows)
    return CanaryQuestion.of(table, planting, registered, plan.split, plan.examples.labels, plan.config.policy)


def _on_canaries(
    plan: Plan, workspace: Workspace, key: ModelKey, made: MadeModel, roles: NDArray[np.str_]
) -> NDArray[np.float32]:
    """Logits of a model on the unseen examples, which it has been asked about already, and then on the canaries."""
    logits = outputs_of(plan, workspace, key, canary_rows(plan.split)).logits
    return np.concatenate([made.logits[roles == "unseen"], logits])
