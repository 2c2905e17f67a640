"""The grade of the evidence, and what it lacks for a better one (docs/verdict.md, "Grades")."""

from vestige.audit.endpoints.endpoints import BY_NAME
from vestige.audit.policy import Policy
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import Evidence, Grade
from vestige.audit.results.shadows import GRADE_A_FROM, LIRA, ULIRA

LEAST_CHOSEN = 2
"""Retrains without which the spread over seeds is not known."""
LEAST_TO_PASS = 3
"""Of two, each the other's reference, the residuals are equal up to sign: their spread is no spread."""
RECOMMENDED_RETRAINS = 5
ENOUGH_KNOWN_RANDOM = 3
GRADES: tuple[Grade, ...] = ("A", "B", "C")
_SCORE_OF = {"A4": ULIRA, "F4": LIRA[0], "F5": LIRA[1]}


def grade_of(evidence: Evidence) -> Grade:
    """A: B, and LiRA or U-LiRA from 64 shadows or more. B: the original, precise enough tails, and five retrains (three
    where vestige itself drew the forget set at random). C: anything else."""
    if missing_for_grade_b(evidence):
        return "C"
    return "A" if enough_shadows(evidence) else "B"


def missing(evidence: Evidence, policy: Policy) -> list[str]:
    """What the evidence lacks for the policy's grade, and for any grade at all; empty where nothing does."""
    wanted, retrains = policy.min_evidence, evidence.reference.retrains
    lacking = [] if not evidence.setting.of_class or _named(evidence, "B") else ["retain rows of other classes"]
    least = RECOMMENDED_RETRAINS if policy.sequential else LEAST_TO_PASS  # looks at fewer are for FAIL alone
    if not evidence.setting.random and retrains < least:
        lacking.append(_retrains(least, retrains))
    if wanted != "C":
        lacking += missing_for_grade_b(evidence)
    if wanted == "A" and not enough_shadows(evidence):
        lacking.append(missing_for_grade_a(evidence))
    return list(dict.fromkeys(lacking))


def missing_for_grade_b(evidence: Evidence) -> list[str]:
    """What the evidence lacks for grade B."""
    reference, setting, lacking = evidence.reference, evidence.setting, []
    known = setting.random and setting.source == "known"
    need = ENOUGH_KNOWN_RANDOM if known else RECOMMENDED_RETRAINS
    if reference.retrains < need:
        lacking.append(_retrains(need, reference.retrains))
    if not reference.original:
        lacking.append("the original")
    names = ("T",) if setting.of_class else ("S", "T")
    for name in names:
        if not any(endpoint.primary for endpoint in _named(evidence, name)):
            lacking.append(f"more forget and unseen examples ({BY_NAME[name].words.partition(':')[0]} is not judged)")
    return list(dict.fromkeys(lacking))


def _retrains(need: int, given: int) -> str:
    return f"{need} retrains (there are {given})"


def _named(evidence: Evidence, name: str) -> list[Endpoint]:
    """The endpoints of this name that are estimable."""
    return [endpoint for endpoint in evidence.endpoints if endpoint.name == name and endpoint.candidate is not None]


def enough_shadows(evidence: Evidence) -> bool:
    """Whether LiRA or U-LiRA is estimable with as many shadows as evidence of grade A needs."""
    shadows = evidence.shadows
    if shadows is None:
        return False
    return any(
        (shadows.unlearned if score == ULIRA else shadows.shadows) >= GRADE_A_FROM and _named(evidence, name)
        for name, score in _SCORE_OF.items()
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
