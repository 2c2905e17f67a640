"""What is wrong with a bank, or with comparing a target with it: sentences for the reader of the scores."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.scores.gaussians import PER_EXAMPLE_FROM
from vestige.attacks.shadows.bank import ShadowBank
from vestige.learners.arrays import Floats
from vestige.learners.files.io import digest

WEAK = 16
"""Fewer shadows than this miss much of what a stronger attacker would see (ground truth: LIRA-17)."""

SLACK = 0.01
"""Difference of accuracy that is no sign of another recipe, in addition to four deviations of the shadows' accuracy."""


def bank_problems(
    bank: ShadowBank, *, accuracy_in: float | None = None, accuracy_out: float | None = None
) -> tuple[str, ...]:
    """Sentences, none where all is well.

    accuracy_in, accuracy_out: fractions, of the target on examples that it was trained on and on others; None where
    they are not known. Looked at: whether the target's accuracy is among the shadows', the balance of membership,
    models that are equal, outputs that are no logits, and the number of shadows."""
    return tuple(
        [
            *_accuracy(bank.accuracy_in, accuracy_in, "examples that it was trained on"),
            *_accuracy(bank.accuracy_out, accuracy_out, "examples that it was not trained on"),
            *_balance(bank),
            *_equal(bank.phi),
            *_outputs(bank),
            *_number(len(bank)),
        ]
    )


def _accuracy(shadows: Floats, target: float | None, where: str) -> list[str]:
    known = shadows[np.isfinite(shadows)]
    if target is None or not len(known):
        return []
    centre = float(known.mean())
    allowed = SLACK + (4 * float(known.std(ddof=1)) if len(known) > 1 else 0.0)
    if abs(target - centre) <= allowed:
        return []
    return [
        f"the target's accuracy on {where} is {target:.3f}, the shadows' {centre:.3f} (within {allowed:.3f} expected): "
        "levels are then off for every example. Shadows train on half of all audited data: where that is less or more "
        "than the target had, this is expected; where it is not, they follow another recipe"
    ]


def _balance(bank: ShadowBank) -> list[str]:
    inside = bank.member.sum(0)
    off = int((2 * inside != len(bank)).sum())
    if not off:
        return []
    return [
        f"{off} of {len(inside)} examples are not in for half of the shadows ({inside.min()} to {inside.max()} of "
        f"{len(bank)}): the numbers themselves tell members apart; use whole complementary pairs"
    ]


def _equal(tables: Sequence[NDArray[np.float32]]) -> list[str]:
    distinct = len({digest(np.ascontiguousarray(table).tobytes()) for table in tables})
    if distinct == len(tables):
        return []
    twins = len(tables) - distinct
    return [f"{twins} of {len(tables)} shadows say exactly what another says: train them with own seeds"]


def _outputs(bank: ShadowBank) -> list[str]:
    problems = []
    first = bank.logits_of(0, 0).astype(np.float64)
    if not all(np.isfinite(table).all() for table in bank.phi):
        problems.append("outputs hold NaN or infinity: a shadow diverged; lower the learning rate of the recipe")
    elif first.min() >= 0 and first.max() <= 1 and np.allclose(first.sum(-1), 1, atol=1e-3):
        problems.append("outputs look like probabilities: scores need logits, for probabilities saturate at 1")
    return problems


def _number(models: int) -> list[str]:
    if models >= WEAK:
        return []
    return [
        f"{models} shadows: weaker than what an attacker can afford; {WEAK} or more are sensible, from "
        f"{PER_EXAMPLE_FROM} on each example has a variance of its own"
    ]
