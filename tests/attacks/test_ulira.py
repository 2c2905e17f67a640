"""U-LiRA: UL-01, UL-02 in the limit of Gaussians, UL-13; P11."""

import numpy as np
import pytest

from tests.attacks.gaussian_bank import bank
from vestige.attacks.arrays import NotEstimable
from vestige.attacks.metrics.roc import auc
from vestige.attacks.scores.lira import lira
from vestige.attacks.scores.lira_bank import lira_leave_pair_out
from vestige.attacks.scores.ulira import ulira, ulira_leave_pair_out
from vestige.learners.errors import DataError


@pytest.mark.parametrize("variance", ["fixed", "per_example", "shrunken"])
def test_ul_01_a_method_that_does_nothing_reproduces_lira_bit_for_bit(variance):
    values, member, _ = bank(16, 300, 1, shift=1.0, spread_of_sigma=0.4)
    targets = np.random.default_rng(2).normal(size=(3, 300))
    ours = ulira(targets, values, member, values, ~member, variance=variance)
    plain = lira(targets, values, member, variance=variance)
    assert np.array_equal(ours.scores, plain.scores) and ours.floored == plain.floored
    assert ours.variance == plain.variance == variance
    everywhere = ulira_leave_pair_out(values, member, values, ~member, variance=variance)
    assert np.allclose(everywhere.scores, lira_leave_pair_out(values, member, variance=variance).scores, atol=1e-9)


def forgotten_bank(shadows, examples, seed, residue):
    """A bank before and after a method that leaves this share of the shift."""
    values, member, sigma = bank(shadows, examples, seed, shift=2.0)
    return values, values - (1 - residue) * 2.0 * sigma * member, member


def test_ul_02_exact_forgetting_gives_one_half_and_a_residue_shows():
    areas = {}
    for residue in (0.0, 0.5):
        _, after, member = forgotten_bank(32, 5000, 3, residue)
        scores = ulira_leave_pair_out(after, member, after, ~member).scores
        areas[residue] = [auc(row[inside], row[~inside]) for row, inside in zip(scores, member, strict=True)]
    assert np.mean(areas[0.0]) == pytest.approx(0.5, abs=0.01)
    assert np.mean(areas[0.5]) > 0.68


@pytest.mark.parametrize("shadows", [12, 22, 130])
def test_ul_13_p11_null_scores_are_at_chance_since_nothing_is_scored_in_sample(shadows):
    values, member, _ = bank(shadows, 4000, 4)
    scores = ulira_leave_pair_out(values, member, values, ~member, variance="per_example").scores
    assert np.mean((scores > 0) == member) == pytest.approx(0.5, abs=0.01)
    with pytest.raises(DataError, match="got one equal to shadow 3; leave it out"):
        ulira(values[3:4], values, member, values, ~member)
    with pytest.raises(DataError, match="got one equal to shadow 3; leave it out"):
        lira(values[3:4], values, member)
    with pytest.raises(DataError, match="got one equal to shadow 3"):  # a bank keeps less precision than a target has
        lira(values[3:4], values.astype(np.float32), member)


def test_the_two_games_differ_in_who_stands_for_never_seen():
    before, after, member = forgotten_bank(64, 2000, 5, 0.5)
    after = after - 0.7 * ~member  # the method also pushes down what was never seen
    targets = np.random.default_rng(6).normal(0, 2, (1, 2000))
    privacy = ulira(targets, after, member, after, ~member).scores
    efficacy = ulira(targets, after, member, before, ~member).scores
    assert not np.allclose(privacy, efficacy)
    fewer = ulira(targets, after, member, before[:20], ~member[:20])  # as many shadows as there are of either kind
    assert np.isfinite(fewer.scores).all()


def test_what_cannot_be_meant_is_refused():
    values, member, _ = bank(8, 10, 7)
    targets = np.zeros((1, 10))
    with pytest.raises(DataError, match="forgotten by a shadow or never seen by it, got both"):
        ulira(targets, values, member, values, member)
    # As many retrained models as there are shadows, none of which ever saw anything: the efficacy game.
    assert ulira(targets, values, member, values - 1, np.ones_like(member)).scores.shape == (1, 10)
    with pytest.raises(DataError, match="never_saw: expected the 10 examples of the forgotten shadows, got 9"):
        ulira(targets, values, member, values[:, :9], ~member[:, :9])
    with pytest.raises(NotEstimable, match="2 UNLEARNED shadows"):
        ulira(targets, values, member & (np.arange(8) == 0)[:, None], values, ~member)
    with pytest.raises(DataError, match="pairs of shadows on both sides, got 8 and 6"):
        ulira_leave_pair_out(values, member, values[:6], ~member[:6])
