"""How often the rule gives which verdict on candidates whose truth is known: every case of the specification, seeded.

A few worlds each in ``make test``, twenty and more in ``make test-long``; every bound follows their number.
"""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.stats import binom

from tests.audit.worlds import CASES, CLASS_CASES, SY, ClassWorld, Make, of, verdict_on
from vestige.audit.endpoints.setting import Declared
from vestige.audit.endpoints.simulation import constant, memorised
from vestige.audit.policy import Policy

pytestmark = pytest.mark.slow
SURE = 0.0033
"""Probability of a count as far out as a bound allows."""


def runs(short: int, long: int) -> pytest.MarkDecorator:
    """The same assertion on few worlds in ``make test`` and on many in ``make test-long``."""
    return pytest.mark.parametrize("runs", [short, pytest.param(long, marks=pytest.mark.long)])


@dataclass(frozen=True)
class Rates:
    """Counts over ``runs`` worlds: of outcomes, and of outcomes with each reason."""

    runs: int
    outcomes: Counter[str]
    reasons: Counter[str]

    def at_least(self, outcome: str, rate: float) -> None:
        """Fail when so few of these would have probability ``SURE`` or less at this rate."""
        assert self.outcomes[outcome] >= self.runs - binom.isf(SURE, self.runs, 1 - rate), self

    def at_most(self, outcome: str, rate: float) -> None:
        """Fail when so many of these would have probability ``SURE`` or less at this rate."""
        assert self.outcomes[outcome] <= binom.isf(SURE, self.runs, rate), self

    def never(self, outcome: str) -> None:
        """Fail when there was any."""
        assert not self.outcomes[outcome], self

    def always(self, outcome: str, *reasons: str) -> None:
        """Fail unless every world had this outcome and all of these reasons."""
        assert self.outcomes == {outcome: self.runs}, self
        assert all(self.reasons[reason] == self.runs for reason in reasons), self


def rates(make: Make, runs: int, declared: Declared | None = None, policy: Policy | None = None) -> Rates:
    """The verdicts on the candidate of so many worlds."""
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for seed in range(1000, 1000 + runs):
        verdict = verdict_on(make(seed), declared, policy)[1]
        outcomes[verdict.outcome] += 1
        reasons.update(verdict.codes)
    return Rates(runs, outcomes, reasons)


SETTINGS: tuple[Declared | None, ...] = (None, "random")
HONEST = ("honest", "honest x.2", "honest x5", "smoothed", "others of the original")
FAILING: dict[str, tuple[str, float]] = {
    # reason that is never missing where it FAILs, and rate of FAIL at least
    "tail": ("LEAK", 0.6),
    "tail x.2": ("LEAK", 0.6),
    "like the original": ("LEAK", 0.99),
    "nearly the original": ("LEAK", 0.99),
    "half of every memory": ("LEAK", 0.99),
    "over-forgetting": ("OVER_FORGET", 0.99),
    "scatter": ("TRACE", 0.99),
    "others permuted": ("TRACE", 0.99),
    "squeezed": ("TRACE", 0.9),
    "rounded": ("TRACE", 0.99),
}


@pytest.mark.parametrize("declared", SETTINGS)
@pytest.mark.parametrize("case", HONEST)
@runs(6, 24)
def test_an_honest_candidate_passes(case: str, declared: Declared | None, runs: int) -> None:
    found = rates(CASES[case], runs, declared)
    found.never("FAIL")
    found.at_least("PASS", 0.85)  # 17 of 20 in the specification


@runs(8, 60)
def test_honest_scores_without_classes_do_not_fail(runs: int) -> None:
    """Losses have long tails, and a few retrains may agree by chance: neither may fail an honest candidate."""
    found = rates(of(replace(SY, classes=1)), runs)
    found.at_most("FAIL", 0.01)
    found.at_least("PASS", 0.6)


@pytest.mark.parametrize("declared", SETTINGS)
@pytest.mark.parametrize("case", FAILING)
@runs(6, 24)
def test_what_is_left_fails_and_never_passes(case: str, declared: Declared | None, runs: int) -> None:
    reason, rate = FAILING[case]
    found = rates(CASES[case], runs, declared)
    found.never("PASS")
    found.at_least("FAIL", rate)
    assert found.reasons[reason] == found.outcomes["FAIL"], found


@pytest.mark.parametrize("case", ["tail", "half of every memory", "honest"])
@runs(4, 20)
def test_a_temperature_changes_no_world(case: str, runs: int) -> None:
    for seed in range(runs):
        outputs = CASES[case](seed)
        plain, cold = (verdict_on(replace(outputs, candidate=outputs.candidate * t))[1] for t in (1.0, 0.2))
        assert (plain.outcome, plain.reasons) == (cold.outcome, cold.reasons)


@pytest.mark.parametrize("declared", SETTINGS)
@pytest.mark.parametrize("case", ["no-op and unseen memorised", "half of both"])
@runs(6, 24)
def test_a_candidate_that_knows_the_unseen_examples_is_not_judged_by_them(
    case: str, declared: Declared | None, runs: int
) -> None:
    found = rates(CASES[case], runs, declared)
    found.never("FAIL")
    if case == "half of both":  # 58 of 60 when measured
        found.at_most("PASS", 0.03)
    else:
        found.always("INCONCLUSIVE", "UNSEEN")


@pytest.mark.parametrize("declared", SETTINGS)
@runs(6, 24)
def test_a_fifth_of_every_memory_is_at_the_margin(declared: Declared | None, runs: int) -> None:
    found = rates(CASES["a fifth of every memory"], runs, declared)
    found.at_most("PASS", 0.05)
    found.at_least("INCONCLUSIVE", 0.6)


@runs(6, 24)
def test_retrains_that_saw_part_of_the_forget_set(runs: int) -> None:
    """Found where the forget set is a random draw; elsewhere it is no more than a note that it differs by nature."""
    rates(CASES["the same half"], runs, "random").always("INCONCLUSIVE", "REFERENCE")
    evidence, verdict = verdict_on(CASES["the same half"](1000))
    assert any(check.rejects for check in evidence.reference.checks)
    assert any(note.startswith("UNLIKE_UNSEEN: ") for note in verdict.notes)


@runs(4, 20)
@pytest.mark.parametrize("case", CLASS_CASES)
def test_a_forgotten_class(case: str, runs: int) -> None:
    found = rates(lambda seed: ClassWorld().draw(seed, CLASS_CASES[case]), runs)
    if case.startswith("fresh"):
        found.never("FAIL")
        found.at_least("PASS", 0.8)
    else:
        found.always("FAIL", "TRACE" if case.startswith("masked") else "LEAK")


@pytest.mark.parametrize(
    ("forget", "unseen", "retrains", "declared", "honest"),
    [
        (400, 4000, 0, "random", 0.85),
        (400, 4000, 3, "random", 0.84),
        (1000, 5000, 1, "random", 0.92),
        (400, 4000, 5, None, 0.55),
        (1000, 5000, 3, None, 0.5),
    ],
)
@runs(8, 40)
def test_rates_by_size_and_retrains(
    forget: int, unseen: int, retrains: int, declared: Declared | None, honest: float, runs: int
) -> None:
    """As the specification's table of rates by n and K: honest PASS at least that often, and no FAIL at all."""
    world = replace(SY, forget=forget, unseen=unseen, retrains=retrains)
    policy = Policy(min_evidence="C")
    found = rates(of(world), runs, declared, policy)
    found.never("FAIL")
    found.at_least("PASS", honest)
    leak = rates(of(replace(world, candidate=memorised(0.75))), runs, declared, policy)
    leak.never("PASS")


@pytest.mark.parametrize("declared", SETTINGS)
@runs(10, 60)
def test_a_candidate_at_the_margin_rarely_passes(declared: Declared | None, runs: int) -> None:
    """A true gap just beyond .05 on M: false PASS at most the policy's 5 %."""
    found = rates(of(replace(SY, candidate=constant(0.33))), runs, declared)
    gaps = []
    for seed in range(20):
        evidence = verdict_on(replace(SY, candidate=constant(0.33)).draw(seed).outputs(), declared)[0]
        gaps.append(evidence.endpoints[0].gap)
    assert np.mean(gaps) > 0.05  # the candidate is what it is said to be
    found.at_most("PASS", 0.05)


@runs(4, 20)
def test_controls_do_not_turn_an_honest_audit_into_none(runs: int) -> None:
    for seed in range(runs):
        evidence, verdict = verdict_on(CASES["honest"](seed), controls=True)
        assert evidence.controls is not None and not evidence.controls.accused
        assert verdict.outcome != "FAIL"
