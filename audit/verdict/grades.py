"""What evidence lacks for grades A and B (verdict.md, section 6, E4)."""

from vestige.audit.endpoints.endpoints import DEFINITIONS
from vestige.audit.results.evidence import Evidence
from vestige.audit.results.shadows import GRADE_A_FROM, SHADOWED, ULIRA

RECOMMENDED_RETRAINS = 5


def enough_shadows(evidence: Evidence) -> bool:
    """Whether LiRA or U-LiRA is estimable with as many shadows as evidence of grade A needs."""
    shadows = evidence.shadows
    if shadows is None:
        return False
    counts = {score: shadows.unlearned if score == ULIRA else shadows.shadows for score in SHADOWED}
    estimable = {endpoint.name for endpoint in evidence.endpoints if endpoint.candidate is not None}
    return any(
        definition.name in estimable and counts[definition.score] >= GRADE_A_FROM
        for definition in DEFINITIONS
        if definition.score in SHADOWED and not definition.tail
    )


def missing_for_grade_a(evidence: Evidence) -> str:
    """What evidence of grade B lacks for grade A."""
    need = f"LiRA or U-LiRA from {GRADE_A_FROM} shadow models or more"
    shadows = evidence.shadows
    if shadows is None:
        return f"{need} (vestige shadows, then vestige run)"
    if shadows.problem:
        return f"{need}, without faults ({shadows.problem})"
    return f"{need} (there are {shadows.shadows})"


def missing_for_grade_b(evidence: Evidence) -> list[str]:
    """What the evidence lacks for grade B."""
    reference, missing = evidence.reference, []
    if reference.retrains < RECOMMENDED_RETRAINS:
        missing.append(f"{RECOMMENDED_RETRAINS} retrains (there are {reference.retrains})")
    if not reference.original:
        missing.append("the original")
    absent = [endpoint for endpoint in evidence.endpoints if endpoint.candidate is None]
    return missing + [f"{endpoint.name} ({endpoint.reason})" for endpoint in absent if endpoint.name in ("T1", "F1")]
