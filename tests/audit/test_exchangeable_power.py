"""The planning table of the second mode: worked values, and simulated audits that keep what it promises."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import norm

from vestige.audit.cli.main import cli
from vestige.audit.endpoints.scores import calibration_rows
from vestige.audit.endpoints.simulation import World, constant
from vestige.audit.exchangeable.decisions import Sizes
from vestige.audit.exchangeable.measurement import judge_phi
from vestige.audit.exchangeable.power import fail_gap, half_width, pass_probability, plan_exchangeable
from vestige.audit.policy import Policy, profile

POLICY = profile("standard")
WORLD = World(forget=500, unseen=2500, retrains=1, seed_effect=0.0, difficulty=0.0)
SIZES = Sizes(500, 2000)


def test_worked_values() -> None:
    error = np.sqrt(2501 / (12 * 500 * 2000))
    assert half_width("X1", SIZES, POLICY) == pytest.approx(1.6448536 * error)
    assert fail_gap("X2", SIZES, POLICY, 5) == pytest.approx(0.05 + (2.5758293 + 0.8416212) * error)
    tail = np.sqrt(0.03 * 0.97 / 500 + 0.01 * 0.99 / 2000)
    assert half_width("Y2", SIZES, POLICY) == pytest.approx(1.6448536 * tail)
    planned = plan_exchangeable(500, 2500, 1)
    assert (planned.unseen_evaluation, planned.grade) == (2000, "C")
    assert planned.endpoints[1].certify == pytest.approx((1.6448536 + 1.2815516) * error)
    rates = {one.profile: one.pass_rate for one in planned.profiles}
    assert rates["strict"] is not None and rates["screening"] is not None and rates["strict"] < rates["screening"]


def test_nothing_passes_without_a_model_and_tails_need_unseen_examples() -> None:
    none = plan_exchangeable(500, 2500, 0)
    assert none.grade == "S" and {one.pass_rate for one in none.profiles} == {None}
    assert [one.name for one in none.endpoints if one.certify is not None] == ["X1"]
    few = plan_exchangeable(500, 600, 2)
    assert [one.reason[:5] for one in few.endpoints] == ["", "", "", "needs", "needs"]


def test_pass_rate_and_fail_gap_hold_in_simulated_audits_simulation() -> None:
    """200 perfect candidates and 200 whose X2 is at the gap that FAILs with 80 % (standard error of a share .03)."""
    policy = Policy(min_evidence="C", margin_auc=0.05, margin_tpr=0.02)
    within = dict.fromkeys(("X1", "X2", "X3", "Y2", "Y3"), 0)
    gap = fail_gap("X2", SIZES, policy, 5)
    # Two models' difference is N(0, 2): a shift d gives X2 = Phi(d / 2).
    leaking = replace(WORLD, candidate=constant(float(2 * norm.ppf(0.5 + gap))))
    caught, gaps = 0, []
    for seed in range(200):
        for world in (WORLD, leaking):
            table = world.draw(seed)
            forget = table.role == "forget"
            calibration = calibration_rows(table.labels, ~forget, 0.2, seed)
            rows = (table.labels, forget, calibration)
            found = {one.name: one for one in judge_phi(table.phi[1], table.phi[:1], None, *rows, policy).endpoints}
            if world is WORLD:
                for name in within:
                    within[name] += found[name].decision == "within"
            else:
                gaps.append(found["X2"].gap)
                # Holm's first step: what this endpoint alone achieves.
                caught += (found["X2"].p_value or 0.0) <= policy.alpha / 5
    assert np.mean([one or 0.0 for one in gaps]) == pytest.approx(gap, abs=0.003)
    assert caught / 200 == pytest.approx(0.8, abs=0.09)
    for name, count in within.items():
        slack = 0.09 if name.startswith("X") else 0.15  # few caught examples: the share is a lumpy one
        assert count / 200 == pytest.approx(pass_probability(name, SIZES, policy), abs=slack), name


@pytest.mark.parametrize("retrains", ["0", "1", "2"])
def test_the_command_keeps_the_main_rule_s_word_and_adds_the_table(retrains: str) -> None:
    arguments = ["plan", "--forget", "1000", "--unseen", "10000", "--retrains", retrains]
    said = CliRunner().invoke(cli, arguments, standalone_mode=False).output
    assert "PASS needs at least 3 retrains" in said.replace("\n", " ") and "exchangeable = true" in said
    record = json.loads(CliRunner().invoke(cli, [*arguments, "--json"], standalone_mode=False).output)
    assert record["exchangeable"]["references"] == int(retrains)
    many = CliRunner().invoke(cli, [*arguments[:-1], "3", "--runs", "20", "--json"], standalone_mode=False).stdout
    assert "exchangeable" not in json.loads(many[many.index("{") :])
