"""Boundary Shrink: the attack in pixel space, the neighbouring class, and training on it."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vestige.learners.data.examples import Examples
from vestige.learners.training.architectures import Classifier
from vestige.learners.training.batches import to_input
from vestige.learners.training.recipe import Recipe
from vestige.unlearners.boundary_shrink import BoundaryShrink
from vestige.unlearners.core.task import Task
from vestige.unlearners.shared.boundary import neighbours, sign_attack
from vestige.unlearners.shared.pool import Pool


def shrink(**more: Any) -> BoundaryShrink:
    return BoundaryShrink(**{"rate": 0.02, "passes": 1, "momentum": 0.0, "max_utility_loss": 1.0, **more})


def pixels(x: torch.Tensor) -> torch.Tensor:
    """Network inputs as fractions of white."""
    return (x.double() * 63.75 + 127.5) / 255


def linear(weight: list[list[float]], bias: list[float]) -> Classifier:
    """A classifier of two pixels: logits are affine in the network's input, which lies in [-2, 2]."""
    head = nn.Linear(2, len(bias))
    head.weight.data, head.bias.data = torch.tensor(weight), torch.tensor(bias)
    return Classifier(nn.Flatten(), head).eval()


def two_pixels(images: list[list[int]], labels: list[int], classes: int) -> Task:
    """A task on pictures of one row of two pixels, all of them to be forgotten but the last."""
    array = np.array(images, dtype=np.uint8).reshape(-1, 1, 2, 1)
    names = tuple("abcdef"[:classes])
    examples = Examples(array, np.array(labels, dtype=np.int64), names, "two", np.zeros(len(labels), dtype=np.bool_))
    return Task(
        examples=examples,
        forget=np.arange(len(labels) - 1),
        retain=np.arange(len(labels) - 1, len(labels)),
        recipe=Recipe(architecture="mlp", epochs=2, batch_size=2, learning_rate=0.05),
        seed=3,
        device=torch.device("cpu"),
    )


@pytest.mark.parametrize("epsilon", [0.0, 0.01, 0.1, 1.0])
def test_an_attacked_image_is_near_within_range_and_on_the_grid(epsilon: float, world: Any) -> None:
    for x, y in Pool(world.task, "forget", augment=False).plain(100):
        attacked = sign_attack(copy.deepcopy(world.model).eval(), x, y, epsilon)
        before, after = pixels(x), pixels(attacked)
        assert float((after - before).abs().max()) <= epsilon + 1 / 510 + 1e-6
        assert float(after.min()) >= -1e-6 and float(after.max()) <= 1 + 1e-6
        torch.testing.assert_close(after * 255, (after * 255).round(), rtol=0, atol=1e-4)
        assert attacked.shape == x.shape
        assert torch.equal(attacked, x) == (epsilon == 0)


def test_the_attack_moves_every_pixel_by_epsilon_along_the_sign_of_the_gradient() -> None:
    """Logits (0, u - v): for class 0 the loss rises with u and falls with v, whatever the values."""
    model = linear([[0.0, 0.0], [1.0, -1.0]], [0.0, 0.0])
    x = to_input(torch.tensor([[100, 100], [250, 10]], dtype=torch.uint8).reshape(2, 1, 2, 1))
    attacked = pixels(sign_attack(model, x, torch.tensor([0, 0]), 0.2)) * 255
    torch.testing.assert_close(attacked.reshape(2, 2), torch.tensor([[151.0, 49.0], [255.0, 0.0]]).double())


def test_the_attack_takes_epsilon_of_the_pixel_range_and_not_of_the_input() -> None:
    """A step of .1 in pixels is .4 in inputs: enough for a boundary .35 away, which .1 in inputs would not reach."""
    model = linear([[-1.0, 0.0], [0.0, 0.0]], [0.35, 0.0])  # class 0 while the first input is below .35
    task = two_pixels([[127, 127], [0, 0]], [0, 1], 2)
    assert neighbours(model, task, "x", epsilon=0.1, exclude_true=False).tolist() == [1]
    assert neighbours(model, task, "x", epsilon=0.05, exclude_true=False).tolist() == [0]


def test_the_neighbour_of_a_linear_classifier_is_the_nearest_class() -> None:
    """Class 0 in the middle, 1 beyond the boundary u = .5, 2 beyond v = .8, 3 far away: an image on the side of 1
    becomes 1 and one on the side of 2 becomes 2."""
    model = linear([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [-1.0, -1.0]], [0.0, -1.0, -1.6, -9.0])
    task = two_pixels([[150, 100], [100, 170], [0, 0]], [0, 0, 1], 4)
    assert neighbours(model, task, "x", epsilon=0.1, exclude_true=True).tolist() == [1, 2]


def test_the_true_class_is_left_out_only_when_asked() -> None:
    """Far inside class 0 the attack fails: the largest logit is the image's own."""
    model = linear([[-9.0, 0.0], [0.0, 0.0], [0.0, 0.5]], [0.0, 0.0, 0.0])
    task = two_pixels([[10, 200], [0, 0]], [0, 1], 3)
    assert neighbours(model, task, "x", epsilon=0.1, exclude_true=True).tolist() == [2]
    assert neighbours(model, task, "x", epsilon=0.1, exclude_true=False).tolist() == [0]


def test_no_target_is_the_true_label_and_the_network_stays(world: Any) -> None:
    world = world.of("class")
    model, before = copy.deepcopy(world.model), world.state()
    found = neighbours(model, world.task, "x", epsilon=0.1, exclude_true=True)
    assert found.shape == (len(world.task.forget),) and found.dtype == torch.int64
    assert not (found == torch.from_numpy(world.task.examples.labels[world.task.forget])).any()
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[key]), key
    assert all(parameter.grad is None for parameter in model.parameters())


def test_targets_come_in_the_order_of_the_forget_set_whatever_the_batches(world: Any) -> None:
    world = world.of("class")
    one = neighbours(copy.deepcopy(world.model), world.task, "x", epsilon=0.3, exclude_true=True)
    small = world.with_recipe(batch_size=3).task
    assert torch.equal(one, neighbours(copy.deepcopy(world.model), small, "x", epsilon=0.3, exclude_true=True))


def test_targets_are_the_answers_to_the_attacked_images_as_they_are(world: Any) -> None:
    world = world.of("class")
    (x, y), *_ = Pool(world.task, "forget", augment=False).plain(100)
    model = copy.deepcopy(world.model).eval()
    logits = model(sign_attack(model, x, y, 0.1)).detach()
    expected = logits.masked_fill(F.one_hot(y, 3).bool(), -torch.inf).argmax(1)
    assert torch.equal(neighbours(model, world.task, "x", epsilon=0.1, exclude_true=True), expected)


def test_one_step_descends_the_loss_on_the_targets(world: Any, fresh_model: Any) -> None:
    world = world.of("class").with_recipe(augmentation="none").with_task(validation=None)
    model = fresh_model(world).eval()
    found = neighbours(copy.deepcopy(model), world.task, "x", epsilon=0.1, exclude_true=True)
    (x, _), *_ = Pool(world.task, "forget", augment=False).plain(100)
    candidate = shrink(rate=2.0, batch_size=64)(model, world.task)
    loss = F.cross_entropy(model(x), found)
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    for before, after, gradient in zip(model.parameters(), candidate.parameters(), gradients, strict=True):
        torch.testing.assert_close(after, before - 2.0 * 0.05 * gradient, rtol=1e-5, atol=1e-6)
    assert float(F.cross_entropy(candidate(x), found).detach()) < float(loss.detach())


def test_the_class_is_no_longer_recognised(world: Any) -> None:
    world = world.of("class")
    # The validation examples of this small world are few; the floor is off.
    candidate = shrink(rate=0.5, passes=60, momentum=0.9)(world.model, world.task)
    (x, y), *_ = Pool(world.task, "forget", augment=False).plain(100)
    with torch.no_grad():
        right = (candidate(x).argmax(1) == y).float().mean()
        before = (copy.deepcopy(world.model).eval()(x).argmax(1) == y).float().mean()
    assert float(right) < 0.5 < float(before)


def test_targets_cost_two_forward_passes_and_one_backward_pass(world: Any) -> None:
    task = world.of("class").with_task(validation=None).task
    shrink(passes=1)(world.model, task)
    cost, n = task.meter.cost(), len(task.forget)
    assert cost.forward_examples_forget == 2 * n + n + n  # targets, training, rule
    assert cost.backward_examples_forget == n + n


def test_without_a_budget_no_target_is_made(world: Any) -> None:
    task = world.of("class").task
    candidate = shrink(passes=0)(world.model, task)
    assert task.meter.cost().image_passes == 0
    for key, tensor in candidate.state_dict().items():
        assert torch.equal(tensor, world.model.state_dict()[key]), key


def test_statistics_stay_unless_asked_to_train(convolutional_world: Any) -> None:
    for bn, stays in (("frozen_on_forget", True), ("frozen", True), ("train", False)):
        world = convolutional_world.of("class")
        candidate = shrink(bn=bn)(world.model, world.task)
        assert torch.equal(candidate.body[1].running_mean, world.model.body[1].running_mean) == stays, bn
