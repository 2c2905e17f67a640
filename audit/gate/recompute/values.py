"""What follows from values that a report states directly: utility, the share forgotten, retain examples, canaries.
The verdict does not depend on all of them; a reader may."""

import numpy as np

from vestige.audit.canaries.bounds import CONTROL, DELTA, LEVEL, ceilings, judged_counts
from vestige.audit.endpoints import utility
from vestige.audit.exposure.retained import WORDS, compare
from vestige.audit.gate.recompute.claims import Claim, Claims, Rule, Stated, all_follow, fields_follow, within
from vestige.audit.results.evidence import Utility
from vestige.audit.statistics.epsilon import Mistakes, clopper_pearson_epsilon, one_run_epsilon
from vestige.audit.statistics.one_run import plant


def utility_follows(stated: Stated) -> Claims:
    """Utility: gap, interval, margin and decision, from the values of the models."""
    audit, reference = stated.audit, stated.audit.reference
    compared = reference.retrains > 0 or reference.original
    roles = tuple(part.role for part in audit.utility)
    needed = {"retain"} if reference.retain else set()
    needed |= set() if audit.setting.of_class else {"unseen"}
    possible = needed <= set(roles) if compared else not roles
    yield Claim("utility, roles", roles, Rule(possible, ", ".join(sorted(needed)) if compared else "none"))
    for part in audit.utility:
        path = f"utility {part.role}"
        counts = (len(part.retrains), part.original is not None)
        yield Claim(f"{path}, number of retrains, original", counts, (reference.retrains, reference.original))
        if part.measure == "accuracy":
            values = (part.candidate, *part.retrains, *(() if part.original is None else (part.original,)))
            yield Claim(f"{path}, values", values, within(0, 1, *values))
        if part.role == "retain":
            yield Claim(f"{path}, examples", part.examples, reference.retain)
        least = Rule(part.example_error >= 1 / part.examples - 1e-12, f"{1 / part.examples:.9g} or more")
        yield Claim(f"{path}, example_error", part.example_error, least)
        yield from _utility(path, part, stated)


def _utility(path: str, part: Utility, stated: Stated) -> Claims:
    policy, retrains = stated.policy, np.array(part.retrains)
    margin = policy.margin_utility if part.measure == "accuracy" else policy.margin_loss
    gap = part.candidate - (float(retrains.mean()) if len(retrains) else part.original or 0.0)
    half = utility.utility_error(retrains, part.example_error).half_width(policy.level)
    decision = utility.decide(gap, half, margin, len(retrains), strict=policy.profile == "strict")
    yield from fields_follow(path, part, gap=gap, interval=(gap - half, gap + half), margin=margin, decision=decision)


def share_follows(stated: Stated) -> Claims:
    """The share forgotten, from the two levels; its interval holds it."""
    share = stated.audit.share_forgotten
    if share is None or share.estimate is None or share.interval is None:
        return
    yield Claim("share_forgotten, original", share.original, Rule(share.original > 0, "above 0"))
    yield Claim("share_forgotten, estimate", share.estimate, 1 - share.candidate / share.original)
    low, high = share.interval
    yield Claim("share_forgotten, interval", share.interval, Rule(low <= share.estimate <= high, "around the estimate"))


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
        score="residual" if reference.retrains + len(reference.dropped) >= 2 else "phi",
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
