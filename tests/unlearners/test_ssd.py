"""Selective Synaptic Dampening: the rule by hand, the importances, and what may not happen to a weight."""

from typing import Any

import numpy as np
import pytest
import torch

from vestige.learners.training.batches import Batches
from vestige.unlearners.shared.gradients import batch_gradient, per_sample_gradients
from vestige.unlearners.ssd import SSD, dampened

WEIGHT, EVERYWHERE, FORGET = (torch.tensor(row) for row in ([2.0, 4.0, -3.0], [1.0, 1.0, 2.0], [20.0, 5.0, 30.0]))


def test_the_worked_example() -> None:
    after = dampened(WEIGHT, EVERYWHERE, FORGET, 10.0, 1.0)
    torch.testing.assert_close(after, torch.tensor([0.1, 4.0, -0.2]), rtol=1e-6, atol=0)
    assert torch.equal(dampened(WEIGHT, EVERYWHERE, FORGET, 10.0, 25.0), WEIGHT), "a factor is at most 1"


@pytest.mark.parametrize(
    "everywhere, forget, expected",
    [(0.0, 0.0, 2.0), (0.0, 1.0, 0.0), (1e-30, 1e-28, 0.02), (1.0, 0.0, 2.0), (1.0, 10.0, 2.0)],
)
def test_importances_of_zero_and_at_the_threshold(everywhere: float, forget: float, expected: float) -> None:
    after = dampened(torch.tensor([2.0]), torch.tensor([everywhere]), torch.tensor([forget]), 10.0, 1.0)
    assert float(after) == pytest.approx(expected, rel=1e-5)


def by_hand(world: Any, indices: Any) -> list[torch.Tensor]:
    """Squares of single images' gradients, averaged."""
    task = world.task
    (x, y), *_ = Batches(task.examples, indices, task.recipe, task.device, augment=False).plain(100)
    parts = list(zip(*per_sample_gradients(world.model, x, y), strict=True))
    return [torch.cat(part).square().mean(0) for part in parts]


def test_squares_of_single_images(world: Any) -> None:
    both = np.concatenate([world.task.forget, world.task.retain])
    after = SSD(alpha=1.5, lam=0.5, importance="per_sample")(world.model, world.task)
    overall, own = by_hand(world, both), by_hand(world, world.task.forget)
    moved = 0
    for before, now, everywhere, forget in zip(world.model.parameters(), after.parameters(), overall, own, strict=True):
        expected = dampened(before.detach(), everywhere, forget, 1.5, 0.5)
        agreed = torch.isclose(now.detach(), expected, rtol=1e-3, atol=1e-6)
        edge = torch.isclose(forget, 1.5 * everywhere, rtol=1e-3)
        assert bool((agreed | edge).all())
        moved += int((now != before).sum())
    assert moved > 0


def test_squares_of_batch_means(perceptron_world: Any) -> None:
    """A forget set of one batch: its importance is the square of one gradient."""
    world = perceptron_world.with_task()
    task = world.task
    after = SSD(alpha=1e-9, lam=1.0, batch_size=64)(world.model, task)
    (x, y), *_ = Batches(task.examples, task.forget, task.recipe, task.device, augment=False).plain(100)
    gradients = batch_gradient(world.model, x, y)
    method = SSD(alpha=1.0)
    both = np.concatenate([task.forget, task.retain])
    everywhere = method._importances(world.model, world.with_task().task, both, 10, steps=(0, 5))
    for before, now, gradient, overall in zip(
        world.model.parameters(), after.parameters(), gradients, everywhere, strict=True
    ):
        chosen = gradient.square() > 1e-9 * overall
        factor = (overall / gradient.square().where(chosen, torch.ones(()))).clamp(max=1)
        expected = torch.where(chosen, before * factor, before).detach()
        torch.testing.assert_close(now.detach(), expected, rtol=1e-3, atol=1e-6)


def test_a_short_last_batch_counts_by_its_images(perceptron_world: Any) -> None:
    """Five images in batches of four: weights 4/5 and 1/5, not a half each."""
    world = perceptron_world.with_task()
    task, model, five = world.task, world.model, perceptron_world.task.retain[:5]
    got = SSD(alpha=1.0)._importances(model, task, five, 4, steps=(0, 2))
    from vestige.unlearners.ssd import _batches

    squares = [[part.square() for part in batch_gradient(model, x, y)] for x, y in _batches(task, five, 4)]
    for mean, first, last in zip(got, *squares, strict=True):
        torch.testing.assert_close(mean, 0.8 * first + 0.2 * last, rtol=1e-5, atol=1e-9)


def test_both_sets_use_the_batch_size_that_the_smaller_allows(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from vestige.unlearners import ssd

    sizes: list[int] = []
    batches = ssd._batches
    monkeypatch.setattr(ssd, "_batches", lambda task, indices, size: sizes.append(size) or batches(task, indices, size))
    SSD(alpha=3.0)(world.model, world.task)
    SSD(alpha=3.0, batch_size=4)(world.model, world.with_task().task)
    assert sizes == [10, 10, 4, 4]


def test_no_weight_grows_or_changes_sign_and_statistics_stay(world: Any) -> None:
    before = world.state()
    after = SSD(alpha=1.2, lam=1.0)(world.model, world.task).state_dict()
    learned = {key for key, _ in world.model.named_parameters()}
    assert any(not torch.equal(before[key], after[key]) for key in learned)
    for key in before:
        if key not in learned:
            assert torch.equal(before[key], after[key]), key
        else:
            assert bool((after[key].abs() <= before[key].abs()).all())
            assert bool((after[key] * before[key] >= 0).all())


def test_a_huge_alpha_is_the_identity(world: Any) -> None:
    after = SSD(alpha=1e30)(world.model, world.task).state_dict()
    assert all(torch.equal(tensor, world.state()[key]) for key, tensor in after.items())
    assert world.task.meter.cost().notes[0].startswith("0 of ")


def test_a_smaller_alpha_dampens_more(world: Any) -> None:
    def moved(alpha: float) -> int:
        after = SSD(alpha=alpha)(world.model, world.with_task().task).state_dict()
        return sum(int((tensor != world.state()[key]).sum()) for key, tensor in after.items())

    assert moved(3.0) < moved(1.5) < moved(1.05)


def test_a_frozen_parameter_is_left_alone(perceptron_world: Any, fresh_model: Any) -> None:
    model = fresh_model(perceptron_world)
    model.head.weight.requires_grad_(False)
    candidate = SSD(alpha=1e-6, lam=0.01)(model, perceptron_world.with_task().task)
    assert torch.equal(candidate.head.weight, model.head.weight)
    assert not torch.equal(candidate.head.bias, model.head.bias)


@pytest.mark.parametrize("importance", ["batch", "per_sample"])
def test_the_bill_counts_roles_apart(importance: Any, world: Any) -> None:
    SSD(alpha=2.0, importance=importance)(world.model, world.task)
    cost = world.task.meter.cost()
    assert (cost.forward_examples_forget, cost.forward_examples_retain) == (20, 33)
    assert (cost.backward_examples_forget, cost.backward_examples_retain) == (20, 33)
    assert cost.image_passes == (2 * 10 + 33) * 3


def test_whole_classes_have_a_threshold_of_their_own(perceptron_world: Any) -> None:
    by_class = perceptron_world.of("class")
    assert SSD().resolve(perceptron_world.model, perceptron_world.task).alpha == 3.0
    assert SSD().resolve(by_class.model, by_class.task).alpha == 10.0
