"""What a report says of its plan: whether it holds together, whether the plan at hand says the same, who lacks one."""

import re
from collections.abc import Collection, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.endpoints import BATTERY
from vestige.audit.files.text import one_line
from vestige.audit.gate.recompute.difference import Difference, agree, differences
from vestige.audit.planning.plan_file import PlanFile, Sizes, Subject, kept_name, moment
from vestige.audit.planning.preregistration import check_subject, record_of, subject_of
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Reference
from vestige.audit.results.plan import PlanRecord
from vestige.audit.results.report import Report
from vestige.learners.errors import ConfigError, DataError

PARTS = ("examples", "original", "retrains")
HASH = re.compile(r"[0-9a-f]{64}")


def of_plan(report: Report, policy: Policy) -> Iterator[Difference]:
    """What follows from the record itself and from policy, sizes and time in the report. What the plan was made of is
    only known where its file is at hand."""
    first = report.audits[0]
    for audit in report.audits:
        if audit.plan != first.plan:
            yield Difference(audit.candidate, "plan", "record", audit.plan, first.plan)
            return
    record = first.plan
    if record is None:
        return
    if HASH.fullmatch(record.hash) is None:
        yield Difference(first.candidate, "plan", "hash", record.hash, "64 hexadecimal digits")
    changed = [one.what for one in record.differences]
    bound = ("policy", "sizes", *(part for part in PARTS if part in record.bound))
    own = replace(record, kept=not changed, bound=bound)
    yield from differences(first.candidate, "plan", record, own)
    written, reported = moment(record.registered), moment(report.created)
    if written is None or (reported is not None and written > reported):
        yield Difference(first.candidate, "plan", "registered", record.registered, f"a time before {report.created}")
    if len(set(changed)) < len(changed):
        yield Difference(first.candidate, "plan", "differences", tuple(changed), tuple(dict.fromkeys(changed)))
    yield from _applied(first.candidate, record, policy, sizes_of(report))
    if _planned_hash(record, policy) != record.policy_hash:
        words = "what follows from the settings that were changed"
        yield Difference(first.candidate, "plan", "policy_hash", record.policy_hash, words)


def _applied(candidate: str, record: PlanRecord, policy: Policy, sizes: Sizes) -> Iterator[Difference]:
    applied = {**asdict(policy), "battery": BATTERY, **asdict(sizes)}
    for one in record.differences:
        if one.what not in applied:
            yield Difference(candidate, "plan", "differences", one.what, f"one of {', '.join(applied)}")
        elif not agree(one.applied, applied[one.what]):
            yield Difference(candidate, "plan", f"{one.what}, applied", one.applied, applied[one.what])
        elif one.planned == one.applied:
            yield Difference(candidate, "plan", f"{one.what}, planned", one.planned, "another value")


def _planned_hash(record: PlanRecord, policy: Policy) -> str | None:
    """Hash of the planned policy: the applied one with the changed settings put back; None where that is no policy."""
    settings = asdict(policy)
    settings |= {one.what: one.planned for one in record.differences if one.what in settings}
    try:
        return Policy.of(settings).hash
    except ConfigError:
        return None


def sizes_of(report: Report) -> Sizes:
    """The sizes that a report was judged with, retrains that were left out included."""
    reference, data = report.audits[0].reference, report.data
    return Sizes(
        forget=data.forget,
        unseen=data.unseen,
        retrains=_given(reference),
        retain=data.retain,
        original=reference.original,
    )


def _given(reference: Reference) -> int:
    dropped = len(reference.dropped)
    # Where all retrains are copies of the candidate, the first is kept for the numbers and is among those left out.
    copied = reference.problem == "retrain 1 is byte-equal to the original" and "retrain 1" in reference.dropped
    if reference.problem.startswith("every retrain is byte-equal") or copied:
        return max(dropped, 1)
    return reference.retrains + dropped


def beside(path: Path, report: Report) -> Path | None:
    """Where the copy of its plan stands beside a report; None where there is none."""
    record = report.audits[0].plan
    if record is None or HASH.fullmatch(record.hash) is None:
        return None
    file = (path if path.is_dir() else path.parent) / kept_name(record.hash)
    return file if file.is_file() else None


def in_words(record: PlanRecord | None) -> str:
    """Whether a plan was kept, and what it fixed."""
    return "judged under no plan" if record is None else f"{record.sentence}; the plan fixed {', '.join(record.bound)}"


def unplanned(record: PlanRecord | None, accepted: Collection[str]) -> str:
    """Empty, or why a verdict does not count where a plan is required; accepted: hashes of plans, of which it must be
    one where there are any."""
    if record is None:
        return "judged under no plan"
    if accepted and record.hash not in accepted:
        return f"judged under another plan ({record.hash[:12]}) than was given"
    return "" if record.kept else record.sentence


def confirm(source: str, report: Report, plan: PlanFile, outputs: Path | None) -> None:
    """DataError unless the record of the report is what follows from the plan at hand, which has the hash it cites.

    outputs: the outputs file that was audited, where it is at hand."""
    record, policy = report.audits[0].plan, _policy(report)
    own = record_of(plan, policy, sizes_of(report))
    for one in differences("", "plan", record, own):
        raise DataError(
            f"{source}: plan, {one.field}: expected what follows from the plan at hand ({plan.hash[:12]}), got "
            f"something else ({one_line(str(one.stated), 120)}); take the report as vestige wrote it, or audit again"
        )
    subjects = _subjects(report, outputs)
    refusals = []
    for subject in subjects:
        try:
            check_subject(plan, subject)
        except DataError as error:
            refusals.append(error)
    if subjects and len(refusals) == len(subjects):
        raise DataError(f"{source}: {refusals[0]}")


def _policy(report: Report) -> Policy:
    record = asdict(report.policy)
    return Policy.of({key: value for key, value in record.items() if key in Policy.__dataclass_fields__})


def _subjects(report: Report, outputs: Path | None) -> list[Subject]:
    """What the report was made of, as far as its digests or the outputs file tell, whichever way the file is read."""
    weights = report.models.weights
    if weights is not None:
        return [
            Subject(
                kind="checkpoints",
                data=report.data.fingerprint,
                original=weights.original,
                retrains=weights.retrains,
            )
        ]
    found = []
    for probabilities in (False, True) if outputs is not None else ():
        try:
            found.append(subject_of(Outputs.read(outputs or Path(), probabilities=probabilities, blind=True)))
        except DataError:
            continue  # the other way is right
    return found
