"""The stopping rule where whole classes are forgotten: equation 8, which images it reads, and the floor."""

from typing import Any

import numpy as np
import pytest
import torch

from vestige.unlearners.core.cost import Check
from vestige.unlearners.shared.stopping import StoppingRule


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Replaces the evaluator: a list of accuracies for each pair of role and number of images, which it records."""

    def install(**accuracies: list[float]) -> list[tuple[str, int]]:
        values, read = {key: iter(value) for key, value in accuracies.items()}, []

        def measure(name: str, model: Any, batches: Any, task: Any, role: str) -> float:
            read.append((role, len(batches)))
            return next(values[f"{role}{len(batches)}"])

        monkeypatch.setattr("vestige.unlearners.shared.stopping.accuracy", measure)
        return read

    return install


@pytest.fixture
def of_class(perceptron_world: Any) -> Any:
    """Class 0 is forgotten; validation: 4 images of the class where asked for, and 5 of the others."""

    def build(own: int = 0, others: int = 5, forgotten: tuple[int, ...] = (0,)) -> Any:
        world = perceptron_world.of("class")
        labels = world.task.examples.labels
        held_out = np.arange(43, 70)
        inside = held_out[labels[held_out] == 0]
        outside = held_out[~np.isin(labels[held_out], forgotten)]
        assert len(inside) >= own and len(outside) >= others
        trained = np.concatenate([world.task.forget, world.task.retain])
        lost = np.isin(labels[trained], forgotten)
        return world.with_task(
            forget=trained[lost],
            retain=trained[~lost],
            validation=np.sort(np.concatenate([inside[:own], outside[:others]])),
        )

    return build


def rule(world: Any, loss: float = 0.1) -> StoppingRule:
    return StoppingRule("method", world.model, world.task, max_utility_loss=loss)


def test_an_accuracy_of_exactly_one_over_the_classes_stops(stubbed: Any, of_class: Any) -> None:
    world = of_class()
    forget = len(world.task.forget)
    stubbed(validation5=[0.8, 0.8, 0.8], **{f"forget{forget}": [1 / 3 + 1e-6, 1 / 3]})
    watching = rule(world)
    assert [watching.after_pass(number, 9) for number in (1, 2)] == [False, True]
    assert world.task.meter.cost().stop == "forget accuracy 0.3333 <= 1 / 3 after pass 2"


@pytest.mark.parametrize("forgotten, right, stops", [(3, 1, True), (12, 4, True), (12, 5, False)])
def test_counts_that_make_exactly_one_third(
    forgotten: int, right: int, stops: bool, stubbed: Any, of_class: Any
) -> None:
    """A share of images is the same float as 1 / classes when it is the same number."""
    world = of_class()
    world = world.with_task(forget=world.task.forget[:forgotten])
    stubbed(validation5=[0.8, 0.8], **{f"forget{forgotten}": [right / forgotten]})
    assert rule(world).after_pass(1, 9) is stops


def test_validation_images_of_the_class_go_before_the_forget_set(stubbed: Any, of_class: Any) -> None:
    world = of_class(own=4)
    read = stubbed(validation5=[0.8, 0.8], validation4=[0.25])
    assert rule(world).after_pass(1, 9)
    assert read == [("validation", 5), ("validation", 4), ("validation", 5)]
    assert world.task.meter.cost().stop == "accuracy on validation images of the class 0.2500 <= 1 / 3 after pass 1"
    assert world.task.meter.cost().checks == (Check(1, 0.25, 0.8),)


def test_the_forget_set_is_read_when_a_forgotten_class_has_no_validation_images(stubbed: Any, of_class: Any) -> None:
    world = of_class(own=4, forgotten=(0, 1))
    forget = len(world.task.forget)
    read = stubbed(validation5=[0.8, 0.8], **{f"forget{forget}": [0.9]})
    assert not rule(world).after_pass(1, 9)
    assert ("forget", forget) in read and ("validation", 4) not in read


def test_the_floor_watches_the_other_classes_only(stubbed: Any, of_class: Any) -> None:
    """The accuracy on the class itself falls to nothing, as it should, and the floor does not mind."""
    world = of_class(own=4)
    stubbed(validation5=[0.8, 0.75, 0.72], validation4=[0.6, 0.0])
    watching = rule(world, 0.1)
    assert [watching.after_pass(number, 9) for number in (1, 2)] == [False, True]
    assert world.task.meter.cost().stop.endswith("0.0000 <= 1 / 3 after pass 2")


def test_a_collapse_is_restored_before_equation_8_is_asked(stubbed: Any, of_class: Any) -> None:
    world = of_class()
    model = world.model
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    stubbed(validation5=[0.8, 0.75, 0.1], **{f"forget{len(world.task.forget)}": [0.9, 0.0]})
    watching = rule(world, 0.1)
    try:
        model.head.bias.data.add_(1)
        good = model.head.bias.detach().clone()
        assert not watching.after_pass(1, 9)
        model.head.bias.data.add_(1)
        assert watching.after_pass(2, 9)
        assert torch.equal(model.head.bias, good)
    finally:
        model.load_state_dict(before)
    cost = world.task.meter.cost()
    assert cost.stop == (
        "utility floor: validation accuracy 0.1000 below 0.7000 after pass 2; state after pass 1 restored"
    )
    assert [check.validation_accuracy for check in cost.checks] == [0.75, 0.1]


def test_a_fall_by_exactly_what_is_tolerated_is_tolerated(stubbed: Any, of_class: Any) -> None:
    world = of_class()
    assert 0.8 - 0.1 > 0.7, "rounding alone would end the run"
    stubbed(validation5=[0.8, 0.7], **{f"forget{len(world.task.forget)}": [0.9]})
    assert not rule(world, 0.1).after_pass(1, 9)


def test_without_other_classes_the_rule_holds_and_the_missing_floor_is_recorded(stubbed: Any, of_class: Any) -> None:
    world = of_class(own=4, others=0)
    stubbed(validation4=[0.9, 0.2])
    watching = rule(world)
    assert not watching.after_pass(1, 9)
    assert watching.after_pass(2, 9)
    assert world.task.meter.cost().stop == (
        "accuracy on validation images of the class 0.2000 <= 1 / 3 after pass 2; "
        "no utility floor (no validation examples of other classes)"
    )


def test_the_budget_ends_it(stubbed: Any, of_class: Any) -> None:
    world = of_class()
    stubbed(validation5=[0.8] * 3, **{f"forget{len(world.task.forget)}": [0.9, 0.9]})
    watching = rule(world)
    assert [watching.after_pass(number, 2) for number in (1, 2)] == [False, True]
    assert world.task.meter.cost().stop == "budget (2 passes)"


def test_the_evaluator_is_that_of_inference(of_class: Any) -> None:
    """Nothing replaced: the numbers in the record are accuracies of the model on the images named."""
    from vestige.learners.training.inference import accuracy, predict_logits

    world = of_class(own=4)
    task = world.task
    rule(world, 1.0).after_pass(1, 1)
    (check,) = task.meter.cost().checks
    labels = task.examples.labels
    for own, value in ((True, check.forget_accuracy), (False, check.validation_accuracy)):
        indices = task.validation[(labels[task.validation] == 0) == own]
        logits = predict_logits(world.model, task.examples, indices, task.device)
        assert accuracy(logits, labels[indices]) == pytest.approx(value)
    cost = task.meter.cost()
    assert (cost.forward_examples_validation, cost.forward_examples_forget) == (5 + 4 + 5, 0)
