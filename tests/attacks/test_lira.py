"""LiRA against closed forms and SciPy: LIRA-01 to LIRA-05, LIRA-07, LIRA-10, LIRA-14 to LIRA-17; P2, P16 to P18."""

import numpy as np
import pytest
from scipy.stats import norm, rankdata

from tests.attacks.gaussian_bank import bank
from vestige.attacks.arrays import NotEstimable
from vestige.attacks.metrics.roc import auc, tpr_at_fpr
from vestige.attacks.scores import gaussians
from vestige.attacks.scores.lira import lira
from vestige.attacks.scores.shrinkage import inverse_trigamma, shrink, spread_of
from vestige.learners.errors import ConfigError, DataError


def spread(mean: float, deviation: float) -> list[list[float]]:
    """Two shadows whose population mean and deviation on one example are these."""
    return [[mean - deviation], [mean + deviation]]


def one(phi: float, inside: tuple[float, float], outside: tuple[float, float], **settings) -> float:
    shadows = np.array(spread(*inside) + spread(*outside))
    member = np.array([[True], [True], [False], [False]])
    return float(lira([[phi]], shadows, member, **settings).scores[0, 0])


@pytest.mark.parametrize(
    ("phi", "inside", "outside", "expected"),
    [(1.7, (2, 0.8), (0.5, 0.8), 1.0546875), (1.0, (2, 1), (0, 2), 0.3181471806)],
)
def test_lira_01_02_online(phi, inside, outside, expected):
    assert one(phi, inside, outside) == pytest.approx(expected, abs=1e-9)
    assert one(phi, inside, outside, variance="per_example") == pytest.approx(expected, abs=1e-9)


def test_lira_03_04_offline_in_both_forms():
    z = one(1.0, (5, 1), (0, 2), form="offline")
    assert norm.cdf(z) == pytest.approx(0.6914624613, abs=1e-9)
    for phi in (1.0, -1.0):
        two_sided = one(phi, (5, 1), (0, 2), form="offline_two_sided")
        # The constant of the density changes no rank and is left out.
        assert two_sided + 0.5 * np.log(2 * np.pi) == pytest.approx(1.7370857138, abs=1e-9)


def refit(target, values, member, form, variance):
    """One example after the other, densities by SciPy."""
    inside = [values[member[:, i], i] for i in range(values.shape[1])]
    outside = [values[~member[:, i], i] for i in range(values.shape[1])]
    pooled = [np.sqrt(np.mean([np.var(each) for each in side])) for side in (inside, outside)]
    scores = []
    for i, phi in enumerate(target):
        deviations = pooled if variance == "fixed" else [np.std(inside[i]), np.std(outside[i])]
        if form == "offline":
            scores.append((phi - np.mean(outside[i])) / deviations[1])
            continue
        score = -norm.logpdf(phi, np.mean(outside[i]), deviations[1])
        if form == "online":
            score += norm.logpdf(phi, np.mean(inside[i]), deviations[0])
        scores.append(score if form == "online" else score - 0.5 * np.log(2 * np.pi))
    return np.array(scores)


@pytest.mark.parametrize("form", ["online", "offline", "offline_two_sided"])
@pytest.mark.parametrize("variance", ["fixed", "per_example"])
def test_every_form_equals_a_loop_with_scipy(form, variance):
    values, member, _ = bank(32, 300, 1, shift=1.0, spread_of_sigma=0.2)
    target = np.random.default_rng(2).normal(0, 2, 300)
    ours = lira(target[None], values, member, form=form, variance=variance)
    assert ours.floored == 0 and ours.variance == variance
    assert np.allclose(ours.scores[0], refit(target, values, member, form, variance), rtol=1e-9, atol=1e-9)


def test_p2_each_world_has_its_own_deviation():
    random = np.random.default_rng(3)
    member = np.arange(200)[:, None] % 2 == np.zeros(4000, int)
    values = np.where(member, random.normal(2, 1, member.shape), random.normal(0, 3, member.shape))
    target = random.normal(0, 3, 4000)
    ours = lira(target[None], values, member, variance="fixed").scores[0]
    assert np.abs(ours - (norm.logpdf(target, 2, 1) - norm.logpdf(target, 0, 3))).mean() < 0.4
    wrong = norm.logpdf(target, 2, 1) - norm.logpdf(target, 0, 1)
    assert np.abs(ours - wrong).mean() > 2


def test_lira_05_and_p18_the_two_offline_forms_answer_different_questions():
    values, member, sigma = bank(64, 20_000, 4, spread_of_sigma=0.5, level=0.0)
    random = np.random.default_rng(5)
    known = np.arange(20_000) < 10_000
    areas = {}
    for leak in (1.0, -1.0):
        target = sigma * (random.normal(size=20_000) + leak * known)
        for form in ("offline", "offline_two_sided"):
            scores = lira(target[None], values, member, form=form, variance="per_example").scores[0]
            areas[form, leak] = auc(scores[known], scores[~known])
            if form == "offline":  # LIRA-05: the probability ranks alike wherever it does not saturate
                near = scores[np.abs(scores) < 4]
                assert np.array_equal(rankdata(near), rankdata(norm.cdf(near)))
    # LIRA-13, with homogeneous signs
    assert areas["offline", 1.0] == pytest.approx(0.754, abs=0.02)
    assert areas["offline", -1.0] == pytest.approx(0.242, abs=0.02)
    for leak in (1.0, -1.0):
        assert 0.55 < areas["offline_two_sided", leak] < 0.68


def test_lira_07_too_few_shadows_are_refused():
    values, member = np.zeros((2, 3)), np.array([[True] * 3, [False] * 3])
    with pytest.raises(NotEstimable, match="expected at least 2 OUT shadows for each example, got 1 for 3 examples"):
        lira(np.zeros((1, 3)), values, member, variance="per_example")
    values, member, _ = bank(8, 10, 6)
    member[:, 4] = False
    with pytest.raises(NotEstimable, match="2 IN shadows .* got 0 for 1 examples"):
        lira(np.zeros((1, 10)), values, member)
    assert lira(np.zeros((1, 10)), values, member, form="offline").scores.shape == (1, 10)


def test_lira_10_blocks_change_nothing(monkeypatch):
    values, member, _ = bank(12, 101, 7, shift=1.0)
    whole = lira(values[:2] + 0.5, values, member).scores
    monkeypatch.setattr(gaussians, "BLOCK_VALUES", 1)
    assert np.array_equal(lira(values[:2] + 0.5, values, member).scores, whole)


def test_lira_14_15_p16_an_example_without_spread_is_floored_counted_and_does_not_rule():
    values, member, _ = bank(128, 500, 8, shift=1.0)
    values[:, 17] = 0.25
    target = np.random.default_rng(9).normal(size=500)
    for variance in ("per_example", "shrunken"):
        found = lira(target[None], values, member, variance=variance)
        assert found.scores.shape == (1, 500) and np.isfinite(found.scores).all()
        if variance == "per_example":
            assert found.floored == 2
        assert abs(found.scores[0, 17]) < 100
    with pytest.raises(DataError, match="expected OUT shadows that differ, got identical values"):
        lira(target[None], np.zeros((8, 500)), member[:8])


def test_lira_16_views_are_averaged():
    values, member, _ = bank(16, 50, 10, shift=1.0)
    target = np.random.default_rng(11).normal(size=(1, 50))
    alone = lira(target, values, member).scores
    tripled = lira(np.repeat(target[:, None], 3, 1), np.repeat(values[:, None], 3, 1), member).scores
    assert np.allclose(tripled, alone, rtol=1e-12, atol=1e-12)
    other = np.random.default_rng(12).normal(size=(16, 50))
    two = lira(np.stack([target, target], 1), np.stack([values, other], 1), member).scores
    assert np.allclose(two, (alone + lira(target, other, member).scores) / 2)


GOLDEN = {  # LIRA-17: AUC and TPR at 1 % of ideal Gaussian examples
    (2, 16, "online", "per_example"): (0.895, 0.175),
    (2, 16, "online", "fixed"): (0.885, 0.156),
    (2, 64, "online", "per_example"): (0.914, 0.340),
    (2, 64, "offline", "per_example"): (0.914, 0.341),
    (1, 16, "online", "fixed"): (0.726, 0.041),
    (1, 64, "online", "per_example"): (0.750, 0.065),
    (1, 64, "offline", "fixed"): (0.740, 0.051),
}


@pytest.mark.parametrize(("case", "golden"), GOLDEN.items())
def test_lira_17_power_on_ideal_gaussians(case, golden):
    shift, shadows, form, variance = case
    values, member, _ = bank(shadows + 2, 20_000, 13, shift=shift, spread_of_sigma=0.5)
    found = lira(values[-2:], values[:-2], member[:-2], form=form, variance=variance).scores
    areas = [auc(row[inside], row[~inside]) for row, inside in zip(found, member[-2:], strict=True)]
    rates = [tpr_at_fpr(row[inside], row[~inside], 0.01) for row, inside in zip(found, member[-2:], strict=True)]
    assert np.mean(areas) == pytest.approx(golden[0], abs=0.02)
    assert np.mean(rates) == pytest.approx(golden[1], abs=0.045)


def test_auto_takes_one_variance_below_64_shadows():
    for shadows, rule in ((62, "fixed"), (64, "per_example")):
        values, member, _ = bank(shadows, 50, 14)
        assert lira(values[:1] + 0.5, values, member).variance == rule


def test_a_shrunken_variance_is_better_than_either_on_few_shadows():
    areas = {}
    for variance in ("fixed", "per_example", "shrunken"):
        found = []
        for seed in range(3):
            values, member, _ = bank(18, 20_000, 20 + seed, shift=2.0, spread_of_sigma=0.5)
            scores = lira(values[-2:], values[:-2], member[:-2], variance=variance).scores
            found += [auc(row[inside], row[~inside]) for row, inside in zip(scores, member[-2:], strict=True)]
        areas[variance] = np.mean(found)
    assert areas["shrunken"] > max(areas["fixed"], areas["per_example"]) + 0.005


def test_shrinkage_finds_the_prior_and_its_limits():
    random = np.random.default_rng(15)
    prior, scale, count = 6.0, 2.0, 9
    true = scale * prior / random.chisquare(prior, 40_000)
    variance = true * random.chisquare(count - 1, 40_000) / count
    degrees, centre = spread_of(variance[None], np.float64(count)).prior()
    assert degrees[0, 0] == pytest.approx(prior, rel=0.1) and centre[0, 0] == pytest.approx(scale, rel=0.03)
    halves = [spread_of(part, np.float64(count)) for part in np.array_split(variance[None], 3, axis=1)]
    assert sum(halves[1:], halves[0]).prior()[0] == pytest.approx(degrees)
    drawn = shrink(variance[None], np.float64(count), spread_of(variance[None], np.float64(count)))[0]
    posterior = (prior * scale + (count - 1) * variance * count / (count - 1)) / (prior + count - 1)
    assert np.allclose(drawn, posterior * (count - 1) / count, rtol=0.05)
    same = random.chisquare(count - 1, 40_000)[None] / count  # nothing but chance: all the pooled one
    assert np.ptp(shrink(same, np.float64(count), spread_of(same, np.float64(count)))) < 0.15
    assert np.isinf(inverse_trigamma(np.array([0.0, -1.0]))).all()
    from scipy.special import polygamma

    known = np.array([0.05, 1.0, 40.0, 1e4])
    assert inverse_trigamma(polygamma(1, known / 2)) == pytest.approx(known, rel=1e-6)


def test_a_median_centre_is_the_median_of_each_side():
    values, member, _ = bank(10, 40, 16, shift=1.0)
    member[:, 3] = [True] * 4 + [False] * 6  # even and odd numbers on the sides
    target = np.zeros((1, 40))
    ours = lira(target, values, member, form="offline", centre="median", variance="per_example").scores[0]
    for i in range(40):
        out = values[~member[:, i], i]
        assert ours[i] == pytest.approx(-np.median(out) / np.std(out))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": np.zeros((1, 9))}, r"targets: expected \[models, 1 augmentations, 10 examples\].*got \[1, 9\]"),
        ({"targets": np.full((1, 10), np.nan)}, "targets: expected finite numbers, got 10 of 10"),
        ({"shadows": np.full((8, 10), np.nan)}, "shadows: expected finite numbers, got 80 of 80"),
        ({"shadows": np.full((8, 10), np.inf)}, "shadows: expected finite numbers"),
        ({"shadows": np.zeros((8, 11))}, "shadows: expected values of 10 examples from each model, got"),
        ({"member": np.zeros((8, 10))}, r"member: expected a boolean matrix \[8 models, examples\], got float64"),
        ({"member": np.zeros((7, 10), bool)}, r"got bool \[7, 10\]"),
    ],
)
def test_what_cannot_be_meant_is_refused(change, message):
    values, member, _ = bank(8, 10, 17)
    given = {"targets": np.zeros((1, 10)), "shadows": values, "member": member} | change
    with pytest.raises(DataError, match=message):
        lira(given["targets"], given["shadows"], given["member"])
    with pytest.raises(ConfigError, match="form: expected one of online"):
        lira(np.zeros((1, 10)), values, member, form="both")


@pytest.mark.parametrize("form", ["online", "offline", "offline_two_sided"])
def test_p14_the_scale_of_phi_changes_no_ranking(form):
    values, member, _ = bank(16, 300, 19, shift=1.0, spread_of_sigma=0.5)
    target = np.random.default_rng(20).normal(size=(1, 300))
    for variance in ("fixed", "per_example", "shrunken"):
        plain, scaled = (
            lira(scale * target, scale * values, member, form=form, variance=variance).scores[0] for scale in (1, 16)
        )
        assert np.array_equal(rankdata(np.round(plain, 9)), rankdata(np.round(scaled - (scaled - plain).mean(), 9)))


def test_sig_17_inputs_stay_as_they_are():
    values, member, _ = bank(8, 10, 18)
    kept = values.copy(), member.copy()
    values.flags.writeable = member.flags.writeable = False
    first, again = (lira(values[:1] + 0.5, values, member).scores for _ in range(2))
    assert np.array_equal(first, again)
    assert np.array_equal(values, kept[0]) and np.array_equal(member, kept[1])
