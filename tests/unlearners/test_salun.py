"""SalUn: which weights the mask keeps, and that the others keep their bits."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vestige.learners.errors import DataError
from vestige.learners.training.batches import Batches
from vestige.unlearners.random_label import RandomLabel
from vestige.unlearners.salun import SalUn
from vestige.unlearners.shared.saliency import largest, saliency_mask


def mask_of(world: Any, share: float = 0.5, batch_size: int = 4) -> list[torch.Tensor]:
    return saliency_mask("salun", world.model, world.task, share=share, batch_size=batch_size)


def test_the_largest_magnitudes_of_all_tensors_together_are_kept() -> None:
    first, second = torch.tensor([[1.0, -5.0], [2.0, 0.0]]), torch.tensor([-3.0, 4.0])
    one, other = largest([first, second], 0.5)
    assert one.tolist() == [[False, True], [False, False]]
    assert other.tolist() == [True, True]


def test_of_equal_magnitudes_the_first_are_kept() -> None:
    one, other = largest([torch.ones(3), -torch.ones(4)], 0.6)
    assert torch.cat([one, other]).tolist() == [True] * 4 + [False] * 3


@pytest.mark.parametrize("share", [0.001, 0.1, 0.29, 0.5, 0.9, 1.0])
def test_exactly_the_share_of_entries_is_kept(share: float) -> None:
    values = [torch.randn(size, generator=torch.Generator().manual_seed(size)).round(decimals=1) for size in (70, 30)]
    kept = torch.cat(largest(values, share))
    assert int(kept.sum()) == int(share * 100)
    magnitudes = torch.cat(values).abs()
    if 0 < kept.sum() < 100:
        assert magnitudes[kept].min() >= magnitudes[~kept].max()


def test_the_mask_is_that_of_the_signed_sum_of_batch_gradients(world: Any) -> None:
    task = world.task
    model = world.model.eval()
    total = [torch.zeros_like(parameter) for parameter in model.parameters()]
    batches = Batches(task.examples, task.forget, task.recipe, task.device, augment=False)
    for x, y in batches.plain(4):
        gradients = torch.autograd.grad(F.cross_entropy(model(x), y), list(model.parameters()))
        total = [one + other for one, other in zip(total, gradients, strict=True)]
    for one, other in zip(mask_of(world), largest(total, 0.5), strict=True):
        assert torch.equal(one, other)
    cost = task.meter.cost()
    assert (cost.forward_examples_forget, cost.backward_examples_forget) == (10, 10)


def test_the_order_within_a_batch_does_not_matter(world: Any) -> None:
    forget = world.task.forget
    swapped = np.concatenate([forget[:4][::-1], forget[4:8][::-1], forget[8:]])
    masks = [
        torch.cat([part.flatten() for part in mask_of(world.with_task(forget=order))]) for order in (forget, swapped)
    ]
    assert (masks[0] != masks[1]).float().mean() < 0.005  # rounding may decide near the threshold


def test_weights_outside_the_mask_keep_their_bits(world: Any) -> None:
    heavy = world.with_recipe(weight_decay=0.1)
    mask = mask_of(heavy, share=0.3, batch_size=16)
    candidate = SalUn(rho=0.3, rate=1.0, share=0.5, momentum=0.9)(heavy.model, heavy.task)
    moved = 0
    for before, after, may in zip(heavy.model.parameters(), candidate.parameters(), mask, strict=True):
        assert torch.equal(before[~may], after[~may])
        moved += int((before[may] != after[may]).sum())
    assert moved > 0.9 * sum(int(part.sum()) for part in mask)


@pytest.mark.parametrize("redraw", ["epoch", "once"])
def test_with_all_weights_it_is_random_label_bit_for_bit(redraw: Any, world: Any) -> None:
    settings: dict[str, Any] = {"rate": 0.5, "share": 0.3, "redraw": redraw}
    one = SalUn(rho=1.0, **settings)(world.model, world.task).state_dict()
    other = RandomLabel(**settings)(world.model, world.with_task().task).state_dict()
    for key in one:
        assert torch.equal(one[key], other[key]), key
    less = SalUn(rho=0.9, **settings)(world.model, world.with_task().task).state_dict()
    assert not all(torch.equal(one[key], less[key]) for key in one)


def test_frozen_parameters_are_not_ranked(perceptron_world: Any) -> None:
    world = perceptron_world.with_task()
    world.model.head.bias.requires_grad_(False)
    try:
        mask = mask_of(world)
        trainable = [parameter for parameter in world.model.parameters() if parameter.requires_grad]
        assert [part.shape for part in mask] == [parameter.shape for parameter in trainable]
        assert sum(int(part.sum()) for part in mask) == sum(map(torch.Tensor.numel, trainable)) // 2
    finally:
        world.model.head.bias.requires_grad_(True)


def test_a_gradient_that_is_not_finite_is_refused(perceptron_world: Any, fresh_model: Any) -> None:
    world = replace(perceptron_world.with_task(), model=fresh_model(perceptron_world))
    with torch.no_grad():
        world.model.head.weight.fill_(torch.inf)
    with pytest.raises(DataError, match="salun diverged: expected the gradient of the forget set to be finite"):
        mask_of(world)
