"""The shadow models behind the endpoints that need them, and when there are too few."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from vestige.attacks.shadows.checks import WEAK
from vestige.learners.arrays import Floats, Mask

LIRA = ("lira_online", "lira_offline")
"""Scores, by their names in the registry, that read the shadows as they were trained."""
ULIRA = "ulira"
"""The score that reads what the candidate's method made of them."""
SHADOWED = (*LIRA, ULIRA)
FEWEST = WEAK
"""Fewer shadows than this are no evidence: sensible for LiRA is 16 (attacks.md, section 1.3)."""
GRADE_A_FROM = 64
"""So many shadows make LiRA or U-LiRA evidence of grade A (verdict.md, section 6, E4)."""
FEWEST_UNSEEN = 10
"""With fewer unseen examples to judge, U-LiRA's AUC is too coarse to tell two retrains apart."""
NO_BANK = "needs a shadow bank"
NO_UNLEARNED = "needs shadows that the candidate's method was run on"


@dataclass(frozen=True)
class ShadowEvidence:
    """The shadow models behind A4, T4, F4 and F5 of one candidate."""

    bank: Annotated[
        str, Field(description="Folder of the bank; its name digests data, recipe, pool, requests, views and seed.")
    ]
    shadows: Annotated[int, Field(description="Shadows that LiRA reads (F4, F5).")]
    unlearned: Annotated[int, Field(description="Shadows that the candidate's method was run on (A4, T4); 0 for none.")]
    attacks: Annotated[
        tuple[str, ...], Field(description="Registry names of the attacks that were made, with their variance rule.")
    ]
    unseen_evaluation: Annotated[
        int, Field(description="Unseen evaluation examples that U-LiRA judges: those that the shadows unlearned.")
    ]
    problem: Annotated[str, Field(description="Empty, or the fault for which the bank was refused.")] = ""
    unlearned_problem: Annotated[
        str, Field(description="Empty, or the fault for which the unlearned shadows were refused.")
    ] = ""
    remarks: Annotated[
        tuple[str, ...],
        Field(description="What weakens the attacks without making the comparison with retrains unfair."),
    ] = ()


def why_absent(score: str, shadows: ShadowEvidence | None) -> str:
    """Empty, or what an endpoint on this score lacks, as far as shadows go."""
    if score not in SHADOWED:
        return ""
    if shadows is None:
        return NO_BANK
    if shadows.shadows < FEWEST:
        return f"needs at least {FEWEST} shadows, got {shadows.shadows}"
    if shadows.problem:
        return shadows.problem
    if score != ULIRA:
        return ""
    if not shadows.unlearned:
        return NO_UNLEARNED
    if shadows.unlearned < FEWEST:
        return f"needs at least {FEWEST} unlearned shadows, got {shadows.unlearned}"
    if shadows.unseen_evaluation < FEWEST_UNSEEN:
        return (
            f"needs at least {FEWEST_UNSEEN} unseen evaluation examples that the shadows unlearned, "
            f"got {shadows.unseen_evaluation}"
        )
    return shadows.unlearned_problem


@dataclass(frozen=True, eq=False)
class ShadowTables:
    """What the shadows say about one candidate: scores ``[models, n]`` by registry name, as far as there are any;
    higher = more member-like (U-LiRA: more like an example that the method unlearned). Models: all retrains,
    the candidate, the original if there is one. judged: bool ``[n]``, the examples on which U-LiRA is defined."""

    evidence: ShadowEvidence
    tables: Mapping[str, Floats]
    judged: Mask

    def take(self, models: Sequence[int]) -> "ShadowTables":
        """The same of some of the models, in the order given."""
        return replace(self, tables={name: table[list(models)] for name, table in self.tables.items()})

    def of_bank(self) -> "ShadowTables":
        """What depends on no method: LiRA alone."""
        evidence = replace(
            self.evidence,
            unlearned=0,
            unlearned_problem="",
            unseen_evaluation=0,
            attacks=tuple(attack for attack in self.evidence.attacks if not attack.startswith(ULIRA)),
        )
        return ShadowTables(evidence, {name: self.tables[name] for name in LIRA if name in self.tables}, self.judged)
