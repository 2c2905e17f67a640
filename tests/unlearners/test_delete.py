"""DELETE: the masked answer of the original, the divergence from it, and what it costs."""

import copy
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from vestige.unlearners.delete import Delete, erased_targets, erasure_loss
from vestige.unlearners.shared.pool import Pool


def delete(**more: Any) -> Delete:
    return Delete(**{"rate": 0.02, "passes": 1, "momentum": 0.0, "max_utility_loss": 1.0, **more})


def answers(world: Any, model: Any) -> tuple[torch.Tensor, torch.Tensor]:
    (x, y), *_ = Pool(world.task, "forget", augment=False).plain(100)
    return model(x), y


def test_the_targets_of_the_worked_example() -> None:
    targets = erased_targets(torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([0]))
    torch.testing.assert_close(targets, torch.tensor([[0.0, 0.731059, 0.268941]]), rtol=0, atol=1e-6)


def test_the_first_loss_of_the_worked_example() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0]])
    loss = erasure_loss(logits, erased_targets(logits, torch.tensor([0])))
    assert float(loss) == pytest.approx(1.094344, abs=2e-5)  # -ln(1 - .665241)


def test_the_first_loss_is_the_mean_of_what_the_true_class_holds(world: Any) -> None:
    model = copy.deepcopy(world.model).eval()
    logits, labels = (one.detach() for one in answers(world, model))
    true = logits.softmax(1).gather(1, labels[:, None]).double()
    assert float(erasure_loss(logits, erased_targets(logits, labels))) == pytest.approx(
        float(-torch.log1p(-true).mean()), rel=1e-4
    )


def test_wrong_classes_keep_their_ratios() -> None:
    logits, labels = torch.tensor([[3.0, 1.0, -1.0, 0.5], [0.0, 2.0, 4.0, 1.0]]), torch.tensor([0, 2])
    targets = erased_targets(logits, labels)
    torch.testing.assert_close(targets.sum(1), torch.ones(2))
    assert targets[0, 0] == 0 == targets[1, 2]
    assert float(targets[0, 1] / targets[0, 2]) == pytest.approx(math.exp(2.0), rel=1e-5)
    assert float(targets[1, 1] / targets[1, 0]) == pytest.approx(math.exp(2.0), rel=1e-5)


def test_targets_in_low_precision_are_float32() -> None:
    targets = erased_targets(torch.tensor([[60.0, 1.0, 0.0]], dtype=torch.float16), torch.tensor([0]))
    assert targets.dtype == torch.float32 and torch.isfinite(targets).all()


def test_two_classes_leave_a_single_answer() -> None:
    targets = erased_targets(torch.tensor([[5.0, -5.0], [1.0, 1.0]]), torch.tensor([0, 1]))
    assert torch.equal(targets, torch.tensor([[0.0, 1.0], [1.0, 0.0]]))


def test_a_network_that_answers_the_targets_has_no_loss_and_no_gradient() -> None:
    targets = erased_targets(torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([0]))
    logits = torch.tensor([[-200.0, 1.0, 0.0]], requires_grad=True)
    loss = erasure_loss(logits, targets)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(gradient, torch.zeros(1, 3), rtol=0, atol=1e-6)


def test_the_loss_is_a_mean_over_images() -> None:
    logits, targets = torch.tensor([[2.0, 1.0, 0.0]]), torch.tensor([[0.0, 0.5, 0.5]])
    once = erasure_loss(logits, targets)
    torch.testing.assert_close(erasure_loss(logits.repeat(4, 1), targets.repeat(4, 1)), once)


def test_one_step_without_augmentation(world: Any, fresh_model: Any) -> None:
    world = world.of("class").with_recipe(augmentation="none").with_task(validation=None)
    model = fresh_model(world).eval()
    candidate = delete(rate=2.0, batch_size=64)(model, world.task)
    logits, labels = answers(world, model)
    wrong = logits.detach().masked_fill(F.one_hot(labels, 3).bool(), -torch.inf).softmax(1)
    # The cross-entropy against fixed targets differs from the divergence by a constant.
    loss = -(wrong * logits.log_softmax(1)).sum(1).mean()
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    for before, after, gradient in zip(model.parameters(), candidate.parameters(), gradients, strict=True):
        torch.testing.assert_close(after, before - 2.0 * 0.05 * gradient, rtol=1e-5, atol=1e-6)


def test_targets_are_those_of_the_original_throughout(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch of every pass is given the original's answers to the un-augmented images."""
    from vestige.unlearners import delete as module

    given = []
    loss = module.erasure_loss

    def recording(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        given.append(targets)
        return loss(logits, targets)

    monkeypatch.setattr(module, "erasure_loss", recording)
    world = world.of("class").with_task(validation=None)
    delete(passes=3, batch_size=4, rate=0.1)(world.model, world.task)
    expected = erased_targets(*(one.detach() for one in answers(world, copy.deepcopy(world.model).eval())))
    count = len(world.task.forget)
    passes = torch.cat(given).split(count)
    assert len(passes) == 3
    for one in passes:
        distances = (one[:, None] - expected).abs().amax(2)  # whole rows, in any order
        assert float(distances.amin(0).max()) < 1e-5 and float(distances.amin(1).max()) < 1e-5


def test_the_class_is_no_longer_recognised(world: Any) -> None:
    world = world.of("class")
    # The validation examples of this small world are few; the floor is off.
    candidate = delete(rate=0.5, passes=60, momentum=0.9)(world.model, world.task)
    with torch.no_grad():
        after, labels = answers(world, candidate)
        before, _ = answers(world, copy.deepcopy(world.model).eval())
    assert float((after.argmax(1) == labels).float().mean()) < 0.5
    assert float((before.argmax(1) == labels).float().mean()) > 0.5


def test_targets_cost_one_forward_pass(world: Any) -> None:
    task = world.of("class").with_task(validation=None).task
    delete(passes=2)(world.model, task)
    cost, n = task.meter.cost(), len(task.forget)
    assert cost.forward_examples_forget == n + 2 * len(cost.checks) * n  # targets, then training and rule
    assert cost.backward_examples_forget == len(cost.checks) * n


@pytest.mark.parametrize("setting, warned", [("class", False), ("sample", True), ("subject", True)])
def test_other_forget_sets_than_classes_are_warned_of(setting: str, warned: bool, perceptron_world: Any) -> None:
    task = perceptron_world.of(setting).task
    delete()(perceptron_world.model, task)
    assert any("made for whole classes" in note for note in task.meter.cost().notes) == warned


def test_statistics_stay_unless_asked_to_train(convolutional_world: Any) -> None:
    for bn, stays in (("frozen_on_forget", True), ("frozen", True), ("train", False)):
        world = convolutional_world.of("class")
        candidate = delete(bn=bn)(world.model, world.task)
        assert torch.equal(candidate.body[1].running_mean, world.model.body[1].running_mean) == stays, bn
