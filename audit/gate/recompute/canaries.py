"""What a report says of canaries, once more from its counts: bounds, ceilings, and the planting from its seed."""

from collections.abc import Iterator
from dataclasses import replace

from vestige.audit.canaries.bounds import CONTROL, DELTA, LEVEL, ceilings, judged_counts
from vestige.audit.gate.recompute.difference import Difference, differences
from vestige.audit.policy import Policy
from vestige.audit.results.canaries import CanaryAudit, CanaryBounds
from vestige.audit.results.report import Audit
from vestige.audit.statistics.epsilon import Mistakes, clopper_pearson_epsilon, one_run_epsilon
from vestige.audit.statistics.one_run import plant


def of_canaries(audit: Audit, policy: Policy) -> Iterator[Difference]:
    """Everything stated about canaries that does not follow. No verdict depends on it; a reader may."""
    stated = audit.canaries
    if stated is None:
        return
    names, own = tuple(one.model for one in stated.models), ("candidate", "original", CONTROL)
    planting = plant(stated.count, stated.seed)
    judged_in, judged_out = judged_counts(planting)
    implied = replace(
        stated,
        included=int(planting.included.sum()),
        judged_in=judged_in,
        judged_out=judged_out,
        digest=planting.digest,
        level=LEVEL,
        delta=DELTA,
        score="z" if audit.reference.retrains + len(audit.reference.dropped) >= 3 else "phi",
    )
    found = list(differences(audit.candidate, "canaries", stated, implied))
    if names != own:
        found.append(Difference(audit.candidate, "canaries", "models", names, own))
    for one in stated.models:
        limits = ((one.right, stated.count), (one.false_positives, judged_out), (one.false_negatives, judged_in))
        if any(value > most for value, most in limits):
            counts = tuple(value for value, _ in limits)
            found.append(
                Difference(audit.candidate, "canaries", f"counts of {one.model}", counts, "no more than there are")
            )
    yield from found
    if found:
        return
    one_run, clopper_pearson = ceilings(stated.count, stated.included, judged_in, judged_out)
    limits_of = replace(stated, ceiling_one_run=one_run, ceiling_clopper_pearson=clopper_pearson)
    yield from differences(audit.candidate, "canaries", stated, limits_of)
    for one in stated.models:
        yield from differences(audit.candidate, f"canaries, {one.model}", one, _recomputed(stated, one))


def _recomputed(stated: CanaryAudit, one: CanaryBounds) -> CanaryBounds:
    mistakes = Mistakes(one.false_positives, stated.judged_out, one.false_negatives, stated.judged_in)
    return replace(
        one,
        one_run=one_run_epsilon(stated.count, stated.count, one.right, DELTA, LEVEL),
        clopper_pearson=clopper_pearson_epsilon(mistakes, DELTA, LEVEL),
    )
