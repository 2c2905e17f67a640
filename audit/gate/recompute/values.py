"""What follows from values that a report states directly: accuracies, the second baseline, values that stand twice,
retain examples, canaries. The verdict does not depend on all of them; a reader may."""

import numpy as np

from vestige.audit.canaries.bounds import CONTROL, DELTA, LEVEL, ceilings, judged_counts
from vestige.audit.endpoints import utility
from vestige.audit.endpoints.endpoints import DEFINITIONS
from vestige.audit.endpoints.scores import MIN_RETRAINS
from vestige.audit.exposure.retained import WORDS, compare
from vestige.audit.gate.recompute.claims import Claim, Claims, Rule, Stated, agree, all_follow, fields_follow, within
from vestige.audit.results.evidence import SignalAttack, Utility
from vestige.audit.results.report import Audit
from vestige.audit.statistics import intervals
from vestige.audit.statistics.epsilon import Mistakes, clopper_pearson_epsilon, one_run_epsilon
from vestige.audit.statistics.one_run import plant

ATTACK_OF = {"A1": "logit", "F2": "entropy", "F3": "modified_entropy"}
"""Endpoints that are report-only attacks as well, on this signal: class-centred, one threshold for all."""
SCORE_OF = {"T1": "z", "T2": "abs_z"}
"""Endpoints that are operating points as well, of this score, where their rate is among those plotted."""
PRIMARY = frozenset(definition.name for definition in DEFINITIONS if definition.primary)


def repeated_values(stated: Stated) -> Claims:
    """Endpoints whose values the report states a second time, among attacks and operating points."""
    audit = stated.audit
    for endpoint in audit.endpoints:
        name = endpoint.name
        for attack in _attacks(audit, "threshold_classwise", ATTACK_OF.get(name)):
            if endpoint.candidate is not None:
                values = (endpoint.candidate, endpoint.retrains, endpoint.original)
                twice = (attack.candidate, attack.retrains, attack.original)
                yield Claim(f"{name}, candidate, retrains, original", values, twice)
            elif name not in PRIMARY and len(attack.retrains) == audit.reference.retrains >= MIN_RETRAINS:
                equal = agree(attack.retrains, attack.retrains[:1] * len(attack.retrains))
                yield Claim(f"{name}, candidate is null", True, equal)
        for point in audit.operating_points:
            at_rate = point.score == SCORE_OF.get(name) and agree(point.fpr, stated.policy.fpr)
            if at_rate and endpoint.candidate is not None:
                mean = float(np.mean(endpoint.retrains)) if endpoint.retrains else None
                plotted = (point.tpr, point.retrain_tpr, point.original_tpr)
                means = (endpoint.candidate, mean, endpoint.original)
                yield Claim(f"{name}, candidate, mean of the retrains, original", means, plotted)


def _attacks(audit: Audit, name: str, signal: str | None) -> list[SignalAttack]:
    return [attack for attack in audit.attacks if (attack.name, attack.signal) == (name, signal)]


def utility_follows(stated: Stated) -> Claims:
    """Accuracy: gap, interval, margin and decision, from the accuracies."""
    audit, reference = stated.audit, stated.audit.reference
    rows = {"retain": reference.retain, "unseen": reference.unseen_calibration + reference.unseen_evaluation}
    roles = tuple(role for role, count in rows.items() if count and reference.retrains)
    yield Claim("utility, roles", tuple(part.role for part in audit.utility), roles)
    for part in audit.utility:
        path = f"utility {part.role}"
        counts = (len(part.retrains), part.original is not None)
        yield Claim(f"{path}, number of retrains, original", counts, (reference.retrains, reference.original))
        values = (part.candidate, *part.retrains, *(() if part.original is None else (part.original,)))
        yield Claim(f"{path}, accuracies", values, within(0, 1, *values))
        yield from _utility(path, part, rows[part.role], stated)


def _utility(path: str, part: Utility, rows: int, stated: Stated) -> Claims:
    margin, retrains = stated.policy.margin_utility, np.array(part.retrains)
    gap, width = utility.compare(retrains, part.candidate, rows, stated.policy.alpha, np.zeros(1))
    if len(retrains) < MIN_RETRAINS:  # then the examples give the width, of which only the least is known
        width = max(width, (part.interval[1] - part.interval[0]) / 2)
    decision = utility.decide(gap, width, margin)
    yield from fields_follow(path, part, gap=gap, interval=(gap - width, gap + width), margin=margin, decision=decision)


def baseline(stated: Stated) -> Claims:
    """The second baseline: what follows from its two intervals, and the values that stand among the attacks too."""
    part, margin, has_retrains = stated.audit.baseline, stated.policy.margin_auc, stated.audit.reference.retrains > 0
    given = (part.retrain_auc is not None, part.retrain_interval is not None)
    yield Claim("baseline, retrains are given", given, (has_retrains, has_retrains))
    low, high = part.retrain_interval or (0.0, 1.0)  # without retrains nothing is known
    for name, value, ends in (
        ("interval", part.auc, part.interval),
        ("retrain_interval", part.retrain_auc, (low, high)),
    ):
        if value is not None:
            centred = ends[0] <= 0 or ends[1] >= 1 or agree(value - ends[0], ends[1] - value)
            rule = Rule(0 <= value <= 1 and ends[0] <= value <= ends[1] and centred, f"around {value:.9g}, in 0 to 1")
            yield Claim(f"baseline, {name}", ends, rule)
    yield Claim("baseline, interval", part.interval, within(0, 1, *part.interval))
    for attack in _attacks(stated.audit, "threshold", "logit"):
        k, mean = len(attack.retrains), float(np.mean(attack.retrains or [np.inf])) if has_retrains else None
        yield from fields_follow("baseline", part, auc=attack.candidate, retrain_auc=mean)
        if mean is not None and k >= MIN_RETRAINS:  # the interval covers at least what the retrains' spread demands
            error = float(np.std(attack.retrains, ddof=1) / np.sqrt(k))
            half = intervals.t_quantile(1 - stated.policy.alpha, k) * error
            yield Claim("baseline, retrain_interval", (low, high), (min(low, mean - half), max(high, mean + half)))
    exchangeable = low > 0.5 - margin and high < 0.5 + margin
    allowed = margin + (high - low) / 2
    beyond = part.interval[0] > 0.5 + allowed or part.interval[1] < 0.5 - allowed
    yield from fields_follow("baseline", part, exchangeable=exchangeable, disagrees=exchangeable and beyond)


def retained(stated: Stated) -> Claims:
    """Gaps and intervals on retain examples, from the values of the models."""
    exposure, reference = stated.audit.retained, stated.audit.reference
    if exposure is None or exposure.reason:
        return
    names = tuple(part.name for part in exposure.comparisons)
    yield Claim("retain, statistics", names, tuple(WORDS))
    yield Claim("retain, examples", exposure.examples, reference.retain)
    yield Claim("retain, examples", exposure.examples, Rule(exposure.examples > 0, "1 or more"))
    for part in exposure.comparisons:
        path, values = f"retain {part.name}", np.array([*part.retrains, part.candidate])
        yield Claim(f"{path}, number of retrains", len(part.retrains), reference.retrains)
        yield from all_follow(path, part, compare(part.name, values, exposure.examples, stated.policy))


def canaries(stated: Stated) -> Claims:
    """Bounds and ceilings from the counts, and the planting from its seed."""
    audit, reference = stated.audit.canaries, stated.audit.reference
    if audit is None:
        return
    planting = plant(audit.count, audit.seed)
    judged_in, judged_out = judged_counts(planting)
    yield from fields_follow(
        "canaries",
        audit,
        included=int(planting.included.sum()),
        judged_in=judged_in,
        judged_out=judged_out,
        digest=planting.digest,
        level=LEVEL,
        delta=DELTA,
        score="z" if reference.retrains + len(reference.dropped) >= MIN_RETRAINS else "phi",
    )
    names = tuple(bounds.model for bounds in audit.models)
    yield Claim("canaries, models", names, ("candidate", "original", CONTROL))
    for bounds in audit.models:
        counts = (bounds.right, bounds.false_positives, bounds.false_negatives)
        possible = bounds.right <= audit.count and counts[1] <= judged_out and counts[2] <= judged_in
        yield Claim(f"canaries, counts of {bounds.model}", counts, Rule(possible, "no more than there are"))
    one_run, clopper_pearson = ceilings(audit.count, audit.included, judged_in, judged_out)
    yield from fields_follow("canaries", audit, ceiling_one_run=one_run, ceiling_clopper_pearson=clopper_pearson)
    for bounds in audit.models:
        mistakes = Mistakes(bounds.false_positives, judged_out, bounds.false_negatives, judged_in)
        yield from fields_follow(
            f"canaries, {bounds.model}",
            bounds,
            one_run=one_run_epsilon(audit.count, audit.count, bounds.right, DELTA, LEVEL),
            clopper_pearson=clopper_pearson_epsilon(mistakes, DELTA, LEVEL),
        )
