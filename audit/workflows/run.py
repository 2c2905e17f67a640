"""A whole audit: data, models, candidates, verdicts, report."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vestige.audit.canaries.bounds import CanaryQuestion
from vestige.audit.canaries.planting import canary_rows, register_planting
from vestige.audit.config.config import AuditConfig, describe
from vestige.audit.data_checks.near_duplicates import near_duplicates
from vestige.audit.exposure.counts import write_exposed
from vestige.audit.exposure.exposed_ids import check_exposed_ids_path
from vestige.audit.models.making import MadeModel, Plan, plan_models, train_missing, unlearn_missing
from vestige.audit.models.outputs import audited_rows, outputs_of, role_outputs
from vestige.audit.models.workspace import ModelKey, Workspace
from vestige.audit.planning.plan_file import PlanFile
from vestige.audit.planning.preregistration import (
    check_subject,
    judged_under,
    sizes_of,
    subject_of_models,
)
from vestige.audit.planning.registration import register
from vestige.audit.progress import Watch, ignore
from vestige.audit.results.report import Report
from vestige.audit.statistics.one_run import plant
from vestige.audit.verdict.controls import run_controls
from vestige.audit.workflows.declaration import check_enough_retrains, declaration
from vestige.audit.workflows.judge import judge
from vestige.audit.workflows.records import build_report, data_record, models_record, policy_record


def run_audit(
    config: AuditConfig,
    workspace: Workspace,
    *,
    base: Path = Path("."),
    watch: Watch = ignore,
    reproduce: str | None = None,
    exposed_ids: Path | None = None,
    under: PlanFile | None = None,
) -> Report:
    """Do whatever of the audit the workspace lacks, and judge every candidate.

    base: the folder that the configuration's relative paths start from. exposed_ids: folder for the ids of exposed
    examples, by candidate; None for nowhere. under: the plan file to be judged under. The same
    configuration and seed give the same report, times aside, whether or not earlier runs were interrupted. Raises
    ConfigError and DataError in one sentence.
    """
    if exposed_ids is not None:
        check_exposed_ids_path(exposed_ids)
    watch("loading data", 0, 1)
    workspace.clear_remains()
    plan = plan_models(config, base)
    watch("loading data", 1, 1)
    declared = declaration(plan)
    check_enough_retrains(plan, declared)
    near = near_duplicates(plan.examples, plan.split, exposed_ids, watch)
    rows, roles = audited_rows(plan)
    if under is not None:  # before hours of training
        check_subject(under, subject_of_models(plan, rows, roles))
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
    from vestige.audit.shadows.scores import tables_of_run

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
        if exposed_ids is not None:
            write_exposed(exposed_ids, spec.name, replace(shared, candidate=one.logits), config.policy)
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
