"""One candidate: from an outputs file, or from checkpoints of this project."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.outputs.tables.columns import Columns, RoleNames
from vestige.attacks.outputs.tables.read import TableFiles, read_tables
from vestige.attacks.signals.signals import SIGNALS
from vestige.audit.config.config import AuditConfig
from vestige.audit.data_checks.near_duplicates import near_duplicates
from vestige.audit.data_checks.plausibility import check_plausible, outputs_problems
from vestige.audit.exposure.counts import write_exposed
from vestige.audit.exposure.exposed_ids import check_exposed_ids_path
from vestige.audit.models.making import MadeModel, Plan, plan_models
from vestige.audit.models.outputs import audited_rows, role_outputs
from vestige.audit.models.workspace import digest_indices
from vestige.audit.planning.plan_file import PlanFile
from vestige.audit.planning.preregistration import judged_under, sizes_of, subject_of, subject_of_models
from vestige.audit.planning.registration import register
from vestige.audit.policy import Policy
from vestige.audit.results.exchangeable import Declaration
from vestige.audit.results.report import DataRecord, ModelsRecord, Report
from vestige.audit.workflows.declaration import declaration
from vestige.audit.workflows.judge import judge
from vestige.audit.workflows.records import build_report, data_record, models_record, policy_record
from vestige.audit.workflows.run import canary_question
from vestige.learners.errors import DataError
from vestige.learners.files.io import digest, digest_file
from vestige.learners.training.checkpoints import load_checkpoint, weights_digest
from vestige.learners.training.flops import forward_flops
from vestige.learners.training.inference import predict_logits

UNKNOWN_MODELS = ModelsRecord(recipe=None, seeds=None, weights=None, device=None)


def audit_outputs(
    source: Path | TableFiles,
    policy: Policy,
    registration: Path,
    *,
    columns: Columns | None = None,
    roles: RoleNames | None = None,
    probabilities: bool = False,
    name: str | None = None,
    reproduce: str | None = None,
    exposed_ids: Path | None = None,
    under: PlanFile | None = None,
    exchangeable: bool = False,
) -> Report:
    """Judge the candidate of an outputs file (``.npz``, format in the design), or of tables (see ``read_tables``).

    columns, roles: of tables alone. registration: folder where the policy is written down before the candidate is
    scored. name: of the candidate, else the file's. exposed_ids: folder for the ids of exposed examples, or None.
    under: the plan file to be judged under. exchangeable: the user declares forget and unseen examples to be drawn
    alike. Raises DataError for anything that is wrong with the files, and where the plan is of something else.
    """
    if exposed_ids is not None:
        check_exposed_ids_path(exposed_ids)
    if isinstance(source, Path):
        outputs = Outputs.read(source, probabilities=probabilities, without_retrains=True)
        main, fingerprint = source, digest_file(source)
    else:
        outputs = read_tables(source, columns, roles=roles, probabilities=probabilities, without_retrains=True)
        main, fingerprint = source.main, digest(*map(digest_file, source.paths))
    check_plausible(outputs_problems(outputs), weak=False)
    return audit_given(
        outputs,
        policy,
        registration,
        name=name or main.stem,
        data=outputs_record(outputs, main.name, fingerprint),
        reproduce=reproduce,
        exposed_ids=exposed_ids,
        under=under,
        declared="declared" if exchangeable else None,
    )


def audit_given(
    outputs: Outputs,
    policy: Policy,
    registration: Path,
    *,
    name: str,
    data: DataRecord,
    models: ModelsRecord = UNKNOWN_MODELS,
    reproduce: str | None = None,
    exposed_ids: Path | None = None,
    under: PlanFile | None = None,
    declared: Declaration | None = None,
) -> Report:
    """Judge the candidate of ``outputs``, however they were come by; see ``audit_outputs``.

    data, models: what the report says about them. Whether the models are what they are said to be, the caller asks
    first (``check_plausible``): what is refused depends on where the outputs come from."""
    outputs.signals(*SIGNALS)  # all in one reading
    planned = judged_under(under, policy, sizes_of(outputs), subject_of(outputs))
    registered = register(registration, policy, outputs, declared=declared)
    audit = judge(outputs, policy, name=name, seed=policy.calibration_seed, plan=planned, declared=declared)
    if exposed_ids is not None:
        write_exposed(exposed_ids, name, outputs, policy)
    return build_report([audit], policy_record(policy, registered), data, models, reproduce=reproduce)


def outputs_record(outputs: Outputs, source: str, fingerprint: str) -> DataRecord:
    """What is known of the data where there are outputs alone."""
    return DataRecord(
        source=source,
        fingerprint=fingerprint,
        split=None,
        classes=outputs.classes,
        class_names=None,
        label_noise=None,
        saturated=outputs.saturated,
        forget=int(outputs.where("forget").sum()),
        unseen=int(outputs.where("unseen").sum()),
        retain=int(outputs.where("retain").sum()),
    )


def audit_checkpoints(
    config: AuditConfig,
    candidate: Path,
    original: Path,
    retrains: Sequence[Path],
    registration: Path,
    *,
    base: Path = Path("."),
    name: str | None = None,
    reproduce: str | None = None,
    exposed_ids: Path | None = None,
    under: PlanFile | None = None,
    exchangeable: bool = False,
) -> Report:
    """Judge a candidate checkpoint on the data and split of an audit file; ``under``: the plan file to be judged under;
    exchangeable: declared by the user.

    Raises DataError when a checkpoint is damaged, was made from other data or by another recipe, or when a retrain was
    trained on anything but this split's retain examples."""
    if exposed_ids is not None:
        check_exposed_ids_path(exposed_ids)
    plan = plan_models(config, base)
    near = near_duplicates(plan.examples, plan.split, exposed_ids)
    rows, roles = audited_rows(plan)
    retained, trained_on = digest_indices(plan.split.retain), digest_indices(plan.train)

    # That canaries were planted before training, the digests of the checkpoints' own indices show.
    canaries = canary_question(plan, registration)
    asked: list[NDArray[np.float32]] = []

    def read(role: str, path: Path, *made_from: str) -> MadeModel:
        more = rows[:0] if canaries is None else canaries.rows
        made = _read(plan, role, path, made_from, np.concatenate([rows, more]))
        asked.append(np.concatenate([made.logits[: len(rows)][roles == "unseen"], made.logits[len(rows) :]]))
        return replace(made, logits=made.logits[: len(rows)])

    reference = [read("original", original, trained_on), *(read("retrain", path, retained) for path in retrains)]
    made = read("candidate", candidate, retained, trained_on, plan.split.fingerprint)
    outputs = role_outputs(plan, rows, roles, reference, made)
    check_plausible(outputs_problems(outputs), weak=False)
    subject = subject_of_models(plan, rows, roles, reference)
    planned = judged_under(under, config.policy, sizes_of(outputs), subject)
    declared = declaration(plan, declared=exchangeable)
    registered = register(registration, config.policy, outputs, declared=declared)
    audit = judge(
        outputs,
        config.policy,
        name=name or candidate.stem,
        seed=config.seed,
        made=made,
        retained=len(plan.split.retain),
        signals=config.attacks.signals,
        plan=planned,
        declared=declared,
    )
    if canaries is not None:
        audit = replace(audit, canaries=canaries.bounds(asked[1:-1], asked[-1], asked[0]))
    if exposed_ids is not None:
        write_exposed(exposed_ids, name or candidate.stem, outputs, config.policy)
    policy, models = policy_record(config.policy, registered), models_record(plan, reference, None)
    return build_report(
        [audit],
        policy,
        data_record(plan.examples, plan.split, plan.duplicates, len(rows), near),
        models,
        reproduce=reproduce,
    )


def _read(
    plan: Plan, role: str, path: Path, made_from: Sequence[str], rows: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> MadeModel:
    model, header = load_checkpoint(path, plan.device, data=plan.examples.fingerprint)
    if header.indices not in made_from:
        raise DataError(
            f"{path}: not the {role} of this split: made from other examples (digest {header.indices[:12]}); "
            "give the audit file that the checkpoint was made with"
        )
    if header.recipe != plan.config.recipe:
        raise DataError(
            f"{path}: the {role} was trained by another recipe than [model] and [recipe] of the audit file describe; "
            "give the audit file that it was made with"
        )
    logits = predict_logits(model, plan.examples, rows, plan.device)
    return MadeModel(logits, weights_digest(model), header, forward_flops(model, header.shape))
