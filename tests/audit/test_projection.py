"""Plans from an audit's own retrains: the widths of section 5.1, what a projection promises, what it does not read."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from vestige.audit.endpoints.endpoints import Measured, measure
from vestige.audit.endpoints.remedy import left_spread
from vestige.audit.endpoints.scores import score
from vestige.audit.endpoints.simulation import World, constant, memorised
from vestige.audit.planning.projection import EndpointOutlook, MeasuredPlan, project_reference, spread_ratios
from vestige.audit.policy import Policy
from vestige.audit.statistics.intervals import fail_slack, spread_factor
from vestige.audit.verdict.evidence import stand

WORLD = World(forget=300, unseen=1500, retain=200, retrains=5, original=memorised(2.5))


@pytest.fixture(scope="module")
def plan() -> MeasuredPlan:
    return project_reference(WORLD.draw(1).outputs(), Policy(profile="screening"))


def _in_force(plan: MeasuredPlan) -> list[EndpointOutlook]:
    """The endpoints that need no shadow models."""
    found = [one for one in plan.endpoints if one.reason != "needs a shadow bank"]
    assert len(found) == len(plan.endpoints) - 4
    return found


def test_the_numbers_now_are_those_of_the_specification(plan: MeasuredPlan) -> None:
    """Section 5.1's table for K = 5: h 2.335321, plan 4.014864, factor on s 2.37."""
    for one in _in_force(plan):
        assert one.spread is not None and one.half_width is not None and one.plan_width is not None
        assert one.half_width / one.spread == pytest.approx(2.335321, abs=1e-6)
        assert one.plan_width / one.spread == pytest.approx(4.014864, abs=1e-6)
        assert one.spread_bound == pytest.approx(2.37 * one.spread, rel=2e-3)
        worst = "impossible" if one.half_width > one.margin_effective else "likely"
        assert one.outlook == ("possible" if one.half_width <= one.margin_effective < one.plan_width else worst)
    assert [spread_factor(k) for k in (3, 4, 5, 10, 20)] == pytest.approx([4.42, 2.92, 2.37, 1.65, 1.37], abs=5e-3)
    assert plan.grade == "B" and plan.reference.detecting and plan.reference.valid
    caught = {one.name for one in plan.endpoints if one.original_caught}
    assert caught == set(plan.reference.firing) and caught


def test_the_gap_that_fails_fails_in_four_of_five_audits() -> None:
    """By simulation: K retrains ~ N(0, 1), the candidate a retrain moved by the gap, Bonferroni's first step."""
    random, k, family, margin = np.random.default_rng(5), 5, 8, 2.0
    gap = margin + fail_slack(1.0, k, 0.05, family, "two")
    draws = random.normal(size=(40_000, k + 1))
    draws[:, k] += gap
    error = np.std(draws[:, :k], axis=1, ddof=1) * np.sqrt(1 + 1 / k)
    distance = np.abs(draws[:, k] - draws[:, :k].mean(axis=1)) - margin
    rejected = 2 * stats.t.sf(distance / error, k - 1) <= 0.05 / family
    # The formula takes the spread as known where it stands beside the gap; 40 000 runs have an error of .002.
    assert 0.70 <= rejected.mean() <= 0.85


@pytest.mark.parametrize(
    ("k", "retrains", "factor", "share"), [(5, 10, 1, 0.0), (3, 20, 1, 0.0), (5, 5, 5, 0.4), (5, 10, 5, 0.4)]
)
def test_the_interval_holds_the_spread_that_is_measured_later(
    k: int, retrains: int, factor: float, share: float
) -> None:
    """Normal values of models, of whose variance ``share`` shrinks with the factor: 90 % of 600, standard error 1.2."""
    random, runs = np.random.default_rng(3), 600
    seed = random.normal(0, np.sqrt(1 - share), (runs, retrains))
    unseen = random.normal(0, np.sqrt(share), (runs, retrains))
    later = unseen / factor + random.normal(0, np.sqrt(share / factor * (1 - 1 / factor)), (runs, retrains))
    now = np.std((seed + unseen)[:, :k], axis=1, ddof=1)
    then = np.std(seed + later, axis=1, ddof=1)
    held = 0
    for before, after in zip(now, then, strict=True):
        low, high = spread_ratios(float(before), share, k, retrains, factor)
        held += low * before <= after <= high * before
    assert held / runs == pytest.approx(0.9, abs=0.045)


def test_an_interval_of_all_models_anew_is_that_of_fishers_f() -> None:
    found = spread_ratios(0.02, 0.0, 5, 10, 1, anew=True)
    assert found == pytest.approx(np.sqrt(stats.f.ppf([0.05, 0.95], 9, 4)), rel=0.03)
    kept = spread_ratios(0.02, 0.0, 5, 10, 1)
    exact = np.sqrt((4 + 5 * stats.f.ppf([0.05, 0.95], 5, 4)) / 9)
    assert kept == pytest.approx(exact, rel=0.03) and kept[0] > found[0] and kept[1] < found[1]
    assert spread_ratios(0.02, 0.0, 5, 5, 1) == pytest.approx((1.0, 1.0))
    assert spread_ratios(0.02, 1.0, 5, 5, 4)[0] > 0
    for spread, k in ((0.0, 5), (0.1, 2)):
        with pytest.raises(ValueError, match="spread above 0 over 3 retrains"):
            spread_ratios(spread, 0.0, k, 10, 1)


def test_projections_verified_by_audits_of_the_projected_size() -> None:
    """From K = 5 and 2,000 unseen to K = 10 and 10,000: the same worlds, measured at both sizes.

    A1 and A3 within 3 standard errors of the mean of 40; A2's leave-one-out spread falls with K besides, which the
    projection leaves out (it promises 5 to 12 % too little); T2's projected spread is within 25 %."""
    pairs: dict[str, list[tuple[float, float, bool]]] = {}
    world = World(forget=500, unseen=10_000, retrains=10, original=None)
    for seed in range(40):
        phi = world.draw(100 + seed).phi
        before, after = (_measured(phi, k, unseen) for k, unseen in ((5, 2000), (10, 10_000)))
        for name, one in before.items():
            spread = after[name].spread or 0.0
            assert one.spread is not None
            low, high = spread_ratios(one.spread, one.unseen_variance, 5, 10, 5, anew=one.definition.per_example)
            held = low * one.spread <= spread <= high * one.spread
            pairs.setdefault(name, []).append((left_spread(one, 5) ** 2, spread**2, held))
    for name, room in (("A1", 0.15), ("A2", 0.25), ("A3", 0.15), ("T2", 0.25)):
        table = np.array(pairs[name], np.float64)
        projected, found = np.sqrt(table[:, :2].mean(axis=0))
        assert projected == pytest.approx(found, rel=room), name
        assert table[:, 2].mean() >= 0.9 - 3 * np.sqrt(0.09 / 40), name


def _measured(phi: np.ndarray[tuple[int, int], np.dtype[np.float64]], k: int, unseen: int) -> dict[str, Measured]:
    rows = phi[[*range(k), 10]][:, : 500 + unseen]
    logits = np.zeros((*rows.shape, 2))
    logits[:, :, 0] = rows
    labels, forget = np.zeros(500 + unseen, np.int64), np.arange(500 + unseen) < 500
    scores = score(logits[:k], logits[k:], labels, forget, 0.2, 0)
    return {one.definition.name: one for one in measure(scores, 0.01) if one.in_force}


def test_more_is_never_worse_and_sizes_are_as_asked(plan: MeasuredPlan) -> None:
    for one in _in_force(plan):
        sizes = [(each.retrains, each.unseen) for each in one.projections]
        assert sizes == [(7, 1500), (10, 1500), (15, 1500), (20, 1500), (5, 3000), (5, 7500), (5, 15_000), (10, 7500)]
        widths = [one.half_width, *(each.half_width for each in one.projections[:4])]
        assert widths == sorted(widths, reverse=True)  # type: ignore[type-var]
        for each in one.projections:
            low, high = each.half_width_interval
            assert low <= each.half_width <= high and low < high
            assert each.plan_width_interval[0] <= each.plan_width <= each.plan_width_interval[1]
            assert each.fail_gap_interval[0] <= each.fail_gap <= each.fail_gap_interval[1]


def test_no_spread_shrinks_by_more_than_the_factor() -> None:
    for one in stand(WORLD.draw(1).outputs(), Policy())[0]:
        beyond = replace(one, unseen_variance=10 * (one.spread or 0.0) ** 2)
        assert left_spread(beyond, 4.0) == pytest.approx((one.spread or 0.0) / 2)
        assert left_spread(replace(one, unseen_variance=0.0), 4.0) == pytest.approx(one.spread or 0.0)


@pytest.mark.parametrize(
    ("world", "settings", "outlook", "why"),
    [
        (replace(WORLD, retrains=2), {}, "impossible", "PASS needs at least 3 retrains, got 2"),
        (replace(WORLD, retrains=4), {}, "impossible", "evidence of grade C, the policy requires B"),
        (replace(WORLD, original=None), {}, "impossible", "there is no original to catch"),
        (replace(WORLD, retrain=memorised(2.5)), {}, "impossible", "no per-example attack catches the original"),
        (replace(WORLD, original=constant(-3.0)), {}, "impossible", "cannot serve as a reference"),
        (WORLD, {"profile": "strict"}, "impossible", "the interval is wider than the margin on"),
        (WORLD, {"margin_auc": 0.3, "margin_tpr": 0.2}, "likely", "at least 80 % probability"),
    ],
)
def test_the_outlook_says_why(world: World, settings: dict[str, object], outlook: str, why: str) -> None:
    found = project_reference(world.draw(3).outputs(), Policy.of({"profile": "standard", **settings}))
    assert found.outlook == outlook and why in found.why
    if world.retrains < 3:
        assert all(not one.projections and one.reason for one in found.endpoints) and found.utility == ()


def test_the_candidate_is_not_in_the_plan() -> None:
    outputs = WORLD.draw(2).outputs()
    other = replace(outputs, candidate=outputs.candidate[::-1].copy() + 3)
    assert project_reference(other, Policy()) == project_reference(outputs, Policy())
