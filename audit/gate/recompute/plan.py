"""What a report says of its plan: whether it holds together, and whether the plan at hand says the same."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.endpoints import BATTERY
from vestige.audit.files.text import one_line
from vestige.audit.gate.recompute.claims import Claim, Claims, Rule, Stated, all_follow, fields_follow
from vestige.audit.gate.recompute.reference import retrains_given
from vestige.audit.planning.plan_file import PlanFile, Sizes, Subject, moment
from vestige.audit.planning.preregistration import check_subject, record_of, subject_of
from vestige.audit.policy import Policy
from vestige.audit.results.plan import PlanRecord
from vestige.audit.results.report import Report
from vestige.learners.errors import ConfigError, DataError

PARTS = ("examples", "original", "retrains")
HASH = re.compile(r"[0-9a-f]{64}")


def plan_record(stated: Stated) -> Claims:
    """What follows from the record itself and from policy, sizes and time in the report. What the plan was made of is
    only known where its file is at hand."""
    record = stated.audit.plan
    for audit in stated.report.audits:
        yield Claim("plan, record", audit.plan, record)
    if record is None:
        return
    yield Claim("plan, hash", record.hash, Rule(HASH.fullmatch(record.hash) is not None, "64 hexadecimal digits"))
    changed = tuple(difference.what for difference in record.differences)
    bound = ("policy", "sizes", *(part for part in PARTS if part in record.bound))
    yield from fields_follow("plan", record, kept=not changed, bound=bound)
    written, reported = moment(record.registered), moment(stated.report.created)
    earlier = written is not None and (reported is None or written <= reported)
    yield Claim("plan, registered", record.registered, Rule(earlier, f"a time before {stated.report.created}"))
    yield Claim("plan, differences", changed, tuple(dict.fromkeys(changed)))
    applied = {**asdict(stated.policy), "battery": BATTERY, **asdict(sizes_of(stated.report))}
    applied["setting"] = stated.audit.setting.words
    for difference in record.differences:
        what = difference.what
        yield Claim("plan, differences", what, Rule(what in applied, f"one of {', '.join(applied)}"))
        yield Claim(f"plan, {what}, applied", difference.applied, applied[what])
        other = Rule(difference.planned != difference.applied, "another value")
        yield Claim(f"plan, {what}, planned", difference.planned, other)
    same = _planned_hash(record, stated.policy) == record.policy_hash
    rule = Rule(same, "what follows from the settings that were changed")
    yield Claim("plan, policy_hash", record.policy_hash, rule)


def _planned_hash(record: PlanRecord, policy: Policy) -> str | None:
    """Hash of the planned policy: the applied one with the changed settings put back; None where that is no policy."""
    settings = asdict(policy)
    settings |= {change.what: change.planned for change in record.differences if change.what in settings}
    try:
        return Policy.of(settings).hash
    except ConfigError:
        return None


def sizes_of(report: Report) -> Sizes:
    """The sizes that a report was judged with, retrains that were left out included."""
    reference, data = report.audits[0].reference, report.data
    return Sizes(data.forget, data.unseen, retrains_given(reference), data.retain, reference.original)


def confirm(report: Report, policy: Policy, plan: PlanFile, outputs: Path | None) -> None:
    """DataError unless the record of the report is what follows from the plan at hand, which has the hash it cites.

    outputs: the outputs file that was audited, where it is at hand."""
    recomputed = record_of(plan, policy, sizes_of(report), report.audits[0].setting)
    for claim in all_follow("plan", report.audits[0].plan, recomputed):
        if not claim.holds:
            raise DataError(
                f"{claim.path}: expected what follows from the plan at hand ({plan.hash[:12]}), got "
                f"something else ({one_line(str(claim.stated), 120)}); take the report as vestige wrote it, or audit "
                "again"
            )
    subjects, refusals = _subjects(report, outputs), []
    for subject in subjects:
        try:
            check_subject(plan, subject)
        except DataError as error:
            refusals.append(error)
    if subjects and len(refusals) == len(subjects):
        raise refusals[0]


def _subjects(report: Report, outputs: Path | None) -> list[Subject]:
    """What the report was made of, as far as its digests or the outputs file show, whichever way the file is read."""
    weights, data = report.models.weights, report.data.fingerprint
    if weights is not None:
        return [Subject("checkpoints", data=data, original=weights.original, retrains=weights.retrains)]
    return [] if outputs is None else [subject_of(reading) for reading in readings(outputs, blind=True)]


def readings(path: Path, *, blind: bool = False) -> Iterator[Outputs]:
    """An outputs file read as logits and as probabilities, as far as it can be read like that."""
    for probabilities in (False, True):
        with suppress(DataError):  # the other way is right, or neither
            yield Outputs.read(path, probabilities=probabilities, blind=blind)
