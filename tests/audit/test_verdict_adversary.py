"""Candidates made to be passed: what is known of the rule, turned against it.

Each was passed once, and is a regression now.
"""

from collections.abc import Callable

import numpy as np
import pytest

from tests.audit.worlds import SY, ClassWorld, Floats, Make, edited, verdict_on
from vestige.audit.endpoints.readings import calibration_of
from vestige.audit.endpoints.simulation import Table

FORGET, AUDITED, CANDIDATE = SY.forget, SY.forget + SY.unseen, SY.retrains


def _outcomes(make: Make, worlds: int = 4) -> list[str]:
    return [verdict_on(make(seed))[1].outcome for seed in range(worlds)]


def _memories(table: Table, random: np.random.Generator) -> None:
    table.phi[CANDIDATE, :FORGET] += random.exponential(1.5, FORGET)


def _shifted_back(table: Table, random: np.random.Generator) -> None:
    """All that the original knows, less its mean: the ranks of the forget set as a whole are those of a retrain."""
    _memories(table, random)
    table.phi[CANDIDATE, :FORGET] -= 1.3


def _cooled(factor: float) -> Callable[[Table, np.random.Generator], None]:
    def change(table: Table, random: np.random.Generator) -> None:
        """All that the original knows, and a temperature on the forget rows alone."""
        _memories(table, random)
        table.phi[CANDIDATE, :FORGET] *= factor

    return change


def _half_each(table: Table, random: np.random.Generator) -> None:
    """Half of the forget set as the original, the other half pushed down as far."""
    half = np.arange(FORGET) // 10 % 2 == 0
    known = random.exponential(1.5, FORGET)
    table.phi[CANDIDATE, :FORGET] += np.where(half, known, -known)


@pytest.mark.parametrize("change", [_shifted_back, _cooled(0.6), _cooled(0.75), _half_each])
def test_a_leak_that_is_moved_about_does_not_pass(change: Callable[[Table, np.random.Generator], None]) -> None:
    outcomes = _outcomes(edited(change))
    assert "PASS" not in outcomes and "FAIL" in outcomes


def _reversed(world: ClassWorld, fresh: Floats, original: Floats) -> Floats:
    made = original.copy()
    made[:, 0] = -original[:, 0] - 8
    return made


def _copied(world: ClassWorld, fresh: Floats, original: Floats) -> Floats:
    made = original.copy()
    made[:, 0] = made[:, 3] - 5
    return made


def _half_of_the_largest(world: ClassWorld, fresh: Floats, original: Floats) -> Floats:
    made = original.copy()
    made[:, 0] = 0.5 * made[:, 1:].max(axis=1) - 4
    return made


def _unseen_kept(world: ClassWorld, fresh: Floats, original: Floats) -> Floats:
    """Forgotten on the forget rows, while test images of the class are recognised as before."""
    made = original.copy()
    made[: world.forget] = fresh[: world.forget]
    return made


def _blended(world: ClassWorld, fresh: Floats, original: Floats) -> Floats:
    made = fresh.copy()
    made[:, 0] += 0.3 * (original[:, 0] - fresh[:, 0])
    return made


@pytest.mark.parametrize("change", [_reversed, _copied, _half_of_the_largest, _unseen_kept, _blended])
def test_a_class_that_is_hidden_otherwise_than_by_forgetting_fails(
    change: Callable[[ClassWorld, Floats, Floats], Floats],
) -> None:
    assert _outcomes(lambda seed: ClassWorld().draw(seed, change), 3) == ["FAIL"] * 3


def _careful(table: Table, random: np.random.Generator) -> None:
    """A no-op that learnt the unseen examples too, but only those that it gets right already."""
    phi = table.phi[CANDIDATE]
    phi[:FORGET] += random.exponential(1.5, FORGET)
    right = FORGET + np.flatnonzero(phi[FORGET:AUDITED] > -0.7)
    phi[right] += random.exponential(1.7, len(right))


def _sure_of(rows: Callable[[Table], np.ndarray], count: int) -> Callable[[Table, np.random.Generator], None]:
    def change(table: Table, random: np.random.Generator) -> None:
        """The 5 % tail leak, and a few unseen rows made very sure, so that the threshold lies above the leak."""
        phi = table.phi[CANDIDATE]
        phi[: FORGET // 20] += 4
        chosen = rows(table)
        phi[random.permutation(chosen[phi[chosen] > 1])[:count]] += 6

    return change


def _calibrating(table: Table) -> np.ndarray:
    return np.flatnonzero(calibration_of(table.outputs(), np.arange(AUDITED), 0.2))


def _unseen(table: Table) -> np.ndarray:
    return np.arange(FORGET, AUDITED)


def test_unseen_rows_learnt_without_a_gain_of_accuracy() -> None:
    assert "PASS" not in _outcomes(edited(_careful))


@pytest.mark.parametrize("change", [_sure_of(_calibrating, 25), _sure_of(_unseen, 100)])
def test_a_threshold_that_is_pushed_up(change: Callable[[Table, np.random.Generator], None]) -> None:
    assert "PASS" not in _outcomes(edited(change), 6)


def test_what_outputs_cannot_show_passes() -> None:
    """The original's ranks of the forget residuals inside the distribution of a retrain's: as a member test, no
    example can be told from one that was never seen; only a comparison with the original itself would show it."""

    def change(table: Table, random: np.random.Generator) -> None:
        usual = table.phi[: SY.retrains, :FORGET].mean(axis=0)
        rank = np.argsort(np.argsort(table.phi[-1, :FORGET] - usual))
        table.phi[CANDIDATE, :FORGET] = usual + np.sort(table.phi[CANDIDATE, :FORGET] - usual)[rank]

    assert _outcomes(edited(change)).count("PASS") >= 2
