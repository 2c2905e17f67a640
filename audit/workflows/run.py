"""A whole audit from an audit file: data, models, candidates, verdicts, report."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vestige.audit.canaries.bounds import CanaryQuestion
from vestige.audit.canaries.planting import canary_rows, register_planting
from vestige.audit.config.config import AuditConfig, describe
from vestige.audit.config.declaration import check_enough_retrains, declaration
from vestige.audit.data_checks.near_duplicates import near_duplicates
from vestige.audit.models.making import MadeModel, Plan, plan_models, train_missing, unlearn_missing
from vestige.audit.models.outputs import audited_rows, outputs_of, role_outputs
from vestige.audit.models.workspace import ModelKey, Workspace
from vestige.audit.planning.preregistration import check_subject, subject_of_models
from vestige.audit.policy import LOOKS
from vestige.audit.progress import Watch, ignore
from vestige.audit.results.evidence import Verdict
from vestige.audit.results.report import Report
from vestige.audit.shadows.scores import tables_of_run
from vestige.audit.statistics.one_run import plant
from vestige.audit.workflows.conclude import conclude
from vestige.audit.workflows.records import data_record, models_record
from vestige.audit.workflows.request import AuditRequest, Canaries, Candidate, Criteria, Terms
from vestige.learners.arrays import Indices
from vestige.learners.errors import ConfigError


def run_audit(
    config: AuditConfig,
    workspace: Workspace,
    terms: Terms | None = None,
    *,
    base: Path = Path("."),
    watch: Watch = ignore,
) -> Report:
    """Do whatever of the audit the workspace lacks, and judge every candidate.

    terms: by default the configuration's policy, registered in the workspace. base: the folder that the configuration's
    relative paths start from. The same configuration and seed give the same report, times aside, whether or not earlier
    runs were interrupted. Raises ConfigError and DataError in one sentence.
    """
    terms = terms or Terms(policy=config.policy, folder=workspace.root)
    if terms.name is not None:
        raise ConfigError("name: expected none, as the audit file names its candidates; leave it out")
    config = replace(config, policy=terms.policy)
    plan = _load(config, workspace, base, watch)
    declared, known = declaration(config, plan.examples, terms.declared)
    check_enough_retrains(config, declared, known=known)
    near = near_duplicates(plan.examples, plan.split, terms.exposed_ids, watch)
    rows, roles = audited_rows(plan)
    if terms.plan is not None:  # before hours of training
        check_subject(terms.plan, subject_of_models(plan, rows, roles))
    workspace.record("audit.json", describe(config))
    question = canary_question(plan, terms.folder)  # written down before anything is trained
    train_missing(plan, workspace, watch)
    unlearn_missing(plan, workspace, watch)
    keys = [plan.original, *plan.retrains, *(key for _, key in plan.candidates)]
    models = []
    for done, key in enumerate(keys):
        watch("computing outputs", done, len(keys))
        models.append(outputs_of(plan, workspace, key, rows))
    watch("computing outputs", len(keys), len(keys))
    reference = models[: 1 + len(plan.retrains)]
    outputs = role_outputs(plan, rows, roles, reference, reference[0])
    of_candidates = [replace(outputs, candidate=model.logits) for model in models[len(reference) :]]
    criteria = Criteria(
        policy=terms.policy,
        seed=config.seed,
        declared=declared,
        known_random=known,
        signals=config.attacks.signals,
        retained=len(plan.split.retain),
    )
    shadows = tables_of_run(plan, workspace, of_candidates, criteria.setting(outputs), rows, watch)
    pairs = zip(keys, models, strict=True)
    on_canaries = [] if question is None else [_on_canaries(plan, workspace, pair, rows) for pair in pairs]
    request = AuditRequest(
        outputs=outputs,
        candidates=tuple(
            Candidate(
                name=spec.name,
                logits=models[place].logits,
                made=models[place],
                shadows=shadows.get(spec.name),
                canaries=on_canaries[place] if on_canaries else None,
            )
            for place, (spec, _) in enumerate(plan.candidates, start=len(reference))
        ),
        subject=subject_of_models(plan, rows, roles, reference),
        criteria=criteria,
        terms=terms,
        data=data_record(plan.examples, plan.split, plan.duplicates, roles, near),
        models=models_record(plan, reference, plan.device.type),
        canaries=None if question is None else Canaries(question, on_canaries[0], on_canaries[1 : len(reference)]),
    )
    return conclude(request, watch)


def run_until_decided(
    config: AuditConfig, workspace: Workspace, terms: Terms, most: int, *, base: Path = Path("."), watch: Watch = ignore
) -> Report:
    """The same again and again with more retrains, as ``LOOKS`` says, from ``config.retrains`` to ``most`` of them,
    until every candidate is decided or no retrain can decide it: the report of the last look.

    Each look has half of the policy's error rate (``Policy.sequential``), which holds for all of them together."""
    terms = replace(terms, policy=replace(terms.policy, sequential=True))
    start = config.retrains.count
    first, *later = [look for look in LOOKS if start <= look <= most] or [0]
    if not first:
        looks = ", ".join(map(str, LOOKS))
        raise ConfigError(
            f"--max: expected a look ({looks} retrains) between retrains.count and it, {start} and {most}"
        )
    report = _look(config, workspace, terms, first, base=base, watch=watch)
    for count in later:
        if not any(_more_may_decide(audit.verdict) for audit in report.audits):
            break
        report = _look(config, workspace, terms, count, base=base, watch=watch)
    return report


def _look(config: AuditConfig, workspace: Workspace, terms: Terms, count: int, *, base: Path, watch: Watch) -> Report:
    config = replace(config, retrains=replace(config.retrains, count=count))
    return run_audit(config, workspace, terms, base=base, watch=watch)


def _more_may_decide(verdict: Verdict) -> bool:
    return verdict.outcome == "INCONCLUSIVE" and not {"REFERENCE", "UNSEEN"} & set(verdict.codes)


def _load(config: AuditConfig, workspace: Workspace, base: Path, watch: Watch) -> Plan:
    watch("loading data", 0, 1)
    workspace.clear_remains()
    plan = plan_models(config, base)
    watch("loading data", 1, 1)
    return plan


def make_reference(config: AuditConfig, workspace: Workspace, *, base: Path = Path("."), watch: Watch = ignore) -> None:
    """Train what the workspace lacks of original and retrains, and nothing else: what a plan is made from."""
    train_missing(_load(config, workspace, base, watch), workspace, watch)


def canary_question(plan: Plan, folder: Path) -> CanaryQuestion | None:
    """The canaries of an audit, their planting written down in ``folder``; None where there are none."""
    table = plan.config.canaries
    if table is None:
        return None
    planting, rows = plant(table.count, plan.config.canary_seed), canary_rows(plan.split)
    registered = register_planting(folder, planting, rows)
    return CanaryQuestion.of(table, planting, registered, plan.split, plan.examples.labels)


def _on_canaries(
    plan: Plan, workspace: Workspace, model: tuple[ModelKey, MadeModel], rows: Indices
) -> NDArray[np.float32]:
    """Logits of a model on the unseen examples, which are there already, and then on the canaries."""
    key, made = model
    logits = outputs_of(plan, workspace, key, canary_rows(plan.split)).logits
    return np.concatenate([made.logits[np.isin(rows, plan.split.unseen)], logits])
