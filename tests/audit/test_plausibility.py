"""Wrong files are refused, honest ones are not: rates by simulation, seeds given."""

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from vestige.audit.data_checks.label_order import moved_classes
from vestige.audit.data_checks.plausibility import Problem, check_plausible, far_below, find_problems, near_chance
from vestige.learners.errors import DataError

Floats = NDArray[np.float64]


def logits_of(
    labels: NDArray[np.int64], classes: int, accuracy: float, random: np.random.Generator, similar: float = 0.0
) -> Floats:
    """A model that is right with this probability; wrong answers go, in share ``similar``, to the next class."""
    wrong = (labels + random.integers(1, classes, len(labels))) % classes
    near = (labels ^ 1) % classes
    wrong = np.where((random.random(len(labels)) < similar) & (near != labels), near, wrong)
    answers = np.where(random.random(len(labels)) < accuracy, labels, wrong)
    found = random.normal(0, 0.1, (len(labels), classes))
    found[np.arange(len(labels)), answers] += 5
    return found


def world(
    random: np.random.Generator, accuracy: float = 0.9, n: int = 600, classes: int = 10, *, retain: bool = True
) -> tuple[dict[str, Floats], NDArray[np.int64], NDArray[np.str_]]:
    labels = random.integers(0, classes, n)
    role = np.repeat(["forget", "unseen", "retain" if retain else "unseen"], n // 3)
    names = ("original", "retrain 1", "retrain 2", "retrain 3", "candidate")
    return {name: logits_of(labels, classes, accuracy, random) for name in names}, labels, role


def kinds(models: Mapping[str, Floats], labels: NDArray[np.int64], role: NDArray[np.str_]) -> set[str]:
    return {f"{one.model}: {one.kind}" for one in problems(models, labels, role)}


def problems(models: Mapping[str, Floats], labels: NDArray[np.int64], role: NDArray[np.str_]) -> tuple[Problem, ...]:
    classes = next(iter(models.values())).shape[1]
    return find_problems({name: one.argmax(1) for name, one in models.items()}, labels, role, classes)


@pytest.mark.parametrize("retain", [True, False])
def test_honest_models_have_no_problem(retain: bool) -> None:
    for seed in range(40):
        random = np.random.default_rng(seed)
        accuracy, classes = (0.95, 10) if seed % 2 else (0.3, 50)
        assert kinds(*world(random, accuracy, 900, classes, retain=retain)) == set()


@pytest.mark.parametrize("name", ["original", "retrain 2", "candidate"])
@pytest.mark.parametrize("retain", [True, False])
def test_another_order_of_the_classes_is_found_and_named(name: str, retain: bool) -> None:
    models, labels, role = world(np.random.default_rng(1), retain=retain)
    order = np.array([0, 1, 2, 7, 4, 5, 6, 3, 8, 9])
    models[name] = models[name][:, order]
    (problem,) = problems(models, labels, role)
    assert (problem.model, problem.kind) == (name, "labels") and "(7 for 3, 3 for 7)" in problem.sentence
    with pytest.raises(DataError, match=f"{name}: expected its classes in the order of the labels"):
        check_plausible([problem], weak=False)


def test_labels_that_count_from_one_are_found() -> None:
    models, labels, role = world(np.random.default_rng(2))
    shifted = {name: np.roll(logits, -1, axis=1) for name, logits in models.items()}
    found = problems(shifted, labels, role)
    assert {one.kind for one in found} == {"labels"} and len(found) == len(models)


def test_a_thousand_classes_in_another_order() -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 1000, 6000)
    logits = logits_of(labels, 1000, 0.3, random)
    order = random.permutation(1000)
    moved = dict(moved_classes(logits[:, order].argmax(1), labels, 1000, every_class=True))
    right = sum(order[answer] == label for label, answer in moved.items())
    assert right >= 0.95 * len(moved) > 100
    assert moved_classes(logits.argmax(1), labels, 1000, every_class=True) == ()


def test_no_honest_model_is_taken_for_another_order_of_classes() -> None:
    """0 of 3,200 models; an upper 95 % bound of 0.1 %: guessing, collapsed, pairs that are confused, classes that were
    unlearned and answer the most similar one, binary problems near chance, few rows."""
    alarms = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        for classes, n in ((2, 40), (10, 60), (10, 1000), (100, 1000)):
            labels = random.choice(classes, n, p=random.dirichlet(np.full(classes, 2.0)))
            guessing = random.integers(0, classes, n)
            confused = logits_of(labels, classes, 0.5, random, similar=0.9).argmax(1)
            unlearned = np.where(labels < classes // 5 + 1, classes - 1, labels)
            for predicted in (guessing, confused, unlearned, np.full(n, seed % classes)):
                alarms += bool(moved_classes(predicted, labels, classes, every_class=bool(seed % 2)))
    assert alarms == 0


def test_a_constant_answer_is_no_order_of_classes() -> None:
    """Not even where all rows, or nearly all, are of one class and the answer is a class without rows."""
    for labels in (np.zeros(200, np.int64), np.repeat([0, 2], [190, 10]), np.repeat([0, 2, 3], 60)):
        for classes in (4, 10):
            predicted = np.ones(len(labels), np.int64)
            assert moved_classes(predicted, labels, classes, every_class=True) == ()


def test_a_candidate_that_answers_wrongly_on_purpose_is_a_result() -> None:
    random = np.random.default_rng(4)
    models, labels, role = world(random, 0.95, 900, 2)
    models["candidate"] = logits_of(labels, 2, 0.4, random)  # binary, worse than guessing: unlearning gone too far
    assert kinds(models, labels, role) == set()
    models["candidate"] = logits_of(labels, 2, 0.05, random)  # as good as the others, the other way round
    assert kinds(models, labels, role) == {"candidate: labels"}


def test_a_model_near_chance_is_refused_with_what_to_check() -> None:
    random = np.random.default_rng(5)
    models, labels, role = world(random, 0.9, 3000)
    models["original"] = logits_of(labels, 10, 0.1, random)
    (problem,) = problems(models, labels, role)
    assert (problem.model, problem.kind) == ("original", "chance")
    with pytest.raises(DataError, match="original: expected accuracy above chance.*mean and std.*channels.*eval mode"):
        check_plausible([problem])
    check_plausible([problem], weak=False)


def test_a_retrain_far_below_the_others_is_refused() -> None:
    random = np.random.default_rng(6)
    models, labels, role = world(random, 0.9, 1500)
    models["retrain 2"] = logits_of(labels, 10, 0.4, random)
    assert kinds(models, labels, role) == {"retrain 2: others"}
    models["candidate"] = logits_of(labels, 10, 0.1, random)
    assert kinds(models, labels, role) == {"retrain 2: others"}  # a candidate that was destroyed is a result


def test_retrains_that_do_not_know_the_forgotten_class_are_honest() -> None:
    """Class forgetting without retain rows: every unseen row is of a class that no retrain knows."""
    random = np.random.default_rng(7)
    labels = np.full(600, 3)
    role = np.repeat(["forget", "unseen"], 300)
    models = {f"retrain {k}": logits_of(np.full(600, 5), 10, 0.9, random) for k in (1, 2, 3)}
    models["original"] = logits_of(labels, 10, 0.95, random)
    models["candidate"] = logits_of(np.full(600, 5), 10, 0.9, random)
    assert kinds(models, labels, role) == set()


def test_false_refusals_near_chance_by_simulation() -> None:
    """Honest accuracies on rows trained on, 20,000 draws each. Never more than 1.5 in 1,000 (Monte Carlo error 0.3)
    where the accuracy is at least twice chance, and among 1,000 classes at 1 % not at all."""
    random = np.random.default_rng(8)
    for accuracy, chance in ((0.2, 0.1), (0.65, 0.5), (0.01, 0.001), (0.05, 0.01)):
        for rows in (30, 300, 3000, 10_000):
            right, times = np.unique(random.binomial(rows, accuracy, 20_000), return_counts=True)
            refused = [near_chance(int(one), rows, chance) for one in right]
            assert times[refused].sum() / 20_000 <= 0.0015, (accuracy, chance, rows)


def test_guessing_is_refused_where_rows_suffice() -> None:
    random = np.random.default_rng(9)
    for chance, rows in ((0.1, 1000), (0.5, 5000), (0.001, 50_000)):
        right = random.binomial(rows, chance, 2000)
        assert np.mean([near_chance(int(one), rows, chance) for one in right]) > 0.95
    assert not near_chance(95, 100, 0.95)  # always the largest class, where that is nearly everything


def test_false_refusals_against_the_others_by_simulation() -> None:
    """Retrains of one accuracy, with a spread of 2 points between seeds: none of 8,000 is far below the others."""
    random = np.random.default_rng(10)
    for accuracy, rows in ((0.1, 100), (0.5, 50), (0.3, 1000), (0.95, 5000)):
        for _ in range(400):
            own = np.clip(random.normal(accuracy, 0.02, 5), 0.01, 1)
            found = random.binomial(rows, own) / rows
            assert not any(far_below(one, np.delete(found, k).tolist(), rows) for k, one in enumerate(found))
