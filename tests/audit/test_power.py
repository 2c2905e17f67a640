"""The planning table against verdict.md, section 9, and its honesty about what is out of reach."""

import pytest

from vestige.audit.planning.power import SizesPlan, plan
from vestige.audit.statistics.intervals import epsilon_of_margin
from vestige.learners.errors import ConfigError


@pytest.fixture(scope="module")
def small() -> SizesPlan:
    return plan(200, 1500, 5, seed=1, runs=40)


def test_a_plan_is_repeatable_and_counts_its_runs(small: SizesPlan) -> None:
    seen: list[tuple[int, int]] = []
    again = plan(200, 1500, 5, seed=1, runs=40, progress=lambda done, total: seen.append((done, total)))
    assert again == small and seen == [(run + 1, 40) for run in range(40)]
    assert plan(200, 1500, 5, seed=2, runs=40) != small
    assert (small.unseen_calibration, small.unseen_evaluation, small.grade) == (300, 1200, "B")


def test_every_profile_says_what_it_can_reach(small: SizesPlan) -> None:
    assert [one.profile for one in small.profiles] == ["strict", "standard", "screening"]
    rates = [one.pass_rate for one in small.profiles]
    assert rates == sorted(rates)  # type: ignore[type-var]
    for one in small.profiles:
        assert one.epsilon == epsilon_of_margin(one.margin_auc) and one.advantage == 2 * one.margin_auc
        for endpoint in small.endpoints:
            margin = one.margin_tpr if endpoint.name.startswith("T") else one.margin_auc
            assert endpoint.beyond is not None and endpoint.detect is not None
            assert one.fail_gap[endpoint.name] == pytest.approx(margin + endpoint.beyond)
            assert endpoint.beyond > endpoint.detect
    assert small.profiles[0].outlook == "unlikely" and "short of power on A1, A2, A3" in small.profiles[0].why


@pytest.mark.parametrize(("retrains", "unseen", "grade"), [(2, 2000, "S"), (4, 2000, "C"), (5, 1000, "C")])
def test_too_little_evidence_makes_a_pass_impossible(retrains: int, unseen: int, grade: str) -> None:
    planned = plan(100, unseen, retrains, seed=0, runs=20)
    assert planned.grade == grade and planned.runs == (0 if grade == "S" else 20)
    assert {one.outlook for one in planned.profiles} == {"impossible"}
    missing = {one.name for one in planned.endpoints if one.certify is None}
    assert missing == {"S": {"A1", "A2", "A3", "T1", "T2", "F1", "F2", "F3"}, "C": set()}[grade] | (
        {"T1", "T2"} if unseen == 1000 else set()
    )
    assert all(one.reason for one in planned.endpoints if one.certify is None)
    assert (
        planned.detectable_tpr is None if unseen == 1000 else planned.detectable_tpr == pytest.approx(0.0546, abs=1e-4)
    )


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((1, 1000, 5, 200), "forget: expected at least 2, got 1"),
        ((100, 5, 5, 200), "unseen: expected at least 10, got 5"),
        ((100, 1000, -1, 200), "retrains: expected at least 0, got -1"),
        ((100, 1000, 5, 3), "runs: expected at least 20, got 3"),
        ((10**6, 1000, 5, 200), "expected at most 500000 examples"),
        ((100, 1000, 101, 200), "expected at most 100, got 101"),
    ],
)
def test_sizes_that_make_no_audit_are_refused(sizes: tuple[int, int, int, int], message: str) -> None:
    forget, unseen, retrains, runs = sizes
    with pytest.raises(ConfigError, match=message):
        plan(forget, unseen, retrains, seed=0, runs=runs)


@pytest.mark.slow
def test_the_planning_table_for_a_thousand_forget_examples() -> None:
    planned = plan(1000, 10_000, 10, seed=3, runs=150)
    certify = {one.name: one.certify for one in planned.endpoints if one.primary}
    detect = {one.name: one.detect for one in planned.endpoints if one.primary}
    # The tables used all of U both for thresholds and evaluation; a fifth less costs a few per cent, as does the noise
    # of thresholds taken from U_cal. Relative tolerance 15 %.
    assert certify == pytest.approx({"A1": 0.023, "A2": 0.042, "A3": 0.033, "T1": 0.011, "T2": 0.011}, rel=0.15)
    assert {name: detect[name] for name in ("A1", "A2", "A3")} == pytest.approx(
        {"A1": 0.024, "A2": 0.044, "A3": 0.032}, rel=0.15
    )
    standard = planned.profiles[1]
    # Published .90 and .93; 150 runs have a standard error of .025.
    assert standard.pass_rate == pytest.approx(0.91, abs=0.09) and standard.outlook == "likely"
    assert planned.detectable_auc == pytest.approx(0.0271, abs=1e-3)
