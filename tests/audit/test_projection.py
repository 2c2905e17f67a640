"""Plans from an audit's own retrains: the widths of its interval, what more would buy, what is not read."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.audit.worlds import ClassWorld
from vestige.audit.endpoints.setting import Declared, setting_of
from vestige.audit.endpoints.simulation import World, constant, memorised
from vestige.audit.planning.projection import MeasuredPlan, project_reference
from vestige.audit.planning.widths import EndpointOutlook
from vestige.audit.policy import Policy
from vestige.audit.statistics.intervals import gap_error
from vestige.audit.verdict.evidence import gather

WORLD = World(forget=1000, unseen=5000, retain=300, retrains=5, original=memorised(2.5))


def planned(world: World, seed: int = 1, declared: Declared | None = None, **settings: Any) -> MeasuredPlan:
    outputs = world.draw(seed).outputs()
    return project_reference(outputs, setting_of(outputs, declared), Policy.of(settings))


@pytest.fixture(scope="module")
def plan() -> MeasuredPlan:
    return planned(WORLD)


def known(plan: MeasuredPlan) -> list[EndpointOutlook]:
    found = [each for each in plan.endpoints if each.widths is not None]
    assert {"M", "S", "T", "L", "V", "D"} <= {each.name for each in found}
    return found


def test_widths_are_those_of_the_one_formula(plan: MeasuredPlan) -> None:
    """K = 5, d0 = 1: df 5, quantiles t(.95) = 2.0150 and t(.9) = 1.4759."""
    factors = {"M": 1.0, "S": 1.4, "T": 1.4, "L": 1.4, "V": 1.4, "D": 1.4}
    for each in known(plan):
        assert each.widths is not None and each.example_error is not None and each.spread is not None
        factor = factors.get(each.name, 1.0)
        error = np.sqrt((each.example_error**2 + 4 * factor * each.spread**2) / 5)
        assert each.widths.half_width == pytest.approx(2.01505 * error, rel=1e-4)
        assert each.widths.plan_width == pytest.approx((2.01505 + 1.47588) * error, rel=1e-4)
        assert each.widths.fail_gap > each.margin + each.widths.half_width
        assert each.widths.fail_gap == pytest.approx(each.margin + _slack(plan, each, error), rel=1e-6)


def _slack(plan: MeasuredPlan, each: EndpointOutlook, error: float) -> float:
    """Three primary endpoints weigh 1 each, all FAIL-only ones together 1, all groups together 1."""
    share = {"fail_only": sum(other.role == "fail_only" and other.name[0] != "G" for other in known(plan))}
    groups = sum(other.name.startswith("G") for other in known(plan))
    weight = 1.0 if each.role == "primary" else 1 / groups if each.name.startswith("G") else 1 / share["fail_only"]
    level = 0.05 * weight / 5 / (1 if each.name in ("T", "D") else 2)
    return gap_error(error, None, 1.0, 0, 5.0).fail_slack(level)


def test_an_audit_has_the_widths_that_were_planned(plan: MeasuredPlan) -> None:
    outputs = WORLD.draw(1).outputs()
    evidence = gather(outputs, setting_of(outputs), Policy(), plots=False)
    stated = {endpoint.label: endpoint for endpoint in evidence.endpoints}
    for each in known(plan):
        assert each.widths is not None
        assert each.widths.half_width == stated[each.name].expected_half_width
        assert each.widths.plan_width == stated[each.name].plan_width
        assert each.original_gap == stated[each.name].original_gap
    assert plan.reference == replace(evidence.reference, dropped=plan.reference.dropped)
    assert plan.grade == "B" and plan.outlook == "likely" and plan.reference.detecting
    assert {each.name for each in plan.endpoints if each.original_caught} == set(plan.reference.firing)


def test_more_is_never_worse_and_every_size_is_there(plan: MeasuredPlan) -> None:
    for each in known(plan):
        sizes = [(projection.retrains, projection.unseen) for projection in each.projections]
        assert sizes == [(7, 5000), (10, 5000), (15, 5000), (20, 5000), (5, 10000), (5, 25000), (5, 50000), (10, 25000)]
        assert each.widths is not None
        for part in (each.projections[:4], each.projections[4:7]):
            widths = [each.widths.half_width, *(projection.widths.half_width for projection in part)]
            assert widths == sorted(widths, reverse=True)


def test_projections_against_audits_of_the_projected_size() -> None:
    """From K = 5 to K = 10 in the same 30 worlds: the mean square half-width of M, S and T, within 15 %.

    S and T may come out narrower: more references make residuals quieter."""
    promised: dict[str, list[float]] = {}
    found: dict[str, list[float]] = {}
    for seed in range(30):
        outputs = World(forget=400, unseen=2000, retrains=10, original=None).draw(seed).outputs()
        few = replace(outputs, retrain=outputs.retrain[:5])
        for each in project_reference(few, setting_of(few), Policy()).endpoints[:3]:
            (ten,) = (p for p in each.projections if (p.retrains, p.unseen) == (10, 2000))
            promised.setdefault(each.name, []).append(ten.widths.half_width**2)
        for each in project_reference(outputs, setting_of(outputs), Policy()).endpoints[:3]:
            assert each.widths is not None
            found.setdefault(each.name, []).append(each.widths.half_width**2)
    assert set(found) == {"M", "S", "T"}
    for name, squares in found.items():
        ratio = np.sqrt(np.mean(squares) / np.mean(promised[name]))
        assert 0.85 <= ratio <= 1.1, (name, ratio)


@pytest.mark.parametrize(
    ("world", "settings", "outlook", "why"),
    [
        (replace(WORLD, retrains=1), {}, "impossible", "PASS needs at least 3 retrains, or a random draw; got 1"),
        (replace(WORLD, retrains=4), {}, "impossible", "requires evidence of grade B: 5 retrains (there are 4)"),
        (replace(WORLD, original=None), {}, "impossible", "there is no original to catch"),
        (replace(WORLD, retrain=memorised(2.5)), {}, "impossible", "no attack on memory catches the original"),
        (replace(WORLD, original=constant(-3.0)), {}, "impossible", "cannot serve as a reference"),
        (replace(WORLD, forget=100, unseen=1500), {"min_evidence": "C", "profile": "strict"}, "impossible", "wider"),
        (replace(WORLD, forget=300), {"min_evidence": "C"}, "possible", "less than 80 % probability on M"),
        (WORLD, {"margin_auc": 0.3, "margin_tpr": 0.2}, "likely", "at least 80 % probability"),
    ],
)
def test_the_outlook_says_why(world: World, settings: dict[str, Any], outlook: str, why: str) -> None:
    found = planned(world, 3, **settings)
    assert found.outlook == outlook and why in found.why, found.why


def test_in_a_random_draw_more_retrains_change_no_width() -> None:
    found = planned(replace(WORLD, seed_effect=0.0), declared="random")
    assert found.setting.random and found.outlook == "likely"
    for each in known(found):
        assert {projection.retrains for projection in each.projections} == {5}
    none = planned(replace(WORLD, seed_effect=0.0, retrains=1), declared="random", min_evidence="C")
    assert none.outlook == "impossible" or none.outlook == "likely"
    assert next(each for each in none.endpoints if each.name == "M").widths is not None


def test_usefulness_is_planned_from_the_retrains() -> None:
    found = {each.role: each for each in planned(replace(WORLD, forget=300, unseen=1500)).utility}
    assert set(found) == {"retain", "unseen"} and all(each.shown for each in found.values())
    rough = {each.role: each for each in planned(replace(WORLD, forget=300, unseen=60)).utility}
    assert not rough["unseen"].shown and rough["unseen"].half_width > 0.02
    assert planned(replace(WORLD, retrains=1)).utility == ()


def test_a_forgotten_class_is_planned_in_its_own_setting() -> None:
    outputs = ClassWorld(retrains=5).draw(4)
    found = project_reference(outputs, setting_of(outputs), Policy(min_evidence="C"))
    assert found.setting.of_class
    primary = {each.name for each in found.endpoints if each.role == "primary" and each.widths is not None}
    assert primary == {"M", "T", "L", "B"}
    assert {each.role for each in found.utility} == {"retain", "unseen"}


def test_the_candidate_is_not_in_the_plan() -> None:
    outputs = WORLD.draw(2).outputs()
    setting = setting_of(outputs)
    plain = project_reference(outputs, setting, Policy())
    assert outputs.original is not None
    for other in (outputs.candidate[::-1] + 3, outputs.retrain[0], outputs.original, np.zeros_like(outputs.candidate)):
        assert project_reference(replace(outputs, candidate=other), setting, Policy()) == plain
