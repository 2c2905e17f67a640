"""Variances from influences: DeLong's, rows of one person, many targets on the same examples (P22); by simulation."""

import numpy as np
import pytest

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.metrics.influence import auc_influence, clustered_variance, share_interval, two_way_variance
from vestige.attacks.metrics.roc import auc, delong_variance, placements
from vestige.audit.statistics.intervals import clopper_pearson
from vestige.learners.errors import DataError


def scored(n, seed, shift=0.7):
    random = np.random.default_rng(seed)
    member = random.random(n) < 0.4
    return random.normal(size=n) + shift * member, member


def test_squares_sum_to_delongs_variance_and_influences_to_zero():
    scores, member = scored(400, 0)
    scores = scores.round(1)  # ties
    moves = auc_influence(scores, member)
    assert clustered_variance(moves) == pytest.approx(
        delong_variance(*placements(scores[member], scores[~member])), rel=1e-12
    )
    assert abs(moves.sum()) < 1e-12


def test_p22_rows_that_are_repeated_narrow_nothing():
    scores, member = scored(300, 1)
    once = clustered_variance(auc_influence(scores, member))
    twice = auc_influence(np.repeat(scores, 2), np.repeat(member, 2))
    people = np.repeat(np.arange(300), 2)
    assert clustered_variance(twice) == pytest.approx(once / 2, rel=0.02)  # what P22 warns of
    moves = auc_influence(np.repeat(scores, 2), np.repeat(member, 2), people)
    assert clustered_variance(moves, people) == pytest.approx(once, rel=1e-9)


def test_rows_of_one_person_simulation():
    """The mean estimated variance is the variance over draws, people of three rows who share half of their score."""
    random, areas, apart, together = np.random.default_rng(2), [], [], []
    people, n = np.repeat(np.arange(120), 3), 360
    member = people % 2 == 0
    for _ in range(400):
        scores = random.normal(size=120)[people] + random.normal(size=n) + 0.6 * member
        areas.append(auc(scores[member], scores[~member]))
        apart.append(clustered_variance(auc_influence(scores, member)))
        together.append(clustered_variance(auc_influence(scores, member, people), people))
    true = np.var(areas, ddof=1)
    assert np.mean(together) == pytest.approx(true, rel=0.25)  # a variance of 400 draws has a standard error of 7 %
    assert np.mean(apart) < 0.7 * true


def test_p22_many_targets_on_the_same_examples_simulation():
    """Targets differ (each has its own shift) and share the examples' difficulty: both are a sample."""
    random, means, found, naive = np.random.default_rng(3), [], [], []
    targets, n = 8, 200
    for _ in range(300):
        own, member = random.normal(size=n), random.random((targets, n)) < 0.5
        shift = 0.5 + 0.3 * random.normal(size=targets)
        scores = own + random.normal(size=(targets, n)) + shift[:, None] * member
        areas = np.array([auc(row[inside], row[~inside]) for row, inside in zip(scores, member, strict=True)])
        moves = np.stack([auc_influence(row, inside) for row, inside in zip(scores, member, strict=True)])
        full = moves + ((areas - areas.mean()) / n)[:, None]
        means.append(areas.mean())
        found.append(two_way_variance(full, np.arange(targets))[0])
        naive.append(clustered_variance(moves.ravel() / targets))
    true = np.var(means, ddof=1)
    assert np.mean(found) == pytest.approx(true, rel=0.3)
    assert np.mean(naive) < 0.75 * true


def test_one_target_repeated_is_one_target():
    scores, member = scored(300, 4)
    moves = auc_influence(scores, member)
    many = np.stack([moves] * 6)
    assert two_way_variance(many, np.zeros(6))[0] == pytest.approx(clustered_variance(moves))
    variance, degrees = two_way_variance(many, np.arange(6))
    assert variance == pytest.approx(clustered_variance(moves)) and degrees == pytest.approx(299)


def test_share_interval_is_clopper_pearson_and_no_narrower_for_repeated_rows():
    hits = np.arange(40) < 9
    assert share_interval(hits) == pytest.approx(clopper_pearson(9, 40))
    people = np.repeat(np.arange(40), 3)
    repeated = share_interval(np.repeat(hits, 3), people)
    once = share_interval(hits)  # few people know their own design effect less well: a little wider
    assert once[0] - 0.02 < repeated[0] < once[0] and once[1] < repeated[1] < once[1] + 0.02
    assert share_interval(np.repeat(hits, 3), np.arange(120)) == pytest.approx(clopper_pearson(27, 120))
    none = share_interval(np.zeros(120, bool), people)
    assert none[0] == 0 and clopper_pearson(0, 40)[1] < none[1] < 0.1
    alone = share_interval(np.arange(100) < 50, np.zeros(100))
    assert alone == (0.0, 1.0)  # one person: nothing is known of others
    equal = share_interval(np.tile([True, False], 50), np.repeat([0, 1], 50))  # the same share by chance
    assert equal[1] - equal[0] > 0.9
    assert share_interval(np.ones(120, bool), people)[1] == 1


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda: auc_influence([1.0, 2.0], [True, False]), NotEstimable, "at least 2 members and 2 non-members, got 1"),
        (
            lambda: auc_influence(np.arange(6.0), np.arange(6) < 3, [0, 0, 0, 1, 2, 3]),
            NotEstimable,
            r"2 non-members \(people\), got 1 and 3",
        ),
        (lambda: auc_influence([1.0, 2.0], [True]), DataError, r"scores \[n\] and a mask \[n\]"),
        (lambda: two_way_variance([1.0], [0]), DataError, r"influences \[models, n\]"),
    ],
)
def test_refusals(call, kind, sentence):
    with pytest.raises(kind, match=sentence):
        call()
