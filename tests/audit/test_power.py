"""Plans from sizes alone: against audits of these sizes, and honest about what is out of reach."""

import numpy as np
import pytest

from vestige.audit.endpoints.endpoints import BY_NAME, measure
from vestige.audit.endpoints.readings import read
from vestige.audit.endpoints.scores import score
from vestige.audit.endpoints.simulation import World
from vestige.audit.planning.power import SettingPlan, plan
from vestige.audit.planning.widths import EndpointOutlook
from vestige.audit.policy import Policy
from vestige.audit.results.setting import CHOSEN, Setting
from vestige.audit.statistics.intervals import gap_error
from vestige.learners.errors import ConfigError

RANDOM = Setting("random", "known")


def of(forget: int, unseen: int, retrains: int, setting: str, policy: Policy | None = None) -> SettingPlan:
    found = plan(forget, unseen, retrains, policy=policy or Policy())
    return next(each for each in found.settings if each.setting == setting)


def endpoint(planned: SettingPlan, name: str) -> EndpointOutlook:
    return next(each for each in planned.endpoints if each.name == name)


@pytest.mark.parametrize("setting", [RANDOM, CHOSEN])
def test_a_perfect_candidate_certifies_the_margin_in_four_of_five_audits(setting: Setting) -> None:
    """120 worlds of 300 forget and 1,500 unseen examples, K = 5; a share of .8 has a standard error of .037."""
    planned, held = of(300, 1500, 5, setting.name), {"M": 0, "S": 0, "T": 0}
    for seed in range(120):
        outputs = World(forget=300, unseen=1500, retrains=5, original=None, classes=1).draw(seed).outputs()
        scores = score(read(outputs, setting, range(5), 0.2))
        for each in measure(scores, Policy(), [BY_NAME[name] for name in held]):
            gap = each.gap(0) if each.definition.sides == "upper" else abs(each.gap(0))
            widths = endpoint(planned, each.name).widths
            assert widths is not None
            held[each.name] += gap + each.error(0).half_width(0.05) <= widths.plan_width
    # At least what is promised; paired errors make M and S of a chosen set narrower than sizes alone can know.
    assert all(count / 120 >= 0.8 - 3 * 0.037 for count in held.values()), held
    assert all(count / 120 <= 0.99 for count in held.values()) or setting is CHOSEN, held


def test_the_gap_that_fails_fails_in_four_of_five_audits() -> None:
    """By simulation of M: K = 5 retrains and the candidate ~ N(0, s), the candidate moved by the gap, Bonferroni's
    first step over the five weights of the family. The interval's own spread makes .8 about .75."""
    random, k, spread = np.random.default_rng(5), 5, np.sqrt(1 + 0.5**2)
    error = endpoint(of(1000, 5000, k, "chosen"), "M").example_error
    widths = endpoint(of(1000, 5000, k, "chosen"), "M").widths
    assert error is not None and widths is not None
    draws = random.normal(0, spread * error, (4000, k + 1))
    rejected = 0
    for *retrains, candidate in draws:
        found = gap_error(error, float(np.std(retrains, ddof=1)), 1.0, k, 1.0)
        p = found.p_value(candidate + widths.fail_gap, 0.05, "two")
        rejected += p <= 0.05 / 5
    assert 0.7 <= rejected / 4000 <= 0.87


@pytest.mark.parametrize(
    ("sizes", "required"),
    [
        ((1000, 5000, 5), {"M", "S", "T"}),
        ((400, 4000, 5), {"M"}),
        ((1000, 5000, 0), {"M", "T"}),
        ((2000, 950, 5), {"M", "S"}),
    ],
)
def test_what_pass_requires_follows_from_the_sizes(sizes: tuple[int, int, int], required: set[str]) -> None:
    planned = of(*sizes, "random")
    assert {each.name for each in planned.endpoints if each.role == "primary"} == required
    assert planned.grade == ("B" if required == {"M", "S", "T"} else "C")
    for each in planned.endpoints:
        assert (each.widths is None) == bool(each.reason)


def test_more_examples_and_retrains_never_make_an_interval_wider() -> None:
    for setting in ("random", "chosen"):
        for name in ("M", "S", "T"):
            for grow in ([(500, 3000, k) for k in (2, 3, 5, 10)], [(n, 6 * n, 5) for n in (500, 1000, 2000)]):
                widths = [endpoint(of(*sizes, setting), name).widths for sizes in grow]
                known = [each.half_width for each in widths if each is not None]
                assert known == sorted(known, reverse=True), (setting, name)


@pytest.mark.parametrize(
    ("sizes", "settings", "setting", "outlook", "why"),
    [
        ((1000, 5000, 1), {}, "chosen", "impossible", "PASS needs at least 3 retrains, or a random draw"),
        ((400, 4000, 10), {}, "chosen", "impossible", "grade C, the policy requires B: S, T not judged at these sizes"),
        (
            (2000, 10_000, 4),
            {},
            "chosen",
            "impossible",
            "grade C, the policy requires B: more retrains or shadows needed",
        ),
        ((2000, 10_000, 4), {}, "random", "likely", "at least 80 % probability"),
        ((2000, 10_000, 4), {"min_evidence": "A"}, "random", "impossible", "grade B, the policy requires A"),
        ((50, 500, 10), {"min_evidence": "C"}, "chosen", "impossible", "interval wider than the margin on M"),
        ((400, 4000, 3), {"min_evidence": "C"}, "chosen", "possible", "M with less than 80 % probability"),
    ],
)
def test_the_outlook_says_why(
    sizes: tuple[int, int, int], settings: dict[str, object], setting: str, outlook: str, why: str
) -> None:
    planned = of(*sizes, setting, Policy.of(settings))
    assert planned.outlook == outlook and why in planned.why


def test_a_seed_effect_costs_precision_where_the_set_was_chosen_alone() -> None:
    small, large = (plan(1000, 5000, 5, seed_spread=spread, policy=Policy()) for spread in (0.0, 2.0))
    assert small.settings[0] == large.settings[0]
    for before, after in zip(small.settings[1].endpoints, large.settings[1].endpoints, strict=True):
        assert before.widths is not None and after.widths is not None
        assert after.widths.half_width > 1.5 * before.widths.half_width
    assert [each.profile for each in plan(1000, 5000, 5).settings] == 2 * ["strict", "standard", "screening"]


@pytest.mark.parametrize(
    ("sizes", "spread", "message"),
    [
        ((1, 1000, 5), 0.5, "forget: expected 2 to"),
        ((100, 5, 5), 0.5, "unseen: expected 10 to"),
        ((100, 1000, -1), 0.5, "retrains: expected 0 to"),
        ((10**12, 1000, 5), 0.5, "forget: expected 2 to"),
        ((100, 1000, 5), -1.0, "seed spread: expected 0 or more"),
        ((100, 1000, 5), float("nan"), "seed spread: expected 0 or more"),
    ],
)
def test_sizes_that_make_no_audit_are_refused(sizes: tuple[int, int, int], spread: float, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(*sizes, seed_spread=spread)
