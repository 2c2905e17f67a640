"""Groups of the forget set: found, measured on what the definition says, and judged in one family with the whole."""

from dataclasses import replace

import numpy as np
import pytest

from tests.audit.gating.conftest import NOT_RUN
from tests.audit.judging import judge
from vestige.attacks.metrics.roc import auc
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.decisions import fail_tests
from vestige.audit.endpoints.endpoints import measure
from vestige.audit.endpoints.groups import LEAST, MOST_MEMORISED, find_groups, most_memorised
from vestige.audit.endpoints.scores import score_phi
from vestige.audit.endpoints.simulation import World, memorised
from vestige.audit.policy import Policy
from vestige.audit.statistics.intervals import holm
from vestige.audit.verdict.evidence import gather
from vestige.audit.verdict.rule import decide

SMALL = World(forget=900, unseen=4000, retrains=6, classes=3)


def _exposed(world: World, seed: int, rows: slice, size: float) -> Outputs:
    """The candidate of a world, with phi of some forget rows raised."""
    table = world.draw(seed)
    table.phi[world.retrains, : world.forget][rows] += size
    return table.outputs()


def test_a_class_is_held_against_unseen_examples_of_its_own() -> None:
    outputs = SMALL.draw(0).outputs()
    evidence = gather(outputs, Policy(), drawings=False)
    names = [one.name for one in evidence.groups]
    assert names == ["class 0", "class 1", "class 2", MOST_MEMORISED]
    own = (outputs.labels == 1) & (outputs.role != "retain")
    first = evidence.groups[1]
    assert first.forget == (own & outputs.where("forget")).sum() == 300
    a1 = next(one for one in first.endpoints if one.name == "A1")
    # Within a class, class-centring shifts all scores of a model alike: the AUC is that of phi itself. Which unseen
    # examples evaluate is the audit's own choice, so the value lies among those of a few random choices.
    members = outputs.candidate[own & outputs.where("forget")]
    others = outputs.candidate[own & outputs.where("unseen")]
    phi = [rows[:, 1] - np.log(np.exp(rows[:, [0, 2]]).sum(1)) for rows in (members, others)]
    assert a1.candidate == pytest.approx(auc(*phi), abs=0.01)
    assert a1.margin == a1.margin_effective == 0.10


def test_groups_that_are_small_or_the_whole_are_not_assessed() -> None:
    outputs = SMALL.draw(0).outputs()
    names = np.where(np.arange(len(outputs)) % 900 < LEAST - 1, "few", "many")
    evidence = gather(replace(outputs, group=names), Policy(), drawings=False)
    few, many = (one for one in evidence.groups if one.kind == "declared")
    assert (few.name, few.standing, few.endpoints) == ("group few", "not assessed", ())
    assert few.reason == f"needs at least {LEAST} forget examples, got {LEAST - 1}"
    assert many.standing != "not assessed" and many.forget == 900 - LEAST + 1
    same = gather(replace(outputs, group=np.full(len(outputs), "all")), Policy(), drawings=False)
    assert not [one for one in same.groups if one.kind == "declared"]  # the whole forget set is no group of it
    unmatched = np.where((names == "many") & (outputs.role == "forget"), "x", "y")
    strangers = gather(replace(outputs, group=unmatched), Policy(), drawings=False)
    assert {one.reason for one in strangers.groups if one.name == "group x"} == {
        f"needs at least {LEAST} unseen examples for evaluation, got 0"
    }


def test_a_leak_of_one_class_fails_by_its_group_where_the_whole_does_not() -> None:
    world = replace(SMALL, forget=3000, unseen=12_000, classes=10)
    leak = replace(world, seed_effect=0.0)
    outputs = _exposed(leak, 3, slice(4, None, 10), 1.3)
    evidence = gather(outputs, Policy(), drawings=False)
    found = decide(evidence, Policy())
    assert "GROUP:class 4" in found.reasons and found.outcome == "FAIL"
    assert {one.name for one in evidence.groups if one.standing == "outside"} <= {"class 4", MOST_MEMORISED}
    assert "class 4" in found.headline and "class 4" in found.explanations[found.reasons.index("GROUP:class 4")]
    whole = [one for one in evidence.endpoints if one.name in ("A1", "A2")]
    assert all(one.decision != "outside" for one in whole)


def test_enforced_groups_block_a_pass_that_a_report_would_give() -> None:
    world = World(forget=2000, unseen=10_000, retrains=10)
    outputs = world.draw(1).outputs()
    names = np.where(np.arange(len(outputs)) % 2000 < 150, "few", "many")
    outputs = replace(outputs, group=names)
    evidence = gather(outputs, Policy(), drawings=False)
    assert decide(evidence, Policy()).outcome == "PASS"
    strict = Policy(worst_group="enforce")
    found = decide(gather(outputs, strict, drawings=False), strict)
    assert (found.outcome, found.reasons) == ("INCONCLUSIVE", ("GROUP_OPEN",))
    assert "group few (needs at least 200" in found.explanations[0] and "group many" not in found.explanations[0]
    all_in = decide(gather(replace(outputs, group=None), strict, drawings=False), strict)
    assert all_in.outcome == "PASS"  # one class, and the most memorised quarter is within


def test_the_most_memorised_are_chosen_without_the_model_that_is_scored() -> None:
    random = np.random.default_rng(5)
    phi = random.normal(size=(6, 40))  # four retrains, a candidate, the original
    chosen = most_memorised(phi, 4, 10)
    other = phi.copy()
    other[4] = random.normal(size=40)  # another candidate
    assert (most_memorised(other, 4, 10) == chosen).all()
    moved = phi.copy()
    moved[2] += random.normal(size=40)  # a retrain decides for all models but itself
    again = most_memorised(moved, 4, 10)
    assert (again[2] == chosen[2]).all() and (again != chosen).any()
    by_hand = np.argsort(-(phi[5] - phi[[0, 1, 3]].mean(0)))[:10]
    assert chosen[2].tolist() == sorted(by_hand.tolist())


def test_the_stratum_is_fair_to_a_fresh_retrain_though_it_is_chosen_by_the_references() -> None:
    """Were the quarter chosen by all retrains for every model, a fresh retrain would look exposed in it: the mean of
    the retrains is low there by selection. 40 worlds; standard error of the mean gap about .003."""
    world = World(forget=1200, unseen=3000, retrains=4, original=memorised(0.5))
    gaps, naive = [], []
    for seed in range(40):
        table = world.draw(seed)
        evidence = gather(table.outputs(), Policy(), drawings=False)
        stratum = next(one for one in evidence.groups if one.kind == "stratum")
        gaps.append(next(one.gap or 0.0 for one in stratum.endpoints if one.name == "A2"))
        phi = table.phi[:, :1200]
        rows = np.argsort(-(phi[5] - phi[:4].mean(0)))[:300]
        z = table.phi[4] - table.phi[:4].mean(0)
        naive.append(auc(z[rows], z[1200:]) - 0.5)
    error = np.std(gaps) / np.sqrt(40)
    assert abs(np.mean(gaps)) < 3 * error + 0.02
    assert np.mean(naive) > 0.05 and np.mean(naive) > 3 * abs(np.mean(gaps))


def test_weighted_holm_against_the_definition() -> None:
    """Reject in order of p / w while p / w <= alpha / (sum of the weights still in): Holm 1979, section 5."""
    random = np.random.default_rng(2)
    for _ in range(50):
        p, w = random.uniform(size=7) ** 3, random.uniform(0.1, 2, 7)
        for alpha in (0.01, 0.05, 0.2):
            rejected, left = set(), set(range(7))
            while left:
                first = min(left, key=lambda i: p[i] / w[i])
                if p[first] > alpha * w[first] / sum(w[i] for i in left):
                    break
                rejected.add(first)
                left.remove(first)
            assert {i for i, q in enumerate(holm(p.tolist(), w.tolist())) if q <= alpha} == rejected


def test_many_groups_do_not_raise_the_rate_of_false_failures() -> None:
    """Fresh retrains in worlds of five classes with effects of seeds on the margin scale: FAIL at most alpha. 150
    worlds, standard error of the rate at 5 %: 1.8 points."""
    world = World(forget=1500, unseen=3000, retrains=5, classes=5, class_effect=0.35, seed_effect=0.15, original=None)
    policy, failed = Policy(), 0
    for seed in range(150):
        table = world.draw(seed)
        scores = score_phi(table.phi, 5, table.labels, table.role == "forget", 0.2, seed)
        parts = [measure(scores, policy.fpr, paired=False)]
        parts += [group.measure(policy, paired=False) for group in find_groups(scores, None)]
        assert len(parts) == 6 and all(parts)
        p_values = [p.holm for part in fail_tests(parts, 0, policy) for p in part.values()]
        assert len(p_values) == 6 + 5 * 3  # without entropies; T1 and T2 need 1,000 unseen examples of a class
        failed += min(p_values) <= policy.alpha
    assert failed / 150 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 150)


def test_people_are_one_unit_and_their_rows_are_averaged() -> None:
    """Every person three rows: the audit of the rows is the audit of the means."""
    world = World(forget=600, unseen=2400, retrains=5)
    table = world.draw(4)
    people = np.concatenate([np.repeat(np.arange(200), 3), 1000 + np.repeat(np.arange(800), 3)]).astype(np.str_)
    outputs = replace(table.outputs(), subject=people)
    evidence = gather(outputs, Policy(), drawings=True)
    reference = evidence.reference
    assert (reference.unit, reference.forget) == ("person", 200)
    assert reference.unseen_calibration + reference.unseen_evaluation == 800
    phi = table.phi.reshape(7, 1000, 3).mean(2)
    z = phi[5] - phi[:5].mean(0)
    a2 = next(one for one in evidence.endpoints if one.name == "A2")
    assert a2.candidate == pytest.approx(auc(z[:200], z[200:]), abs=0.02)
    assert evidence.single_examples is not None and evidence.single_examples.examples == 200
    assert evidence.groups[0].name == MOST_MEMORISED and evidence.groups[0].reason  # 50 people are too few
    shuffled = np.random.default_rng(0).permutation(3000)
    moved = replace(
        outputs,
        labels=outputs.labels[shuffled],
        role=outputs.role[shuffled],
        candidate=outputs.candidate[shuffled],
        retrain=outputs.retrain[:, shuffled],
        original=None if outputs.original is None else outputs.original[shuffled],
        subject=people[shuffled],
    )
    again = gather(moved, Policy(), drawings=False)
    for one, other in zip(evidence.endpoints, again.endpoints, strict=True):
        assert (one.candidate is None) == (other.candidate is None)
        if one.candidate is not None:
            assert one.candidate == pytest.approx(other.candidate, abs=0.05)


def test_rows_of_one_person_that_share_an_effect_do_not_narrow_the_interval() -> None:
    """With ten rows a person and an effect of the person on every model, rows as independent examples give an interval
    of the examples that is too narrow by far; people do not. The spread of A1 over candidates is the judge."""
    rows, people, models = 10, 120, 35
    random = np.random.default_rng(7)
    effect = random.normal(size=(models, 2 * people)) * 0.8
    difficulty = random.normal(size=2 * people) * 1.5
    phi = np.repeat(effect + difficulty, rows, axis=1) + random.normal(size=(models, 2 * people * rows))
    half = people * rows
    role = np.repeat(["forget", "unseen"], half)
    subject = np.repeat(np.arange(2 * people), rows).astype(np.str_)
    logits = np.zeros((models, 2 * half, 2))
    logits[:, :, 0] = phi
    widths, gaps = {True: [], False: []}, []
    for model in range(5, models):
        outputs = Outputs(
            labels=np.zeros(2 * half, np.int64),
            role=role,
            candidate=logits[model],
            retrain=logits[:5],
            original=None,
            subject=subject,
        )
        for together in (True, False):
            one = gather(outputs if together else replace(outputs, subject=None), Policy(), drawings=False)
            a1 = next(found for found in one.endpoints if found.name == "A1")
            widths[together].append(a1.example_half_width or 0.0)
            if together:
                gaps.append(a1.gap or 0.0)
    needed = 1.645 * np.std(gaps)  # half-width of a 90 % interval of the gap, given these retrains
    assert np.mean(widths[True]) > 0.8 * needed
    assert np.mean(widths[False]) < 0.6 * needed


def test_retain_examples_that_unlearning_exposes_are_noted_and_decide_nothing() -> None:
    world = World(forget=1500, unseen=8000, retain=2000, retrains=8)
    table = world.draw(2)
    plain = judge(table.outputs(), Policy(), name="plain", seed=0, controls=NOT_RUN)
    table.phi[8, 9500:] += np.linspace(0, 2, 2000)
    exposed = judge(table.outputs(), Policy(), name="exposed", seed=0, controls=NOT_RUN)
    assert plain.retained is not None and exposed.retained is not None
    assert not any(one.interval[0] > 0 for one in plain.retained.comparisons if one.name == "auc_z")
    found = {one.name: one for one in exposed.retained.comparisons}
    assert found["auc_z"].gap > 0.15 and found["auc_z"].interval[0] > 0
    assert any(note.startswith("RETAIN_EXPOSED: ") for note in exposed.verdict.notes)
    assert exposed.verdict.outcome == plain.verdict.outcome
    assert found["auc_z"].retrains == next(one.retrains for one in plain.retained.comparisons if one.name == "auc_z")


def test_groups_are_found_in_the_order_of_their_numbers() -> None:
    world = World(forget=2400, unseen=4000, retrains=3, classes=12)
    outputs = world.draw(0).outputs()
    evidence = gather(outputs, Policy(), drawings=False)
    assert [one.name for one in evidence.groups[:12]] == [f"class {label}" for label in range(12)]
    assert find_groups.__doc__


def test_people_are_one_unit_in_the_second_mode_too() -> None:
    """Two rows a person that are equal: the audit of the people is that of one row each."""
    world = World(forget=400, unseen=1600, retrains=1)
    single = world.draw(3).outputs()
    assert single.original is not None
    twice = Outputs(
        labels=np.repeat(single.labels, 2),
        role=np.repeat(single.role, 2),
        candidate=np.repeat(single.candidate, 2, axis=0),
        retrain=np.repeat(single.retrain, 2, axis=1),
        original=np.repeat(single.original, 2, axis=0),
        subject=np.repeat(np.arange(2000).astype(np.str_), 2),
        shadow=np.repeat(single.retrain, 2, axis=1) * 0.5,
    )
    found = gather(twice, Policy(), drawings=False, declared="declared").exchangeable
    plain = gather(
        replace(single, shadow=single.retrain * 0.5), Policy(), drawings=False, declared="declared"
    ).exchangeable
    assert found is not None and plain is not None
    widths = [[one.interval[1] - one.interval[0] for one in mode.endpoints[:3]] for mode in (found, plain)]
    assert widths[0] == pytest.approx(widths[1], rel=0.05)  # 2,000 people, not 4,000 examples
    assert [one.name for one in found.endpoints] == [one.name for one in plain.endpoints]
