"""Groups of the forget set and people: what they are compared with, and that they are judged in one family."""

from dataclasses import replace

import numpy as np
import pytest

from tests.audit.judging import judge
from tests.audit.worlds import SY, verdict_on
from vestige.attacks.metrics.roc import auc
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.decisions import fail_tests
from vestige.audit.endpoints.endpoints import measure
from vestige.audit.endpoints.memory import HARDEST, LEAST
from vestige.audit.endpoints.readings import read
from vestige.audit.endpoints.scores import score
from vestige.audit.endpoints.simulation import World, memorised
from vestige.audit.policy import Policy
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import Controls, Evidence
from vestige.audit.results.setting import CHOSEN

NOT_RUN = Controls("not run", (), (), None)
SMALL = World(forget=900, unseen=4000, retrains=6, classes=3)


def _groups(evidence: Evidence) -> dict[str, Endpoint]:
    return {endpoint.where: endpoint for endpoint in evidence.endpoints if endpoint.name == "G"}


def test_a_class_is_compared_with_unseen_examples_of_its_own() -> None:
    outputs = SMALL.draw(0).outputs()
    evidence, _ = verdict_on(outputs)
    found = _groups(evidence)
    assert list(found) == ["class 0", "class 1", "class 2", HARDEST]
    own = (outputs.labels == 1) & (outputs.role != "retain")
    scores = score(read(outputs, CHOSEN, range(6), 0.2))
    assert found["class 1"].forget == (own & outputs.where("forget")).sum() == 300
    of_class = scores.labels == 1
    candidate = scores.memory[6]
    expected = auc(candidate[scores.forget & of_class], candidate[scores.evaluation & of_class])
    assert found["class 1"].candidate == pytest.approx(expected, abs=1e-12)
    assert found["class 1"].margin == 0.10 and found["class 1"].role == "fail_only"


def test_groups_that_are_small_or_the_whole_are_not_assessed() -> None:
    outputs = SMALL.draw(0).outputs()
    names = np.where(np.arange(len(outputs)) % 900 < LEAST - 1, "few", "many")
    found = _groups(verdict_on(replace(outputs, group=names))[0])
    assert found["group few"].decision == "not estimable" and found["group few"].forget == LEAST - 1
    assert found["group few"].reason.startswith(f"needs at least {LEAST} forget and {LEAST} unseen")
    assert found["group many"].decision != "not estimable" and found["group many"].forget == 900 - LEAST + 1
    whole = _groups(verdict_on(replace(outputs, group=np.full(len(outputs), "all")))[0])
    assert not any(name.startswith("group") for name in whole)  # the whole forget set is no group of it
    unmatched = np.where((names == "many") & (outputs.role == "forget"), "x", "y")
    strangers = _groups(verdict_on(replace(outputs, group=unmatched))[0])
    assert strangers["group x"].reason.endswith("for evaluation, got 801 and 0")


def test_enforced_groups_block_a_pass_that_a_report_would_give() -> None:
    outputs = replace(SY, forget=2000, unseen=10_000, retrains=10).draw(1).outputs()
    names = np.where(np.arange(len(outputs)) % 2000 < 90, "few", "many")
    outputs = replace(outputs, group=names)
    assert verdict_on(outputs)[1].outcome == "PASS"
    verdict = verdict_on(outputs, None, Policy(worst_group="enforce"))[1]
    assert (verdict.outcome, verdict.codes) == ("INCONCLUSIVE", ("EVIDENCE",))
    assert verdict.reasons[0].where == ("G: group few",)
    whole = verdict_on(replace(outputs, group=None), None, Policy(worst_group="enforce"))[1]
    assert whole.outcome == "PASS"


def test_the_hardest_quarter_is_chosen_by_the_references_alone() -> None:
    outputs = SY.draw(3).outputs()
    scores = score(read(outputs, CHOSEN, range(5), 0.2))
    moved = replace(outputs, candidate=np.roll(outputs.candidate, 7, axis=0), original=outputs.retrain[0] * 1.1)
    others = score(read(replace(moved, id=np.arange(len(outputs)).astype(str)), CHOSEN, range(5), 0.2))
    assert np.allclose(scores.usual[0] - scores.usual[0].mean(), others.usual[0] - others.usual[0].mean(), atol=0.1)
    hard = scores.usual[5] < np.quantile(scores.usual[5, scores.calibration], 0.25)
    quarter = _groups(verdict_on(outputs)[0])[HARDEST]
    expected = auc(scores.memory[5, hard & scores.forget], scores.memory[5, hard & scores.evaluation])
    assert quarter.candidate == pytest.approx(expected, abs=1e-12)


def test_the_hardest_quarter_is_fair_to_a_fresh_retrain() -> None:
    """30 worlds; a candidate that saw nothing has a mean gap of 0 within three standard errors plus .01."""
    world = replace(SY, forget=800, unseen=3000, original=memorised(0.5))
    gaps = [_groups(verdict_on(world.draw(seed).outputs())[0])[HARDEST].gap for seed in range(30)]
    values = np.array(gaps, np.float64)
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(30) + 0.01


def test_many_groups_do_not_raise_the_rate_of_false_failures() -> None:
    """Fresh retrains in worlds of five classes with effects of seeds on the margin scale: FAIL at most alpha. 100
    worlds, standard error of the rate at 5 %: 2.2 points."""
    world = World(forget=1500, unseen=3000, retrains=5, classes=5, class_effect=0.35, seed_effect=0.15, original=None)
    policy, failed = Policy(), 0
    for seed in range(100):
        measured = measure(score(read(world.draw(seed).outputs(), CHOSEN, range(5), 0.2)), policy)
        p_values = fail_tests(measured, 0, policy)
        assert sum(name.startswith("G") for name in p_values) == 6
        failed += min(p.holm for p in p_values.values()) <= policy.alpha
    assert failed / 100 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 100)


def test_people_are_one_unit_and_their_rows_are_averaged() -> None:
    """Every person three rows of a class: M of the people is that of the means of their rows."""
    world = World(forget=600, unseen=2400, retrains=5, classes=1)
    outputs = world.draw(4).outputs()
    people = np.concatenate([np.repeat(np.arange(200), 3), 1000 + np.repeat(np.arange(800), 3)]).astype(np.str_)
    outputs = replace(outputs, subject=people)
    evidence, _ = verdict_on(outputs)
    reference = evidence.reference
    assert (reference.unit, reference.forget) == ("person", 200)
    assert reference.unseen_calibration + reference.unseen_evaluation == 800
    scores = score(read(outputs, CHOSEN, range(5), 0.2))
    alone = score(read(replace(outputs, subject=None), CHOSEN, range(5), 0.2))
    names = [*sorted(set(people[:600].tolist())), *sorted(set(people[600:].tolist()))]
    means = np.stack([alone.phi[:, people == name].mean(axis=1) for name in names], axis=1)
    assert scores.phi == pytest.approx(means, rel=0.05, abs=0.05)  # the scale is that of other calibration rows
    assert not [name for name in _groups(evidence) if name.startswith("class")]
    order = np.random.default_rng(0).permutation(3000)
    assert outputs.original is not None
    moved = replace(
        outputs,
        labels=outputs.labels[order],
        role=outputs.role[order],
        candidate=outputs.candidate[order],
        retrain=outputs.retrain[:, order],
        original=outputs.original[order],
        subject=people[order],
    )
    again, _ = verdict_on(moved)
    for old, new in zip(evidence.endpoints, again.endpoints, strict=True):
        assert old.gap == pytest.approx(new.gap, abs=1e-9)


@pytest.mark.parametrize(("declared", "retrains"), [(None, 3), ("random", 1)])
def test_rows_said_twice_of_one_person_are_one_row(declared: str | None, retrains: int) -> None:
    world = World(forget=400, unseen=1600, retrains=retrains)
    single = world.draw(3).outputs()
    assert single.original is not None
    twice = Outputs(
        labels=np.repeat(single.labels, 2),
        role=np.repeat(single.role, 2),
        candidate=np.repeat(single.candidate, 2, axis=0),
        retrain=np.repeat(single.retrain, 2, axis=1),
        original=np.repeat(single.original, 2, axis=0),
        subject=np.repeat(np.arange(2000).astype(np.str_), 2),
    )
    found, plain = (verdict_on(outputs, declared)[0] for outputs in (twice, single))  # type: ignore[arg-type]
    errors = [
        [e.example_error for e in judged.endpoints if e.name in "MS" and e.gap is not None] for judged in (found, plain)
    ]
    assert errors[0] == pytest.approx(errors[1], rel=0.1)  # 2,000 people, not 4,000 examples


def test_people_who_occur_nowhere_else_are_judged_by_plain_accuracy_too() -> None:
    outputs = SY.draw(2).outputs()
    person = np.where(outputs.role == "forget", np.arange(len(outputs)) // 4, 10_000 + np.arange(len(outputs)))
    evidence, _ = verdict_on(replace(outputs, subject=person.astype(np.str_)))
    plain = [endpoint for endpoint in evidence.endpoints if endpoint.label == "L: forget set alone"]
    assert len(plain) == 1 and plain[0].role == "fail_only" and plain[0].gap is not None
    mixed = np.where(outputs.role == "retain", 0, person).astype(np.str_)
    evidence, _ = verdict_on(replace(outputs, subject=mixed))
    assert not [endpoint for endpoint in evidence.endpoints if endpoint.label == "L: forget set alone"]


def test_rows_of_one_person_that_share_an_effect_do_not_narrow_the_interval() -> None:
    """With ten rows a person and an effect of the person on every model, rows as independent examples give an interval
    of the examples that is too narrow by far; people do not. The spread of M over candidates is the judge."""
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
            memory = verdict_on(outputs if together else replace(outputs, subject=None))[0].endpoints[0]
            widths[together].append(1.645 * (memory.example_error or 0.0))
            if together:
                gaps.append(memory.gap or 0.0)
    needed = 1.645 * np.std(gaps)  # half-width of a 90 % interval of the gap, given these retrains
    assert np.mean(widths[True]) > 0.8 * needed
    assert np.mean(widths[False]) < 0.6 * needed


def test_retain_examples_that_unlearning_exposes_are_noted_and_decide_nothing() -> None:
    world = World(forget=1500, unseen=8000, retain=2000, retrains=8)
    table = world.draw(2)
    plain = judge(table.outputs(), Policy(), name="plain", controls=NOT_RUN)
    table.phi[8, 9500:] += np.linspace(0, 2, 2000)
    exposed = judge(table.outputs(), Policy(), name="exposed", controls=NOT_RUN)
    assert plain.retained is not None and exposed.retained is not None
    assert not any(part.interval[0] > 0 for part in plain.retained.comparisons if part.name == "auc_z")
    found = {part.name: part for part in exposed.retained.comparisons}
    assert found["auc_z"].gap > 0.15 and found["auc_z"].interval[0] > 0
    assert any(note.startswith("RETAIN_EXPOSED: ") for note in exposed.verdict.notes)
    assert exposed.verdict.outcome == plain.verdict.outcome
    assert found["auc_z"].retrains == next(part.retrains for part in plain.retained.comparisons if part.name == "auc_z")


def test_groups_are_found_in_the_order_of_their_numbers() -> None:
    world = World(forget=2400, unseen=4000, retrains=3, classes=12)
    found = _groups(verdict_on(world.draw(0).outputs())[0])
    assert list(found)[:12] == [f"class {label}" for label in range(12)]
