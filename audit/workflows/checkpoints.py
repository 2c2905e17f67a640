"""An audit of checkpoints of this project, on the data and split of an audit file."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vestige.audit.config.config import AuditConfig
from vestige.audit.config.declaration import declaration
from vestige.audit.data_checks.near_duplicates import near_duplicates
from vestige.audit.data_checks.plausibility import check_plausible, outputs_problems
from vestige.audit.models.making import MadeModel, Plan, plan_models
from vestige.audit.models.outputs import audited_rows, role_outputs
from vestige.audit.models.workspace import digest_indices
from vestige.audit.planning.preregistration import subject_of_models
from vestige.audit.results.report import Report
from vestige.audit.workflows.conclude import conclude
from vestige.audit.workflows.records import data_record, models_record
from vestige.audit.workflows.request import AuditRequest, Canaries, Candidate, Criteria, ModelFiles, Terms
from vestige.audit.workflows.run import canary_question
from vestige.learners.arrays import Indices
from vestige.learners.errors import DataError
from vestige.learners.training.checkpoints import load_checkpoint, weights_digest
from vestige.learners.training.flops import forward_flops
from vestige.learners.training.inference import predict_logits


def audit_checkpoints(config: AuditConfig, files: ModelFiles, terms: Terms, *, base: Path = Path(".")) -> Report:
    """Judge a candidate checkpoint on the data and split of an audit file; ``files`` must have an original.

    Raises DataError when a checkpoint is damaged, was made from other data or by another recipe, or when a retrain was
    trained on anything but this split's retain examples."""
    if files.original is None:
        raise DataError("expected an original next to the candidate, got none; give the checkpoint before unlearning")
    if files.shadows:
        raise DataError("expected no shadows next to checkpoints of this project, got some; vestige shadows makes them")
    config = replace(config, policy=terms.policy)
    plan = plan_models(config, base)
    near = near_duplicates(plan.examples, plan.split, terms.exposed_ids)
    rows, roles = audited_rows(plan)
    # The digests of indices in the checkpoints show that canaries were planted before training.
    question = canary_question(plan, terms.folder)
    more = rows[:0] if question is None else question.rows

    def read(role: str, path: Path, *made_from: str) -> MadeModel:
        return _read(plan, role, path, made_from, np.concatenate([rows, more]))

    retained, train = digest_indices(plan.split.retain), digest_indices(plan.train)
    reference = [read("original", files.original, train), *(read("retrain", path, retained) for path in files.retrains)]
    made = read("candidate", files.candidate, retained, train, plan.split.fingerprint)
    audited = [replace(model, logits=model.logits[: len(rows)]) for model in (*reference, made)]
    # Canaries are judged on the unseen examples, then on themselves.
    judged = np.concatenate(
        [np.flatnonzero(np.isin(rows, plan.split.unseen)), np.arange(len(rows), len(rows) + len(more))]
    )
    on_canaries = [model.logits[judged] for model in (*reference, made)]
    outputs = role_outputs(plan, rows, roles, audited[:-1], audited[-1])
    check_plausible(outputs_problems(outputs), weak=False)
    declared, known = declaration(config, plan.examples, terms.declared)
    candidate = Candidate(name=terms.name or files.candidate.stem, made=audited[-1], canaries=on_canaries[-1])
    request = AuditRequest(
        outputs=outputs,
        candidates=(candidate,),
        subject=subject_of_models(plan, rows, roles, audited[:-1]),
        criteria=Criteria(
            policy=terms.policy,
            seed=config.seed,
            declared=declared,
            known_random=known,
            signals=config.attacks.signals,
            retained=len(plan.split.retain),
        ),
        terms=terms,
        data=data_record(plan.examples, plan.split, plan.duplicates, roles, near),
        models=models_record(plan, audited[:-1], None),
        canaries=None if question is None else Canaries(question, on_canaries[0], on_canaries[1:-1]),
    )
    return conclude(request)


def _read(plan: Plan, role: str, path: Path, made_from: Sequence[str], rows: Indices) -> MadeModel:
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
    return MadeModel(logits, weights_digest(model), header, forward_flops(model, plan.examples.shape))
