"""Every shadow as the target: LIRA-06, LIRA-08, LIRA-09, LIRA-11, LIRA-12; the count leak (P8)."""

import tracemalloc

import numpy as np
import pytest

from tests.attacks.gaussian_bank import bank
from vestige.attacks.arrays import NotEstimable
from vestige.attacks.metrics.roc import auc
from vestige.attacks.scores import gaussians
from vestige.attacks.scores.lira import lira
from vestige.attacks.scores.lira_bank import lira_leave_pair_out
from vestige.learners.errors import DataError


@pytest.mark.parametrize("form", ["online", "offline", "offline_two_sided"])
@pytest.mark.parametrize("variance", ["fixed", "per_example", "shrunken"])
def test_lira_09_downdating_equals_a_fit_without_the_pair(form, variance):
    values, member, _ = bank(16, 200, 1, shift=1.0, spread_of_sigma=0.5, level=5.0)
    ours = lira_leave_pair_out(values, member, form=form, variance=variance)
    for target in range(16):
        rest = np.ones(16, bool)
        rest[[target - target % 2, target - target % 2 + 1]] = False
        plain = lira(values[target : target + 1], values[rest], member[rest], form=form, variance=variance)
        assert np.allclose(ours.scores[target], plain.scores[0], rtol=1e-9, atol=1e-9)


def test_float32_in_float32_out_computed_in_float64():
    values, member, _ = bank(16, 200, 9, shift=1.0, level=5.0)
    narrow = values.astype(np.float32)
    ours = lira_leave_pair_out(narrow, member).scores
    assert ours.dtype == np.float32
    wide = lira_leave_pair_out(narrow.astype(np.float64), member).scores
    assert wide.dtype == np.float64 and np.array_equal(ours, wide.astype(np.float32))


def test_memory_is_that_of_input_and_output():
    random = np.random.default_rng(10)
    half = random.random((32, 100_000)) < 0.5
    member = np.stack([half, ~half], axis=1).reshape(64, -1)
    values = random.normal(size=member.shape).astype(np.float32)
    for attack, most in (
        (lambda: lira(values[:1] + 1, values, member), 0.6),
        (lambda: lira_leave_pair_out(values, member), 1.6),
    ):
        tracemalloc.start()
        attack()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < most * values.nbytes, peak / values.nbytes


def test_views_too():
    values, member, _ = bank(12, 60, 2, shift=1.0)
    other, _, _ = bank(12, 60, 3)
    both = lira_leave_pair_out(np.stack([values, other], 1), member, variance="per_example").scores
    apart = [lira_leave_pair_out(one, member, variance="per_example").scores for one in (values, other)]
    assert np.allclose(both, (apart[0] + apart[1]) / 2)


def test_lira_10_blocks_change_no_score(monkeypatch):
    values, member, _ = bank(12, 101, 4, shift=1.0)
    whole = {rule: lira_leave_pair_out(values, member, variance=rule).scores for rule in ("fixed", "shrunken")}
    monkeypatch.setattr(gaussians, "BLOCK_VALUES", 1)
    for rule, scores in whole.items():
        assert np.allclose(lira_leave_pair_out(values, member, variance=rule).scores, scores, atol=1e-9)


@pytest.mark.parametrize("shadows", [6, 8, 16, 32])
@pytest.mark.parametrize("variance", ["fixed", "per_example", "shrunken"])
@pytest.mark.parametrize("form", ["online", "offline"])
def test_lira_11_null_scores_give_one_half(shadows, variance, form):
    values, member, _ = bank(shadows, 20_000, 5, spread_of_sigma=0.5)
    scores = lira_leave_pair_out(values, member, form=form, variance=variance).scores
    areas = [auc(row[inside], row[~inside]) for row, inside in zip(scores, member, strict=True)]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.015)
    assert max(abs(area - 0.5) for area in areas) < 0.03


@pytest.mark.parametrize(("shadows", "golden"), [(8, 0.43), (16, 0.48), (32, 0.50)])
def test_lira_12_p8_with_the_complement_kept_noise_looks_like_a_leak(shadows, golden):
    values, member, _ = bank(shadows, 20_000, 6, spread_of_sigma=0.5)
    rest = np.arange(shadows) != 0
    assert auc(-member[rest].sum(0)[member[0]], -member[rest].sum(0)[~member[0]]) == 1.0  # the count alone
    scores = lira(values[:1], values[rest], member[rest], variance="per_example").scores[0]
    assert auc(scores[member[0]], scores[~member[0]]) == pytest.approx(golden, abs=0.02)


def test_lira_06_bank_02_only_complementary_pairs_in_order_are_taken():
    values, member, _ = bank(8, 20, 7)
    assert (member.sum(0) == 4).all()
    with pytest.raises(DataError, match="complement each other, got 2 pairs"):
        lira_leave_pair_out(values, member[[0, 2, 1, 3, 4, 5, 6, 7]])
    with pytest.raises(DataError, match="expected complementary pairs, got 7 models"):
        lira_leave_pair_out(values[:7], member[:7])
    with pytest.raises(NotEstimable, match="at least 6 shadows.*got 4"):
        lira_leave_pair_out(values[:4], member[:4])
    with pytest.raises(DataError, match="identical values"):
        lira_leave_pair_out(np.zeros((8, 20)), member)


def test_lira_08_golden_moments_of_an_example_without_model_0():
    """The table of LIRA-08 is no complementary design, so its numbers are those of a fit without model 0."""
    phi = np.array([[2.0, 0.5], [1.0, 1.5], [0.0, -0.5], [0.5, 2.5], [1.5, 0.0], [-0.5, 1.0], [2.5, 0.2], [0.2, 2.2]])
    member = np.array([[1, 0], [1, 1], [0, 0], [0, 1], [1, 0], [0, 0], [1, 1], [0, 1]], bool)
    scores = lira(phi[:1], phi[1:], member[1:], variance="per_example").scores[0]
    assert scores == pytest.approx([13.6678439486, -0.9790385179], abs=1e-9)


def test_more_shadows_tell_more():
    areas = []
    for shadows in (8, 16, 64):
        values, member, _ = bank(shadows, 10_000, 8, shift=1.0, spread_of_sigma=0.5)
        scores = lira_leave_pair_out(values, member, variance="shrunken").scores
        areas.append(np.mean([auc(row[inside], row[~inside]) for row, inside in zip(scores, member, strict=True)]))
    assert areas[0] < areas[1] < areas[2]
