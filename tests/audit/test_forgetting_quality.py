"""The competition's forgetting quality: against loops over its grid, its known null values, and its limits."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vestige.attacks.arrays import NotEstimable
from vestige.audit.studies.methods import quality_scores as module
from vestige.audit.studies.methods.quality_scores import CAP, DELTA, Epsilons, epsilons, forgetting_quality
from vestige.learners.errors import DataError
from vestige.learners.seeds import numpy_generator

Floats = NDArray[np.float64]


def of_rates(fpr: float, fnr: float) -> float:
    """As the technical note says it; NaN: discarded."""
    if fpr == 0 and fnr == 0:
        return float("inf")
    if fpr == 0 or fnr == 0:
        return float("nan")
    both = [np.log((1 - DELTA - a) / b) for a, b in ((fpr, fnr), (fnr, fpr)) if 1 - DELTA - a > 0]
    return max(0.0, *both) if both else float("nan")


def on_the_grid(unlearned: Floats, retrained: Floats, intervals: bool) -> float:
    """One example's epsilon by loops over the competition's own grid of thresholds, 100 in a unit of phi."""
    found: list[float] = []
    swap = np.median(retrained) > np.median(unlearned)
    above, below = (retrained, unlearned) if swap else (unlearned, retrained)
    everything = np.concatenate([unlearned, retrained])
    span = float(np.ptp(everything))
    for cut in np.linspace(everything.min(), everything.max(), int(np.ceil(100 * span))):
        found.append(of_rates(float((below >= cut).mean()), float((above < cut).mean())))
    if intervals:
        narrow, wide = (unlearned, retrained) if np.ptp(unlearned) < np.ptp(retrained) else (retrained, unlearned)
        width = float(np.ptp(narrow))
        rights = np.linspace(narrow.min() + width - 2, narrow.max() + 2, 400)
        for right in rights:
            left = np.linspace(right - width - 2, right - width + 2, 400)[:, None]
            hit = ((narrow >= left) & (narrow <= right)).mean(1)
            false = ((wide >= left) & (wide <= right)).mean(1)
            found += [of_rates(a, b) for a, b in set(zip(false.tolist(), (1 - hit).tolist(), strict=True))]
    kept = [value for value in found if not np.isnan(value)]
    ranges = sorted([np.ptp(unlearned), np.ptp(retrained)])
    return CAP if ranges[0] < 0.01 * ranges[1] else min(CAP, max(kept, default=0.0))


def two_sides(models: int, examples: int, shift: float, scale: float, seed: int) -> tuple[Floats, Floats]:
    random = numpy_generator(seed, "forgetting quality", models)
    difficulty = random.normal(0.0, 1.5, examples)
    return (
        difficulty + shift + scale * random.normal(size=(models, examples)),
        difficulty + random.normal(size=(models, examples)),
    )


@pytest.mark.parametrize(
    ("shift", "scale", "intervals"), [(0.0, 1.0, False), (1.0, 0.7, False), (0.0, 1.0, True), (0.5, 0.3, True)]
)
def test_every_cut_that_differs_against_loops_over_the_grid(shift: float, scale: float, intervals: bool) -> None:
    unlearned, retrained = two_sides(7, 25, shift, scale, 1)
    # On multiples of 0.05 the grid of 0.01 falls between any two values, and there are ties.
    unlearned, retrained = np.round(unlearned * 20) / 20, np.round(retrained * 20) / 20
    found = epsilons(unlearned, retrained, intervals).values
    slow = np.array([on_the_grid(unlearned[:, x], retrained[:, x], intervals) for x in range(25)])
    assert (found >= slow - 1e-9).all()
    # The grid may miss the edge of its own window, and the cut at the largest value by rounding.
    assert (np.abs(found - slow) < 1e-9).mean() >= 0.9


def test_unequal_numbers_of_models_count_each_side_by_itself() -> None:
    unlearned, _ = two_sides(6, 20, 0.7, 1.0, 2)
    _, retrained = two_sides(11, 20, 0.7, 1.0, 2)
    unlearned, retrained = np.round(unlearned * 20) / 20, np.round(retrained * 20) / 20
    found = epsilons(unlearned, retrained, False)
    slow = [on_the_grid(unlearned[:, x], retrained[:, x], False) for x in range(20)]
    assert (np.abs(found.values - slow) < 1e-9).mean() >= 0.9
    assert found.ceiling == pytest.approx(np.log((1 - DELTA - 1 / 6) * 11))
    below = found.values[found.values < CAP]
    assert below.max() <= found.ceiling + 1e-12


@pytest.mark.slow
def test_two_samples_of_one_distribution_do_not_score_one() -> None:
    """attacks.md, section 7.2: single thresholds, 512 models: median ln 3, mean H .375."""
    null = epsilons(*two_sides(512, 1500, 0.0, 1.0, 3), intervals=False)
    assert np.median(null.values) == pytest.approx(np.log(3), abs=0.01)
    assert null.quality == pytest.approx(0.375, abs=0.03)
    for models in (16, 64):
        both = epsilons(*two_sides(models, 400, 0.0, 1.0, 4))
        assert np.median(both.values) == pytest.approx(np.log(5), abs=0.01)
        assert both.quality == pytest.approx(0.18, abs=0.03)


def test_bins_and_ceiling() -> None:
    def of(values: list[float], models: int) -> Epsilons:
        return Epsilons(np.array(values), np.zeros(len(values), np.bool_), (models, models))

    many = of([0.0, 0.49, 0.5, 1.0986, 6.49, 6.5, 6.99, 7.0, CAP], 512)
    assert many.bins == 14
    assert many.scores.tolist() == [1, 1, 0.5, 0.25, 2.0**-12, 2.0**-13, 2.0**-13, 0, 0]
    assert many.quality == pytest.approx(np.mean(many.scores))
    assert many.ceiling == pytest.approx(np.log(511), abs=1e-4)
    assert [of([0.0], models).bins for models in (2, 3, 4, 10, 64, 513)] == [0, 2, 4, 6, 10, 14]
    assert of([0.0], 2).quality == 0 and of([0.0], 2).ceiling == 0
    assert of([0.0], 10).ceiling == pytest.approx(np.log(9), abs=1e-3)
    for models in (3, 10, 64, 512):
        assert of([0.0], models).ceiling <= of([0.0], models).bins * 0.5  # nothing finite falls beyond the last bin


def test_perfect_separation_peaks_and_nothing_to_decide() -> None:
    models = np.linspace(0.0, 1.0, 5)
    cases = {
        "above": (models + 2, models, CAP),
        "below": (models - 2, models, CAP),
        "inside": (np.full(5, 0.5) + 0.02 * models, np.array([0.0, 0.1, 0.9, 1.0, 1.1]), CAP),
        "peaked": (np.full(5, 0.5), models, CAP),
        "one point each": (np.full(5, 1.0), np.full(5, 2.0), CAP),
        "the same": (models, models, epsilons(models[:, None], models[:, None]).values[0]),
        "one point": (np.full(5, 1.0), np.full(5, 1.0), 0.0),
    }
    unlearned = np.stack([case[0] for case in cases.values()], axis=1)
    retrained = np.stack([case[1] for case in cases.values()], axis=1)
    found = epsilons(unlearned, retrained)
    assert found.values.tolist() == pytest.approx([case[2] for case in cases.values()])
    assert found.undecided.tolist() == [name == "one point" for name in cases]
    assert found.values[5] < 1
    # One threshold does not see an unlearned model that always answers the same in the middle.
    assert epsilons(unlearned, retrained, intervals=False).values[2] < 2


def test_intervals_reach_no_further_than_the_definition() -> None:
    # Retrained spread over two clusters 40 apart, the narrow unlearned between: reachable only near the narrow side.
    random = numpy_generator(5, "reach")
    narrow = random.normal(0.0, 1.0, (8, 1))
    wide = np.concatenate([random.normal(-20, 0.5, (4, 1)), random.normal(20, 0.5, (4, 1))])
    assert epsilons(narrow, wide).values[0] == CAP
    found = epsilons(narrow, np.concatenate([narrow[:4], narrow[:4] + 40])).values[0]
    assert found == pytest.approx(on_the_grid(narrow[:, 0], np.concatenate([narrow[:4], narrow[:4] + 40])[:, 0], True))


def test_unlearning_that_leaves_a_trace_scores_less_than_retraining_again() -> None:
    unlearned, retrained = two_sides(24, 150, 1.5, 1.0, 6)
    leak = forgetting_quality(unlearned, retrained, seed=7)
    again = forgetting_quality(two_sides(24, 150, 0.0, 1.0, 6)[0], retrained, seed=7)
    assert leak.half is not None and leak.reference is not None
    assert again.half is not None and again.reference is not None
    assert leak.half.models == leak.reference.models == (12, 12)
    assert leak.full.models == (24, 24)
    assert leak.reference.values.tolist() == again.reference.values.tolist()
    assert leak.half.quality < 0.7 * leak.reference.quality
    assert again.half.quality == pytest.approx(again.reference.quality, abs=0.06)


def test_halves_are_disjoint_seeded_and_of_one_size() -> None:
    # Every model its own value, so that the values tell which models were compared: the halves of one set of models
    # separate or not by their order alone.
    retrained = np.arange(9.0)[:, None] + np.zeros((9, 3))
    found = forgetting_quality(retrained + 0.5, retrained, seed=1)
    assert found.reference is not None and found.half is not None
    assert found.reference.models == found.half.models == (4, 4)
    same = forgetting_quality(retrained + 0.5, retrained, seed=1)
    assert same.reference is not None and same.reference.values.tolist() == found.reference.values.tolist()
    others = [forgetting_quality(retrained + 0.5, retrained, seed=seed).reference for seed in range(8)]
    assert len({one.values[0] for one in others if one is not None}) > 1
    few = forgetting_quality(retrained[:2] + 0.5, retrained, seed=1)
    assert few.half is not None and few.reference is not None
    assert few.half.models == few.reference.models == (2, 2)
    assert forgetting_quality(retrained + 0.5, retrained[:3], seed=1).reference is None


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = two_sides(6, 37, 0.5, 0.8, 8)
    whole = epsilons(*sides).values
    monkeypatch.setattr(module, "BLOCK", 60)
    assert epsilons(*sides).values.tolist() == whole.tolist()


def test_scale_of_single_thresholds_and_sign_do_not_matter() -> None:
    unlearned, retrained = two_sides(9, 30, 0.6, 0.8, 9)
    plain = epsilons(unlearned, retrained, intervals=False).values
    assert epsilons(100 * unlearned, 100 * retrained, intervals=False).values.tolist() == plain.tolist()
    mirrored = epsilons(-unlearned, -retrained, intervals=False).values
    assert mirrored == pytest.approx(plain)


def test_refusals() -> None:
    table = np.zeros((4, 3))
    with pytest.raises(DataError, match=r"\[models, examples\]"):
        forgetting_quality(np.zeros(4), table, seed=0)
    with pytest.raises(DataError, match="same examples, got 3 unlearned and 2"):
        forgetting_quality(table, table[:, :2], seed=0)
    with pytest.raises(NotEstimable, match="retrained: expected at least 2 models, got 1"):
        forgetting_quality(table, table[:1], seed=0)
    table[1, 1] = np.inf
    with pytest.raises(DataError, match="unlearned: expected finite numbers, got 1"):
        forgetting_quality(table, np.zeros((4, 3)), seed=0)
