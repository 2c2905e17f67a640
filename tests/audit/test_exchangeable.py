"""The verdict over examples: right where forget and unseen examples are exchangeable, and turned away where not."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from audit._scores import calibration_rows
from audit._simulation import World, constant, memorised, none
from audit.exchangeable import LEVEL, ExampleVerdict, contradictions, judge_exchangeable
from audit.policy import Policy
from learners import DataError

WORLD = World(forget=1000, unseen=4000, retrains=1, seed_effect=0.0)
BIG = replace(WORLD, forget=3000, unseen=10_000)
POLICY = Policy(min_evidence="C")


def judged(world: World, seed: int, policy: Policy = POLICY, *, declared: bool = True) -> ExampleVerdict:
    table = world.draw(seed)
    k, forget = world.retrains, table.role == "forget"
    calibration = calibration_rows(table.labels, ~forget, policy.calibration_share, seed)
    original = table.phi[k + 1] if world.original is not None else None
    return judge_exchangeable(
        table.phi[k], table.phi[:k], original, table.labels, forget, calibration, policy, declared=declared
    )


def test_gaps_are_those_of_scikit_learn_and_of_counts() -> None:
    table = WORLD.draw(1)
    forget = table.role == "forget"
    calibration = calibration_rows(table.labels, ~forget, 0.2, 1)
    found = {one.name: one for one in judged(WORLD, 1).endpoints}
    evaluation = ~forget & ~calibration
    rows = forget | evaluation
    difference = table.phi[1] - table.phi[0]
    centred = np.abs(difference - np.median(difference[calibration]))
    assert found["X1"].gap == pytest.approx(roc_auc_score(forget[rows], table.phi[1, rows]) - 0.5)
    assert found["X2"].gap == pytest.approx(roc_auc_score(forget[rows], difference[rows]) - 0.5)
    assert found["X3"].gap == pytest.approx(roc_auc_score(forget[rows], centred[rows]) - 0.5)
    cut = np.sort(difference[calibration])[-(int(0.01 * calibration.sum()) + 1)]
    counted = (difference[forget] > cut).mean() - (difference[evaluation] > cut).mean()
    assert found["Y2"].gap == pytest.approx(counted, abs=1.5 / 1000)


def test_intervals_and_errors_hold_whatever_the_number_of_retrains_simulation() -> None:
    """120 fresh retrains for each K: coverage near 90 %, no more than alpha FAIL (standard error of a share .027)."""
    for k in (0, 1, 2):
        verdicts = [judged(replace(WORLD, retrains=k), seed) for seed in range(120)]
        assert np.mean([one.outcome == "FAIL" for one in verdicts]) <= 0.02
        for place, endpoint in enumerate(verdicts[0].endpoints):
            holds = [v.endpoints[place].interval[0] <= 0 <= v.endpoints[place].interval[1] for v in verdicts]
            assert np.mean(holds) > 0.82, (k, endpoint.name)
            assert np.mean(holds) < 0.98 or endpoint.name.startswith("Y"), (k, endpoint.name)


def test_a_leak_of_just_the_margin_seldom_passes_simulation() -> None:
    """X2 at its margin, and a tail at its margin with everything else silent: PASS in at most alpha (se .022)."""
    shift = 0.2525  # two models differ by N(0, 2), so that X2 is Phi(shift / 2): just above .55
    slipped = [judged(replace(WORLD, candidate=constant(shift), original=constant(3.0)), s) for s in range(100)]
    gaps = np.mean([one.endpoints[1].gap for one in slipped])
    assert gaps == pytest.approx(0.0502, abs=0.003)
    assert sum(one.outcome == "PASS" for one in slipped) <= 10
    random, wrong = np.random.default_rng(3), 0
    for _ in range(400):
        tpr, realised = random.binomial(1000, 0.03) / 1000, random.binomial(8000, 0.01) / 8000
        edge = realised + 0.02
        error = np.sqrt(edge * (1 - edge) / 1000 + realised * (1 - realised) / 8000)
        wrong += tpr - realised + 1.645 * error < 0.02
    assert wrong / 400 < 0.05 + 2 * 0.011


def test_a_true_declaration_is_seldom_contradicted_simulation() -> None:
    """LEVEL is 1 %: of 150 true declarations at most 6 are turned away (probability .001)."""
    turned = 0
    for seed in range(150):
        table = replace(WORLD, forget=300, unseen=900, classes=4, retrains=2).draw(seed)
        turned += bool(contradictions(table.phi[:2], table.logits[0], table.labels, table.role == "forget", seed=seed))
    assert LEVEL == 0.01 and turned <= 6


def test_a_false_declaration_is_contradicted() -> None:
    table = replace(WORLD, forget_difficulty=-0.6).draw(1)
    forget = table.role == "forget"
    found = contradictions(table.phi[:1], None, table.labels, forget, seed=0)
    assert len(found) == 1 and found[0].startswith("retrain 1 ranks forget above unseen examples with 0.4")
    even = replace(WORLD, classes=4).draw(2)
    lopsided = even.labels.copy()
    lopsided[np.flatnonzero(even.role == "forget")[:300]] = 0
    (words,) = contradictions(np.zeros((0, 5000)), None, lopsided, even.role == "forget", seed=0)
    assert words.startswith("the classes are mixed otherwise")
    hidden = np.random.default_rng(4).normal(size=(5000, 3))
    hidden[forget, 2] += 0.5  # what phi does not show
    (words,) = contradictions(WORLD.draw(3).phi[:1], hidden, table.labels, forget, seed=0)
    assert words.startswith("a classifier tells the two apart with AUC 0.6")


@pytest.mark.parametrize(
    ("world", "policy", "outcome", "reasons"),
    [
        (BIG, POLICY, "PASS", ()),
        (BIG, Policy(), "INCONCLUSIVE", ("EVIDENCE_GRADE",)),
        (replace(BIG, candidate=memorised(1.5)), POLICY, "FAIL", ("LEAK", "SCATTER", "TAIL")),
        (replace(BIG, candidate=constant(-1.5)), POLICY, "FAIL", ("OVER_FORGET", "SCATTER", "TAIL")),
        (replace(BIG, original=none), POLICY, "INCONCLUSIVE", ("NO_ASSAY_SENSITIVITY",)),
        (replace(BIG, original=None), POLICY, "INCONCLUSIVE", ("NO_ASSAY_SENSITIVITY",)),
        (replace(BIG, retrains=0), POLICY, "INCONCLUSIVE", ("EVIDENCE_GRADE",)),
        (replace(BIG, retrains=0, candidate=memorised(1.5)), POLICY, "FAIL", ("LEAK",)),
        (replace(WORLD, forget=100, unseen=1500), POLICY, "INCONCLUSIVE", ("UNDERPOWERED",)),
    ],
)
def test_outcomes(world: World, policy: Policy, outcome: str, reasons: tuple[str, ...]) -> None:
    found = judged(world, 5, policy)
    assert (found.outcome, found.reasons) == (outcome, reasons)
    assert found.grade == ("C" if world.retrains else "S")
    k = world.retrains
    assert found.assumption.startswith(f"Inference over examples with {k} retrain{'' if k == 1 else 's'}: it assumes")


def test_nothing_is_concluded_without_the_assumption() -> None:
    leak = replace(BIG, candidate=memorised(1.5))
    silent = judged(leak, 1, declared=False)
    assert (silent.outcome, silent.reasons) == (
        "INCONCLUSIVE",
        ("NOT_DECLARED",),
    ) and "not declared" in silent.assumption
    table = leak.draw(1)
    forget = table.role == "forget"
    calibration = calibration_rows(table.labels, ~forget, 0.2, 1)
    found = judge_exchangeable(
        table.phi[1],
        table.phi[:1],
        table.phi[2],
        table.labels,
        forget,
        calibration,
        POLICY,
        declared=True,
        contradicted=("the classes are mixed otherwise (p = 1e-9)",),
    )
    assert found.reasons == ("CONTRADICTED",) and "contradicted (the classes are mixed" in found.assumption
    with pytest.raises(DataError, match=r"expected phi \[n\] and retrains \[K, n\]"):
        judge_exchangeable(table.phi[1], table.phi[0], None, table.labels, forget, calibration, POLICY, declared=True)
