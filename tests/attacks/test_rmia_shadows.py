"""RMIA on a bank: against its definition, at chance on noise (P8), with unequal counts (RMIA-07), nothing tuned."""

import numpy as np
import pytest
from scipy.special import expit

from tests.attacks.gaussian_bank import bank
from vestige.attacks.arrays import NotEstimable
from vestige.attacks.metrics.roc import auc
from vestige.attacks.scores.rmia_shadows import rmia_leave_pair_out, rmia_shadows
from vestige.learners.errors import ConfigError, DataError


def by_definition(target, values, member, calibration, form, a, gamma):
    """The outer comparison of ratios."""
    p = expit(values)
    out = np.array([p[~member[:, i], i].mean() for i in range(p.shape[1])])
    if form == "offline":
        expected = ((1 + a) * out + 1 - a) / 2
    else:
        expected = (out + np.array([p[member[:, i], i].mean() for i in range(p.shape[1])])) / 2
    ratio = expit(target) / expected
    return (ratio[:, None] / ratio[calibration][None] > gamma).mean(1)


@pytest.mark.parametrize("form", ["online", "offline"])
@pytest.mark.parametrize("gamma", [1.0, 1.3])
def test_rmia_06_07_equals_the_outer_comparison_with_unequal_counts(form, gamma):
    values = bank(14, 400, 1, shift=1.0)[0][:13]
    member = np.random.default_rng(2).random((13, 400)) < 0.4
    member[0], member[1] = True, False
    calibration = np.arange(400) % 3 == 0
    target = np.random.default_rng(3).normal(0, 2, 400)
    ours = rmia_shadows(target[None], values, member, calibration, form=form, gamma=gamma)[0]
    plain = by_definition(target, values, member, calibration, form, 0.3, gamma)
    assert np.abs(ours - plain).max() <= 1 / calibration.sum() + 1e-12
    assert (ours != plain).mean() < 0.01  # division on one side or the other may round a tie


@pytest.mark.parametrize("form", ["online", "offline"])
def test_every_shadow_is_scored_without_its_pair(form):
    values, member, _ = bank(10, 300, 4, shift=1.0)
    calibration = np.arange(300) % 2 == 0
    ours = rmia_leave_pair_out(values, member, calibration, form=form)
    for target in range(10):
        rest = [k for k in range(10) if k // 2 != target // 2]
        peers = calibration & ~member[target]
        plain = rmia_shadows(values[target : target + 1], values[rest], member[rest], peers, form=form)
        assert np.abs(ours[target] - plain[0]).max() <= 1 / peers.sum() + 1e-12


@pytest.mark.parametrize("shadows", [4, 8, 32])
@pytest.mark.parametrize("form", ["online", "offline"])
def test_null_scores_give_one_half_whatever_the_number_of_shadows(shadows, form):
    values, member, _ = bank(shadows, 20_000, 5)
    calibration = np.arange(20_000) % 5 == 0
    scores = rmia_leave_pair_out(values, member, calibration, form=form)
    judged = ~calibration
    areas = [auc(row[inside & judged], row[~inside & judged]) for row, inside in zip(scores, member, strict=True)]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.015)


def test_members_score_higher_and_views_are_averaged():
    values, member, _ = bank(16, 3000, 6, shift=2.0, level=0.5)
    calibration = np.arange(3000) % 5 == 0
    scores = rmia_leave_pair_out(values, member, calibration)
    assert np.mean([auc(row[inside], row[~inside]) for row, inside in zip(scores, member, strict=True)]) > 0.8
    two = np.stack([values, values[:, ::1]], axis=1)
    assert np.allclose(rmia_leave_pair_out(two, member, calibration), scores)


def test_rmia_05_08_hostile_settings_and_numbers():
    values, member, _ = bank(8, 40, 7)
    calibration = np.arange(40) < 20
    extreme = np.where(values > 0, 2000.0, -2000.0)
    for form in ("online", "offline"):
        scores = rmia_leave_pair_out(extreme, member, calibration, form=form, a=1.0)
        assert np.isfinite(scores).all() and scores.min() >= 0 and scores.max() <= 1
    with pytest.raises(ConfigError, match="a: expected a number in .0, 1. fixed before the candidate is seen"):
        rmia_shadows(np.zeros((1, 40)), values, member, calibration, a=np.array([0.1, 0.2]))
    with pytest.raises(ConfigError, match="form: expected one of online, offline"):
        rmia_shadows(np.zeros((1, 40)), values, member, calibration, form="auto")
    missing = member.copy()
    missing[:, 5] = True
    with pytest.raises(NotEstimable, match="an OUT shadow for each example, got none for 1"):
        rmia_shadows(np.zeros((1, 40)), values, missing, calibration)
    with pytest.raises(NotEstimable, match="an IN shadow for each example, got none for 1"):
        rmia_shadows(np.zeros((1, 40)), values, ~missing, calibration)
    with pytest.raises(DataError, match="calibration examples that the target was not trained on"):
        rmia_leave_pair_out(values, member, np.arange(40) == np.flatnonzero(member[0])[0])
