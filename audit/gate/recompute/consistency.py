"""What a report says twice, or says and implies: sizes, policy, copies, utility, the second baseline, drawn values."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace

import numpy as np

from vestige.attacks.metrics import distributions as stats
from vestige.audit.endpoints import utility
from vestige.audit.endpoints.endpoints import DEFINITIONS
from vestige.audit.endpoints.scores import MIN_RETRAINS
from vestige.audit.files.text import one_line
from vestige.audit.gate.recompute.difference import Difference, agree, differences
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Baseline, Reference, Utility
from vestige.audit.results.figures import Interval
from vestige.audit.results.report import Audit, PolicyRecord, Report
from vestige.audit.results.wording import ASSUMPTIONS, EXAMPLE_ASSUMPTIONS, LIMITS
from vestige.learners.errors import ConfigError, DataError

MOST_ROWS = 10**12
MOST_RETRAINS = 1000
SIGNALS_OF = {"A1": "logit", "F2": "entropy", "F3": "modified_entropy"}
"""Endpoints that are report-only attacks as well: class-centred, one threshold for all."""
SCORES_OF = {"T1": "z", "T2": "abs_z"}
"""Endpoints that are operating points as well, where their rate is among those drawn."""


def policy_of(record: PolicyRecord) -> Policy:
    """The policy that a report says it was judged under; DataError where its parts contradict each other."""
    settings = {key: value for key, value in asdict(record).items() if key in Policy.__dataclass_fields__}
    try:
        policy = Policy.of(settings, "the report's policy")
    except ConfigError as error:
        raise DataError(one_line(str(error), 300)) from None
    if policy.hash != record.hash:
        raise DataError(
            f"expected the policy's hash to be {policy.hash[:16]} (recomputed from its settings), got "
            f"{one_line(record.hash[:16])} as stated; take the report as vestige wrote it, or audit again"
        )
    changed = record.registered_hash is not None and record.registered_hash != record.hash
    if changed != record.changed:
        raise DataError(
            f"expected the policy's changed to be {str(changed).lower()} (from the two hashes), got the opposite; take "
            "the report as vestige wrote it, or audit again"
        )
    return policy


def of_report(report: Report, *, texts: bool) -> Iterator[Difference]:
    """What concerns all candidates. texts: compare assumptions and limits too."""
    if texts:
        assumed = EXAMPLE_ASSUMPTIONS if any(one.exchangeable for one in report.audits) else ASSUMPTIONS
        for field, own in (("assumptions", assumed), ("limits", LIMITS)):
            if getattr(report, field) != own:
                yield Difference("", "report", field, getattr(report, field), own)
    data = report.data
    for audit in report.audits:
        reference = audit.reference
        sizes = (reference.forget, reference.unseen_calibration, reference.unseen_evaluation, reference.retain)
        if not all(0 <= size <= MOST_ROWS for size in sizes) or min(sizes[:3]) < 1:
            yield Difference(audit.candidate, "reference", "numbers of examples", sizes, f"1 to {MOST_ROWS}")
        if not 0 <= reference.retrains <= MOST_RETRAINS:
            yield Difference(audit.candidate, "reference", "retrains", reference.retrains, f"0 to {MOST_RETRAINS}")
        implied = replace(reference, retain=data.retain, saturated=data.saturated)
        unseen = reference.unseen_calibration + reference.unseen_evaluation
        if reference.unit == "example":
            unseen = data.unseen - reference.unseen_calibration
            implied = replace(implied, forget=data.forget, unseen_evaluation=unseen)
        elif (
            reference.forget > data.forget
            or unseen > data.unseen
            or reference.forget + unseen == data.forget + data.unseen
        ):
            people = (reference.forget, unseen)
            yield Difference(audit.candidate, "reference", "people", people, f"fewer than {data.forget, data.unseen}")
        yield from differences(audit.candidate, "reference", reference, implied)
        yield from _copies(report, audit)


def _copies(report: Report, audit: Audit) -> Iterator[Difference]:
    """Equal weights give equal answers, so the report must call such models copies."""
    reference, weights = audit.reference, report.models.weights
    if audit.no_op:
        for one in audit.endpoints:
            if one.candidate != one.original:
                yield Difference(
                    audit.candidate, one.name, "candidate (equal to the original)", one.candidate, one.original
                )
    if weights is None:
        return
    all_dropped = reference.retrains == 1 and len(reference.dropped) == len(weights.retrains)
    if reference.retrains + len(reference.dropped) != len(weights.retrains) and not all_dropped:
        total = reference.retrains + len(reference.dropped)
        yield Difference(audit.candidate, "reference", "retrains, dropped ones included", total, len(weights.retrains))
    if audit.weights is None:
        return
    if audit.weights == weights.original and not audit.no_op:
        yield Difference(audit.candidate, "verdict", "no_op", False, True)
    names = tuple(f"retrain {k}" for k, one in enumerate(weights.retrains, start=1) if one == audit.weights)
    if not set(names) <= set(reference.dropped):
        yield Difference(audit.candidate, "reference", "dropped", reference.dropped, names)


def of_utility(audit: Audit, policy: Policy) -> Iterator[Difference]:
    """Accuracy: gap, interval, margin and decision, from the accuracies. Below three retrains the interval's width
    comes from the examples, and only its least value is known."""
    reference = audit.reference
    rows = {"retain": reference.retain, "unseen": reference.unseen_calibration + reference.unseen_evaluation}
    expected = tuple(role for role, count in rows.items() if count and reference.retrains)
    found = tuple(one.role for one in audit.utility)
    if found != expected:
        yield Difference(audit.candidate, "utility", "roles", found, expected)
        return
    for stated in audit.utility:
        part = f"utility {stated.role}"
        lengths = (len(stated.retrains), stated.original is not None)
        if lengths != (reference.retrains, reference.original):
            own = (reference.retrains, reference.original)
            yield Difference(audit.candidate, part, "number of retrains, original", lengths, own)
            continue
        values = (stated.candidate, *stated.retrains, *(() if stated.original is None else (stated.original,)))
        if not all(0 <= value <= 1 for value in values):
            yield Difference(audit.candidate, part, "accuracies", values, "0 to 1")
            continue
        yield from differences(audit.candidate, part, stated, _utility_of(stated, rows[stated.role], policy))


def _utility_of(stated: Utility, rows: int, policy: Policy) -> Utility:
    retrains = np.array(stated.retrains)
    gap, width = utility.compare(retrains, stated.candidate, rows, policy.alpha, np.zeros(1))
    if len(retrains) < MIN_RETRAINS:
        width = max(width, (stated.interval[1] - stated.interval[0]) / 2)
    return replace(
        stated,
        gap=gap,
        interval=(gap - width, gap + width),
        margin=policy.margin_utility,
        decision=utility.decide(gap, width, policy.margin_utility),
    )


def of_baseline(audit: Audit, policy: Policy) -> Iterator[Difference]:
    """The second baseline: what follows from its two intervals, and the values that stand among the attacks too."""
    stated, margin = audit.baseline, policy.margin_auc
    given = (stated.retrain_auc is not None, stated.retrain_interval is not None)
    if given != (bool(audit.reference.retrains),) * 2:
        yield Difference(audit.candidate, "baseline", "retrains are given", given, bool(audit.reference.retrains))
        return
    low, high = stated.retrain_interval or (0.0, 1.0)  # of no retrain nothing is known
    exchangeable = low > 0.5 - margin and high < 0.5 + margin
    allowed = margin + (high - low) / 2
    beyond = stated.interval[0] > 0.5 + allowed or stated.interval[1] < 0.5 - allowed
    own = replace(stated, exchangeable=exchangeable, disagrees=exchangeable and beyond)
    for result in audit.attacks:
        if (result.name, result.signal) == ("threshold", "logit"):
            mean = float(np.mean(result.retrains or [np.inf])) if audit.reference.retrains else None
            own = replace(own, auc=result.candidate, retrain_auc=mean)
    yield from _baseline_intervals(audit, stated, policy)
    yield from differences(audit.candidate, "baseline", stated, own)


def _baseline_intervals(audit: Audit, stated: Baseline, policy: Policy) -> Iterator[Difference]:
    pairs = [("interval", stated.auc, stated.interval)]
    if stated.retrain_auc is not None and stated.retrain_interval is not None:
        pairs.append(("retrain_interval", stated.retrain_auc, stated.retrain_interval))
    for name, value, ends in pairs:
        centred = ends[0] <= 0 or ends[1] >= 1 or agree(value - ends[0], ends[1] - value)
        if not (0 <= value <= 1 and ends[0] <= value <= ends[1] and centred):
            yield Difference(audit.candidate, "baseline", name, ends, f"around {value:.9g}, which is 0 to 1")
    if not 0 <= stated.interval[0] <= stated.interval[1] <= 1:
        yield Difference(audit.candidate, "baseline", "interval", stated.interval, "0 to 1")
    seed = _seed_interval(audit, policy)
    mean = stated.retrain_interval
    if seed is not None and mean is not None:
        widened = (min(mean[0], seed[0]), max(mean[1], seed[1]))
        if not agree(mean, widened):
            yield Difference(audit.candidate, "baseline", "retrain_interval", mean, widened)


def _seed_interval(audit: Audit, policy: Policy) -> Interval | None:
    """The least that the interval of the mean over the retrains covers, where their own values are stated."""
    for result in audit.attacks:
        k = len(result.retrains)
        if (result.name, result.signal) == ("threshold", "logit") and k >= MIN_RETRAINS:
            half = float(stats.t.ppf(1 - policy.alpha, k - 1) * np.std(result.retrains, ddof=1) / np.sqrt(k))
            return float(np.mean(result.retrains)) - half, float(np.mean(result.retrains)) + half
    return None


def of_drawings(audit: Audit, policy: Policy) -> Iterator[Difference]:
    """Endpoints whose values the report states a second time, among attacks and operating points."""
    endpoints = {one.name: one for one in audit.endpoints}
    definitions = {one.name: one for one in DEFINITIONS}
    for name, signal in SIGNALS_OF.items():
        for result in audit.attacks:
            if (result.name, result.signal) == ("threshold_classwise", signal) and name in endpoints:
                twice = (result.candidate, result.retrains, result.original)
                yield from _twice(audit, name, twice, primary=definitions[name].primary)
    for name, score in SCORES_OF.items():
        for point in audit.operating_points:
            if point.score == score and agree(point.fpr, policy.fpr) and name in endpoints:
                one = endpoints[name]
                mean = float(np.mean(one.retrains)) if one.retrains else None
                stated = (one.candidate, mean, one.original)
                drawn = (point.tpr, point.retrain_tpr, point.original_tpr)
                if one.candidate is not None and not agree(stated, drawn):
                    yield Difference(audit.candidate, name, "candidate, mean of the retrains, original", stated, drawn)


def _twice(
    audit: Audit, name: str, twice: tuple[float, Sequence[float], float | None], *, primary: bool
) -> Iterator[Difference]:
    one = next(one for one in audit.endpoints if one.name == name)
    values = (twice[0], tuple(twice[1]), twice[2])
    if one.candidate is not None:
        stated = (one.candidate, one.retrains, one.original)
        if not agree(stated, values):
            yield Difference(audit.candidate, name, "candidate, retrains, original", stated, values)
    elif not primary and _fits(audit.reference, values[1]) and not agree(values[1], (values[1][0],) * len(values[1])):
        yield Difference(audit.candidate, name, "candidate is null", True, False)


def _fits(reference: Reference, retrains: tuple[float, ...]) -> bool:
    return len(retrains) == reference.retrains >= MIN_RETRAINS
