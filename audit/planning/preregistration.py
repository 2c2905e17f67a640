"""Was it judged as planned? A plan compared with what an audit applies and judges.

Another policy, setting or number of models is recorded, and the verdict stands; other examples, another original or
other retrains are another audit and are refused.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.planning.plan_file import PlanFile, Sizes, Subject, moment
from vestige.audit.policy import Policy
from vestige.audit.results.plan import PlanDifference, PlanRecord
from vestige.audit.results.setting import Setting
from vestige.learners.arrays import Indices
from vestige.learners.errors import DataError
from vestige.learners.files.io import digest

if TYPE_CHECKING:
    from vestige.audit.models.making import MadeModel, Plan


def sizes_of(outputs: Outputs) -> Sizes:
    """The sizes of what is judged."""
    counts = {role: int(outputs.where(role).sum()) for role in ("forget", "unseen", "retain")}
    return Sizes(**counts, retrains=len(outputs.retrain), original=outputs.original is not None)


def subject_of(outputs: Outputs) -> Subject:
    """The subject of an outputs file: everything in it that a verdict reads but the candidate."""
    original = None if outputs.original is None else _digest(outputs.original)
    return Subject(
        kind="outputs",
        examples=examples_digest(outputs.labels, outputs.role),
        original=original,
        retrains=tuple(map(_digest, outputs.retrain)),
    )


def examples_digest(labels: NDArray[np.int64], role: NDArray[np.str_]) -> str:
    """SHA-256 over labels and roles ``[n]``, in order."""
    return digest(np.ascontiguousarray(labels, np.int64).tobytes(), "\n".join(role.tolist()))


def _digest(logits: NDArray[np.floating]) -> str:
    return digest(f"{logits.dtype} {logits.shape}", logits)


def judged_under(
    plan: PlanFile | None, policy: Policy, sizes: Sizes, subject: Subject, setting: Setting
) -> PlanRecord | None:
    """The record of judging ``subject`` with ``policy`` under ``plan``; None without one.

    DataError, in one sentence, where the plan is of other examples, another original or other retrains, or was written
    later than now.
    """
    if plan is None:
        return None
    check_subject(plan, subject)
    written = moment(plan.created)
    if written is None or written > datetime.now(UTC):
        raise DataError(f"plan {plan.hash[:12]}: expected one written before now, got {plan.created}; check the clock")
    return record_of(plan, policy, sizes, setting)


def record_of(plan: PlanFile, policy: Policy, sizes: Sizes, setting: Setting) -> PlanRecord:
    """What a report says of a plan, by policy, setting and sizes alone."""
    differences = tuple(_differences(plan, policy, sizes, setting))
    return PlanRecord(
        hash=plan.hash,
        registered=plan.created,
        policy_hash=plan.policy_hash,
        bound=plan.bound,
        kept=not differences,
        differences=differences,
    )


def _differences(plan: PlanFile, policy: Policy, sizes: Sizes, setting: Setting) -> Iterator[PlanDifference]:
    for what, planned in asdict(plan.applies).items():
        applied = getattr(policy, what)
        if applied != planned:
            yield PlanDifference(what, planned, applied)
    if plan.setting is not None and plan.setting != setting:
        yield PlanDifference("setting", plan.setting.words, setting.words)
    for what, planned in asdict(plan.sizes).items():
        applied = getattr(sizes, what)
        if planned is not None and applied is not None and applied != planned:
            yield PlanDifference(what, planned, applied)


def check_subject(plan: PlanFile, subject: Subject) -> None:
    """DataError where the plan was made of something else. More retrains than planned, or fewer, are no such thing:
    their numbers are recorded. A part that either side does not know is not compared."""
    planned = plan.subject
    if planned is None:
        return
    if planned.kind != subject.kind:
        raise _other(plan, planned.kind, subject.kind)
    names = {"data": "data (pixels or labels)", "split": "split", "examples": "examples", "original": "original"}
    for part, words in names.items():
        theirs, ours = getattr(planned, part), getattr(subject, part)
        if theirs is not None and ours is not None and theirs != ours:
            raise _other(plan, f"{words} {theirs[:12]}", ours[:12])
    if planned.retrains is not None and subject.retrains is not None:
        _refuse_other_retrains(plan, planned.retrains, subject.retrains)


def _refuse_other_retrains(plan: PlanFile, planned: Sequence[str], given: Sequence[str]) -> None:
    missing, added = Counter(planned) - Counter(given), Counter(given) - Counter(planned)
    if missing and added:
        raise _other(
            plan,
            f"{len(planned)} retrains",
            f"{added.total()} others in the place of {missing.total()} of them ({next(iter(missing))[:12]})",
        )


def _other(plan: PlanFile, planned: str, given: str) -> DataError:
    return DataError(
        f"plan {plan.hash[:12]}: expected what it was made for ({planned}), got {given}; give the plan of this audit, "
        "or plan again before a candidate is scored"
    )


def subject_of_models(
    plan: "Plan", rows: Indices, roles: NDArray[np.str_], reference: "Sequence[MadeModel]" = ()
) -> Subject:
    """What a plan file fixes of an audit: data, split, audited examples, and original and retrains (``reference``, in
    this order) by their weights where they are given."""
    return Subject(
        kind="checkpoints",
        examples=examples_digest(plan.examples.labels[rows], roles),
        data=plan.examples.fingerprint,
        split=plan.split.fingerprint,
        original=reference[0].weights if reference else None,
        retrains=tuple(model.weights for model in reference[1:]) if reference else None,
    )
