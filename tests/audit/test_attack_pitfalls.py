"""Faults seen elsewhere that concern a whole table of attacks: P12, P20, P21, P22, P24."""

from dataclasses import replace

import numpy as np
import pytest

from tests.audit.test_attacking import material, noise
from vestige.attacks.arrays import NotEstimable
from vestige.attacks.metrics.influence import auc_influence
from vestige.attacks.metrics.roc import auc
from vestige.attacks.registry.attacks import ATTACKS
from vestige.attacks.scores.lira import lira
from vestige.audit.results.attacks import AttackPoint
from vestige.audit.studies.attacks.table import attack_all
from vestige.learners.errors import ConfigError, DataError


def test_p12_every_attack_gives_each_example_one_finite_score_member_or_not() -> None:
    given, forget = noise(8, 600)
    for name, attack in ATTACKS.items():
        scored = attack(given)
        assert scored.scores.shape == (5, 600) and np.isfinite(scored.scores).all(), name
        assert scored.judged[forget].any() and scored.judged[~forget].any(), name


def test_p21_a_cut_is_learnt_on_examples_that_are_not_judged() -> None:
    """On noise the best cut on the judged examples themselves looks better than chance; the calibrated one does not."""
    random = np.random.default_rng(0)
    best, calibrated = [], []
    for _ in range(60):
        given, forget = material(900, leak=0.0)
        logits = random.normal(size=given.others.shape)
        given = replace(given, others=logits, original=logits[-1])
        (table,) = attack_all(given, forget, candidates=["c"], signals=["logit"])
        point = next(one for one in table.results if one.attack == "threshold").points[0]
        assert isinstance(point, AttackPoint) and point.calibrated is not None
        calibrated.append((1 + point.calibrated[0] - point.calibrated[1]) / 2)
        scores, judged = ATTACKS["threshold"](given).scores[3], ~given.calibration
        cuts = np.quantile(scores, np.linspace(0.01, 0.99, 99))
        members, others = scores[forget], scores[~forget & judged]
        best.append(max((1 + (members > cut).mean() - (others > cut).mean()) / 2 for cut in cuts))
    error = np.std(calibrated, ddof=1) / np.sqrt(60)
    assert abs(np.mean(calibrated) - 0.5) < 4 * error
    assert np.mean(best) > 0.52  # what P21 warns of


def test_p22_people_with_many_rows_count_once_in_every_interval() -> None:
    given, forget = material(1200)
    rows = np.repeat(np.arange(1200), 3)
    thrice = replace(
        given,
        labels=given.labels[rows],
        calibration=given.calibration[rows],
        retrains=given.retrains[:, rows],
        others=given.others[:, rows],
        original=given.others[-1][rows],
    )
    tables = [
        attack_all(given, forget, candidates=["c"], signals=["logit"])[0],
        attack_all(thrice, forget[rows], candidates=["c"], signals=["logit"], people=rows)[0],
        attack_all(thrice, forget[rows], candidates=["c"], signals=["logit"])[0],
    ]
    for once, people, naive in zip(*(table.results for table in tables), strict=True):
        assert people.auc == pytest.approx(once.auc, abs=1e-3)

        def width(interval):  # type: ignore[no-untyped-def]
            return interval[1] - interval[0]

        assert width(people.interval) == pytest.approx(width(once.interval), rel=0.03)
        assert width(naive.interval) == pytest.approx(width(once.interval) / np.sqrt(3), rel=0.03)
        if once.lead is not None and people.lead is not None:
            assert width(people.lead[1:]) == pytest.approx(width(once.lead[1:]), rel=0.03)
        ten, again = once.points[0], people.points[0]
        assert ten.interval is not None and again.interval is not None
        assert width(again.interval) == pytest.approx(width(ten.interval), rel=0.1)


def test_p24_a_mask_of_more_models_than_there_are_is_refused() -> None:
    values, member = np.random.default_rng(0).normal(size=(8, 30)), np.random.default_rng(1).random((254, 30)) < 0.5
    with pytest.raises(DataError, match=r"boolean matrix \[8 models, examples\], got bool \[254, 30\]"):
        lira(values[:1] + 1, values, member)


def test_any_two_attacks_are_compared_on_what_both_judge() -> None:
    given, forget = noise(8, 600)
    unlearned = {"c": given.unlearned}
    (table,) = attack_all(
        given, forget, candidates=["c"], signals=["logit"], unlearned=unlearned, against=("ulira", "logit")
    )
    found = {one.attack: one for one in table.results}
    assert table.against == ("ulira", "logit") and found["ulira"].lead is None
    own, other = ATTACKS["lira_online"](given), ATTACKS["ulira"](given)
    both = own.judged & other.judged & ~given.calibration
    areas = [auc(one.scores[3, both & forget], one.scores[3, both & ~forget]) for one in (own, other)]
    lead = found["lira_online"].lead
    assert lead is not None and lead[0] == pytest.approx(areas[0] - areas[1]) and lead[1] < lead[0] < lead[2]
    with pytest.raises(ConfigError, match="against: ulira needs unlearned shadows"):
        attack_all(replace(given, unlearned=None), forget, candidates=["c"], signals=[], against=("ulira", "logit"))
    few = replace(given, calibration=~forget & (np.arange(600) > 590))
    with pytest.raises(ConfigError, match="against: quantile cannot be made here") as refused:
        attack_all(few, forget, candidates=["c"], signals=[], against=("quantile", "logit"))
    assert not isinstance(refused.value, NotEstimable)


def test_one_person_who_wants_to_be_forgotten_gives_no_certainty() -> None:
    given, forget = material(900)
    people = np.where(forget, 0, np.arange(900))
    (table,) = attack_all(given, forget, candidates=["c"], signals=["logit"], people=people)
    for one in table.results:
        assert one.interval == (0.0, 1.0) and one.points[0].interval == (0.0, 1.0)
        assert one.lead is None or one.lead[1:] == (-1.0, 1.0)


def test_few_people_coverage_simulation() -> None:
    """Five people a side with twenty rows each: the interval holds the expected AUC in about 95 of 100 draws."""
    from vestige.audit.studies.attacks.table import _variance

    random, inside = np.random.default_rng(5), []
    people = np.repeat(np.arange(10), 20)
    member = people < 5
    for _ in range(400):
        scores = random.normal(size=10)[people] + random.normal(size=200)
        error = np.sqrt(_variance(auc_influence(scores, member, people), people, member))
        inside.append(abs(auc(scores[member], scores[~member]) - 0.5) < 1.96 * error)
    assert 0.91 < np.mean(inside) < 0.99
