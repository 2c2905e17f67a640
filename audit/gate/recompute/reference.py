"""The sizes that everything else is computed from, the models that are copies, and the shadow models."""

from collections.abc import Iterator

from vestige.audit.endpoints.preconditions import retrain_name
from vestige.audit.gate.recompute.claims import Claim, Claims, Rule, Stated, fields_follow, within
from vestige.audit.gate.text import shown
from vestige.audit.results.evidence import Reference
from vestige.audit.results.shadows import FEWEST, GRADE_A_FROM, LIRA, ULIRA, ShadowEvidence, why_absent

MOST_ROWS = 10**12
MOST_RETRAINS = 1000
MOST_SHADOWS = 100_000
ALL_COPIES = "every retrain is byte-equal to the candidate"
COPY_OF_ORIGINAL = "{} is byte-equal to the original"


def sizes(stated: Stated) -> Claims:
    """Numbers of examples, people and retrains, which must be those of the data."""
    reference, data = stated.audit.reference, stated.report.data
    unseen = reference.unseen_calibration + reference.unseen_evaluation
    counts = (reference.forget, reference.unseen_calibration, reference.unseen_evaluation, reference.retain)
    possible = min(counts[:3]) >= 1 and reference.retain >= 0 and max(counts) <= MOST_ROWS
    yield Claim("reference, numbers of examples", counts, Rule(possible, f"1 to {MOST_ROWS}"))
    yield Claim("data, classes", data.classes, within(1, MOST_ROWS, data.classes))
    yield Claim("reference, retrains", reference.retrains, within(0, MOST_RETRAINS, reference.retrains))
    if reference.unit == "example":
        rule = Rule(unseen == data.unseen or (unseen < data.unseen and stated.audit.setting.of_class), f"{data.unseen}")
        yield Claim("reference, forget", reference.forget, data.forget)
        yield Claim("reference, unseen examples", unseen, rule)
    else:
        fewer = reference.forget + unseen < data.forget + data.unseen
        fewer = fewer and reference.forget <= data.forget and unseen <= data.unseen
        rule = Rule(fewer, f"fewer than the examples, {data.forget} and {data.unseen}")
        yield Claim("reference, people", (reference.forget, unseen), rule)
    yield from fields_follow("reference", reference, retain=data.retain, saturated=data.saturated)


def copies(stated: Stated) -> Claims:
    """Equal weights give equal predictions, so the report must call such models copies."""
    audit, reference, weights = stated.audit, stated.audit.reference, stated.report.models.weights
    if audit.no_op:
        for endpoint in audit.endpoints:
            yield Claim(f"{endpoint.label}, candidate (equal to the original)", endpoint.candidate, endpoint.original)
    if weights is None:
        return
    if reference.retrains != 1 or len(reference.dropped) != len(weights.retrains):  # else all of them may be copies
        total = reference.retrains + len(reference.dropped)
        yield Claim("reference, retrains, dropped ones included", total, len(weights.retrains))
    if audit.weights is not None:
        if audit.weights == weights.original:
            yield Claim("verdict, no_op", audit.no_op, True)
        names = tuple(retrain_name(k) for k, digest in enumerate(weights.retrains) if digest == audit.weights)
        rule = Rule(set(names) <= set(reference.dropped), shown(names))
        yield Claim("reference, dropped", reference.dropped, rule)


def copy_problems(reference: Reference) -> Iterator[str]:
    """Every problem of a reference that only the outputs themselves can show: which models are copies of which."""
    yield ALL_COPIES
    names = [retrain_name(k) for k in range(min(reference.retrains + len(reference.dropped), MOST_RETRAINS))]
    for first, name in enumerate(names):
        yield COPY_OF_ORIGINAL.format(name)
        for second in range(first + 1, len(names)):
            yield f"{name} and {names[second]} are byte-equal"
            yield f"two retrains ({first + 1} and {second + 1} of the reference) are the same model up to rounding"


def retrains_given(reference: Reference) -> int:
    """Number of retrains, those included that were left out as copies of the candidate."""
    dropped, first = len(reference.dropped), retrain_name(0)
    # Where all retrains are copies, the first is kept for the numbers and is among those left out.
    first_kept = first in reference.dropped and reference.problem == COPY_OF_ORIGINAL.format(first)
    if reference.problem == ALL_COPIES or first_kept:
        return max(dropped, 1)
    return reference.retrains + dropped


def shadows(stated: Stated) -> Claims:
    """Counts that can be, examples that the audit has, and exactly the attacks that so many shadows allow."""
    evidence = stated.audit.shadows
    if evidence is None:
        return
    for field, count in (("shadows", evidence.shadows), ("unlearned", evidence.unlearned)):
        whole = 0 <= count <= MOST_SHADOWS and count % 2 == 0
        yield Claim(f"shadows, {field}", count, Rule(whole, f"whole pairs, 0 to {MOST_SHADOWS}"))
    rule = Rule(evidence.shadows > 0 or evidence.unlearned == 0, "0 without shadows")
    yield Claim("shadows, unlearned", evidence.unlearned, rule)
    unseen = evidence.unseen_evaluation
    yield Claim("shadows, unseen_evaluation", unseen, within(0, stated.audit.reference.unseen_evaluation, unseen))
    possible: tuple[str, ...] = () if why_absent(LIRA[0], evidence) else LIRA
    if possible and evidence.unlearned >= FEWEST and not evidence.unlearned_problem:
        possible = (*possible, ULIRA)
    expected = [f"{name} (variance {_variance(name, evidence)}" for name in possible]
    matching = len(evidence.attacks) == len(expected) and all(
        attack.startswith((f"{start},", f"{start})")) for attack, start in zip(evidence.attacks, expected, strict=True)
    )
    yield Claim("shadows, attacks", evidence.attacks, Rule(matching, ", ".join(f"{start})" for start in expected)))


def _variance(name: str, evidence: ShadowEvidence) -> str:
    """Which variance so many shadows allow: grade A cannot be had by writing another number."""
    count = evidence.unlearned if name == ULIRA else evidence.shadows
    return "per_example" if count >= GRADE_A_FROM else "fixed"
