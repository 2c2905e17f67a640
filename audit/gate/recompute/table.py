"""The table of everything that is recomputed from a report, in the order in which it is checked."""

from collections.abc import Callable
from dataclasses import asdict, replace

from vestige.audit.files.text import one_line
from vestige.audit.gate.recompute.claims import Claims, Stated, fields_follow
from vestige.audit.gate.recompute.endpoints import endpoint_values
from vestige.audit.gate.recompute.hygiene import data_checks, output_checks
from vestige.audit.gate.recompute.plan import plan_record
from vestige.audit.gate.recompute.reference import copies, shadows, sizes
from vestige.audit.gate.recompute.values import canaries, retained, share_follows, utility_follows
from vestige.audit.gate.recompute.verdict import recompute, reference_checks, verdict_follows
from vestige.audit.policy import Policy
from vestige.audit.results.report import Audit, PolicyRecord, Report
from vestige.audit.results.wording import LIMITS, assumptions
from vestige.learners.errors import ConfigError, DataError

AGAIN = "take the report as vestige wrote it, or audit again"
Check = Callable[[Stated], Claims]


def _sentences(stated: Stated) -> Claims:
    if stated.texts:
        expected = assumptions(stated.audit.setting)
        yield from fields_follow("report", stated.report, assumptions=expected, limits=LIMITS)


OF_REPORT: tuple[Check, ...] = (_sentences, plan_record, data_checks)
"""What concerns all candidates together."""
OF_CANDIDATE: tuple[Check, ...] = (
    sizes,
    copies,
    utility_follows,
    share_follows,
    retained,
    canaries,
    output_checks,
    shadows,
    reference_checks,
    endpoint_values,
)
"""What must hold of a candidate before its endpoints and verdict can be recomputed."""


def policy_of(record: PolicyRecord) -> Policy:
    """The policy that a report says it was judged under; DataError where its parts contradict each other."""
    settings = {key: value for key, value in asdict(record).items() if key in Policy.__dataclass_fields__}
    try:
        policy = Policy.of(settings, "the report's policy")
    except ConfigError as error:
        raise DataError(one_line(str(error), 300)) from None
    changed = record.registered_hash is not None and record.registered_hash != policy.hash
    _check("", fields_follow("policy", record, hash=policy.hash, changed=changed))
    return policy


def verified(source: str, report: Report, policy: Policy, *, texts: bool) -> list[Audit]:
    """The candidates of a report, each with the verdict that follows from what is stated about it.

    texts: compare sentences too, which are only those of the version that wrote them. DataError, in one sentence, for
    the first value that does not follow."""
    for check in OF_REPORT:
        _check(f"{source}: ", check(Stated(report, report.audits[0], policy, texts)))
    audits = []
    for audit in report.audits:
        stated = Stated(report, audit, policy, texts)
        candidate = f"{source}: candidate {one_line(audit.candidate, 60)!r}, "
        for check in OF_CANDIDATE:
            _check(candidate, check(stated))
        recomputed = recompute(stated)
        _check(candidate, verdict_follows(stated, recomputed))
        audits.append(replace(audit, verdict=recomputed.verdict))
    return audits


def _check(whose: str, claims: Claims) -> None:
    for claim in claims:
        if not claim.holds:
            raise DataError(f"{whose}{claim.refusal}; {AGAIN}")
