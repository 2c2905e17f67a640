"""How often the rule gives which verdict, against the tables of verdict.md, sections 5 and 10, with stated bounds."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from vestige.audit.endpoints.decisions import fail_test
from vestige.audit.endpoints.endpoints import Measured, measure
from vestige.audit.endpoints.scores import score, score_phi
from vestige.audit.endpoints.simulation import World, constant, memorised, none
from vestige.audit.policy import Policy
from vestige.audit.statistics import intervals
from vestige.audit.verdict.evidence import gather
from vestige.audit.verdict.rule import decide

pytestmark = pytest.mark.slow

Floats = NDArray[np.float64]
Change = Callable[[Floats], None]
STANDARD = World()


def runs(short: int, long: int) -> pytest.MarkDecorator:
    """The same assertion on few tables in ``make test`` and on many in ``make test-long``; every bound follows them."""
    return pytest.mark.parametrize("runs", [short, pytest.param(long, marks=pytest.mark.long)])


TABLE_RUNS = 100
"""Runs behind each published rate; its Monte Carlo error adds to the test's own."""


@dataclass(frozen=True)
class Rates:
    """Counts over ``runs`` tables: of outcomes, and of outcomes with each reason."""

    runs: int
    outcomes: Counter[str]
    reasons: Counter[str]

    def near(self, outcome: str, rate: float) -> None:
        """Fail unless the share of ``outcome`` is within 3.3 standard errors of a published rate."""
        spread = max(rate * (1 - rate), 0.01) * (1 / self.runs + 1 / TABLE_RUNS)
        assert abs(self.outcomes[outcome] / self.runs - rate) <= 3.3 * np.sqrt(spread), self

    def at_most(self, outcome: str, rate: float) -> None:
        """Fail when ``outcome`` came so often that it would have probability .03 or less at this rate."""
        assert self.outcomes[outcome] <= binom.isf(0.03, self.runs, rate), self

    def at_least(self, reached: int, rate: float) -> None:
        """Fail when as few tables as were ``reached`` would have probability .0033 or less at this rate."""
        assert reached >= self.runs - binom.isf(0.0033, self.runs, 1 - rate), (reached, self)

    def always(self, outcome: str, *reasons: str) -> None:
        """Fail unless every table had this outcome and all of these reasons."""
        assert self.outcomes == {outcome: self.runs}, self
        assert all(self.reasons[reason] == self.runs for reason in reasons), self


def _measured(world: World, run: int) -> tuple[Measured, ...]:
    table, k = world.draw(run), world.retrains
    forget, rows = table.role == "forget", slice(0, world.forget + world.unseen)
    logits = table.logits[:, rows]
    scores = score(logits[:k], logits[k:], table.labels[rows], forget[rows], 0.2, run)
    return measure(scores, 0.01, paired=False)


def _rates(world: World, runs: int, change: Change | None = None, policy: Policy | None = None) -> Rates:
    policy = policy or Policy()
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for run in range(runs):
        table = world.draw(1000 + run)
        if change is not None:
            change(table.phi)
        verdict = decide(gather(table.outputs(), policy, plots=False), policy)
        outcomes[verdict.outcome] += 1
        reasons.update(verdict.reasons)
    return Rates(runs, outcomes, reasons)


@runs(30, 60)
def test_vd_14_rate_of_a_fresh_retrain(runs: int) -> None:
    rates = _rates(STANDARD, runs)
    rates.near("PASS", 0.96)
    assert rates.outcomes["FAIL"] == 0


@runs(40, 80)
def test_vd_14_rate_of_a_fresh_retrain_with_five_retrains(runs: int) -> None:
    rates = _rates(replace(STANDARD, forget=1000, retrains=5), runs)
    rates.near("PASS", 0.70)
    assert rates.outcomes["FAIL"] == 0


@runs(20, 40)
def test_vd_15_rate_of_a_copy(runs: int) -> None:
    def copy(phi: Floats) -> None:
        phi[10] = phi[0]

    _rates(STANDARD, runs, copy).near("PASS", 0.99)


@runs(8, 15)
def test_vd_16_17_rates_of_leaks(runs: int) -> None:
    _rates(replace(STANDARD, candidate=memorised(1.5)), runs).always("FAIL", "LEAK")
    _rates(replace(STANDARD, candidate=memorised(0.75)), runs).always("FAIL", "LEAK")


@runs(30, 60)
def test_vd_18_rate_of_a_small_shift(runs: int) -> None:
    rates = _rates(replace(STANDARD, candidate=constant(0.13)), runs)
    rates.near("PASS", 0.28)
    rates.at_most("FAIL", 0.05)  # alpha


@runs(10, 20)
def test_vd_19_rates_of_overshooting(runs: int) -> None:
    _rates(replace(STANDARD, candidate=constant(-1.5)), runs).always("FAIL", "OVER_FORGET", "SCATTER", "TAIL")
    inverted = _rates(STANDARD, runs, lambda phi: np.negative(phi[10, :2000], out=phi[10, :2000]))
    inverted.always("FAIL", "SCATTER", "TAIL")
    assert inverted.reasons["OVER_FORGET"] == 0


@runs(10, 20)
def test_vd_20_rate_of_everything_inverted(runs: int) -> None:
    world = replace(STANDARD, retain=500)
    rates = _rates(world, runs, lambda phi: np.negative(phi[10], out=phi[10]))
    rates.always("FAIL", "UTILITY")
    # What the attacks alone say is PASS, at the retrain's rate: no other reason.
    assert sum(rates.reasons.values()) - runs <= runs // 5, rates


@runs(8, 15)
def test_vd_21_rate_of_two_directions(runs: int) -> None:
    def halves(random: np.random.Generator, n: int) -> Floats:
        return np.where(np.arange(n) % 2, 1.5, -1.5)

    _rates(replace(STANDARD, candidate=halves), runs).always("FAIL", "SCATTER")


@runs(25, 50)
def test_vd_22_rate_of_a_few_exposed(runs: int) -> None:
    def few(random: np.random.Generator, n: int) -> Floats:
        return np.where(np.arange(n) < n // 20, 4.0, 0.0)

    rates = _rates(replace(STANDARD, candidate=few), runs)
    rates.at_least(rates.outcomes["FAIL"], 0.98)
    rates.at_least(rates.reasons["TAIL"] + rates.reasons["SCATTER"], 0.98)
    assert rates.outcomes["PASS"] == 0


def test_vd_23_rates_with_a_hundred_examples() -> None:
    world = replace(STANDARD, forget=100, unseen=100, retrains=5)
    for policy in (Policy(), Policy(min_evidence="C")):
        rates = _rates(world, 100, policy=policy)
        assert rates.outcomes["PASS"] == 0, rates
        # A hundred unseen examples say little about accuracy either; no attack may fail a retrain here.
        assert rates.outcomes["FAIL"] == rates.reasons["UTILITY"] <= 8, rates
    leaky, primary = replace(world, candidate=memorised(1.5)), 0
    for run in range(100):
        measured = [one for one in _measured(leaky, 1000 + run) if one.definition.primary]
        primary += min(p.holm for p in fail_test(measured, 0, Policy()).values()) <= 0.05
    # Published .88 (300 runs) for the family of A1 to A3, with U used whole; here a fifth of U only calibrates.
    assert primary >= 75
    leaks = _rates(leaky, 100)
    # The endpoints that can only cause FAIL double the family, and in two classes they see nothing new.
    assert leaks.outcomes["FAIL"] >= 60 and leaks.outcomes["PASS"] == 0, leaks


@runs(8, 15)
def test_vd_25_27_rates_without_assay_sensitivity(runs: int) -> None:
    contaminated = replace(STANDARD, retrain=memorised(1.5), candidate=memorised(1.5))
    for world in (contaminated, replace(STANDARD, original=none)):
        _rates(world, runs).always("INCONCLUSIVE", "NO_ASSAY_SENSITIVITY")


@runs(8, 15)
def test_vd_26_rate_of_a_harder_forget_set(runs: int) -> None:
    world = replace(STANDARD, forget_difficulty=-0.6459, candidate=constant(0.6459))
    _rates(world, runs).always("FAIL", "LEAK")


@runs(25, 50)
def test_vd_36_rate_of_a_residue(runs: int) -> None:
    rates = _rates(replace(STANDARD, candidate=memorised(0.15)), runs)
    rates.near("PASS", 0.12)
    rates.near("INCONCLUSIVE", 0.88)
    rates.at_most("FAIL", 0.01)


CELL = World(forget=500, unseen=2500, retrains=5, original=None)
RUNS = 300


@pytest.fixture(scope="module", params=[0.0, 0.05, 0.15])
def null_runs(request: pytest.FixtureRequest) -> list[tuple[Measured, ...]]:
    """The endpoints of fresh retrains judged against five others, for one strength of the seed effect."""
    world = replace(CELL, seed_effect=request.param)
    measured = []
    for run in range(RUNS):
        measured.append(_measured(world, run))
    return measured


def test_st_19_coverage(null_runs: list[tuple[Measured, ...]]) -> None:
    covered: Counter[str] = Counter()
    for run in null_runs:
        for one in (each for each in run if each.in_force):
            covered[one.definition.name] += abs(one.gap(0)) <= intervals.half_width(one.spread or 0.0, 5, 0.05)
    # 300 runs: 3.3 standard errors of .90 are .057. A2 is known to over-cover.
    for name in ("A1", "A3", "T1", "T2", "F2", "F3"):
        assert covered[name] / RUNS == pytest.approx(0.90, abs=0.057), (name, covered)
    assert 0.90 - 0.02 <= covered["A2"] / RUNS <= 0.97, covered


def test_st_21_twins_rarely_fail(null_runs: list[tuple[Measured, ...]]) -> None:
    for policy, bound in ((Policy(), 0.0695), (Policy(margin_auc=1e-9, margin_tpr=1e-9), 0.05 + 3.3 * 0.0126)):
        failed = sum(min(p.holm for p in fail_test(run, 0, policy).values()) <= 0.05 for run in null_runs)
        assert failed / RUNS <= bound, (policy.margin_auc, failed)


def test_st_20_the_interval_from_examples_alone_misses() -> None:
    world, low, high = replace(CELL, unseen=500, seed_effect=0.15), 0, 0
    for run in range(RUNS):
        table = world.draw(run)
        scores = score_phi(table.phi, 5, table.labels, table.role == "forget", 0.2, run)
        a1 = measure(scores, 0.01)[0]
        width = 1.6448536 * (a1.example_error(0) or 0.0)
        low, high = low + (a1.gap(0) < -width), high + (a1.gap(0) > width)
    # Nominal .05 a side; measured .27 and .25 with all of U evaluated.
    assert min(low, high) / RUNS >= 0.20, (low, high)
