"""What a report says of the shadow models behind it, as far as it can be held against the rest of the report."""

import re
from collections.abc import Iterator

from vestige.audit.gate.recompute.difference import Difference
from vestige.audit.results.report import Audit
from vestige.audit.results.shadows import FEWEST, GRADE_A_FROM, LIRA, ULIRA, ShadowEvidence, why_absent

MOST_SHADOWS = 100_000


def of_shadows(audit: Audit) -> Iterator[Difference]:
    """Counts that cannot be, examples that the audit does not have, and attacks named that were not made."""
    stated = audit.shadows
    if stated is None:
        return

    def wrong(field: str, said: object, right: object) -> Difference:
        return Difference(audit.candidate, "shadows", field, said, right)

    for field, count in (("shadows", stated.shadows), ("unlearned", stated.unlearned)):
        if not 0 <= count <= MOST_SHADOWS or count % 2:
            yield wrong(field, count, f"whole pairs, 0 to {MOST_SHADOWS}")
    if stated.unlearned and not stated.shadows:
        yield wrong("unlearned", stated.unlearned, 0)
    if not 0 <= stated.unseen_evaluation <= audit.reference.unseen_evaluation:
        yield wrong("unseen_evaluation", stated.unseen_evaluation, f"0 to {audit.reference.unseen_evaluation}")
    made: tuple[str, ...] = () if why_absent(LIRA[0], stated) else LIRA
    asked = bool(made) and stated.unlearned >= FEWEST and not stated.unlearned_problem
    made += (ULIRA,) if asked else ()
    expected = tuple(f"{name} (variance {_rule(name, stated)}" for name in made)
    if tuple(re.split("[,)]", one)[0] for one in stated.attacks) != expected:
        yield wrong("attacks", stated.attacks, expected)


def _rule(name: str, stated: ShadowEvidence) -> str:
    """Which variance so many shadows allow: grade A cannot be had by writing another number."""
    count = stated.unlearned if name == ULIRA else stated.shadows
    return "per_example" if count >= GRADE_A_FROM else "fixed"
