"""What a verdict says about the shadow models behind it."""

from vestige.audit.endpoints.endpoints import DEFINITIONS
from vestige.audit.results.evidence import Evidence
from vestige.audit.results.shadows import FEWEST, GRADE_A_FROM, SHADOWED, ULIRA, ShadowEvidence, why_absent

Notes = dict[str, tuple[object, str]]


def enough_shadows(evidence: Evidence) -> bool:
    """Whether LiRA or U-LiRA is in force with as many shadows as evidence of grade A needs."""
    shadows = evidence.shadows
    if shadows is None:
        return False
    counts = {score: shadows.unlearned if score == ULIRA else shadows.shadows for score in SHADOWED}
    values = {one.name: one.candidate for one in evidence.endpoints}
    return any(
        values.get(one.name) is not None and counts[one.score] >= GRADE_A_FROM
        for one in DEFINITIONS
        if one.score in SHADOWED and not one.tail
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


def notes_on_shadows(evidence: Evidence) -> Notes:
    """Notes by code: whether one applies, and its sentence."""
    shadows = evidence.shadows
    if shadows is None:
        return {}
    used = any(one.candidate is not None and _shadowed(one.name) for one in evidence.endpoints)
    refused = _refused(shadows)
    return {
        "FEW_SHADOWS": (used and not enough_shadows(evidence), _few(shadows)),
        "SHADOWS_REFUSED": (refused, f"attacks with shadow models were not made: {refused}."),
        "SHADOW_LEVELS": (used and shadows.remarks, f"{'; '.join(shadows.remarks)}."),
    }


def _shadowed(name: str) -> bool:
    return any(one.name == name and one.score in SHADOWED for one in DEFINITIONS)


def _few(shadows: ShadowEvidence) -> str:
    method = f", U-LiRA on {shadows.unlearned} unlearned ones" if shadows.unlearned >= FEWEST else ""
    return (
        f"LiRA rests on {shadows.shadows} shadows{method}: evidence is of grade A from {GRADE_A_FROM} on, where each "
        "example has a variance of its own."
    )


def _refused(shadows: ShadowEvidence) -> str:
    """Empty, or why shadows that are there were not used."""
    why = why_absent("lira_online", shadows)
    if why or not shadows.unlearned:
        return why
    return why_absent(ULIRA, shadows)
