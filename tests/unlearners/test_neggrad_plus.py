"""NegGrad+: the weighted loss, its gradient, and the recycled forget set."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vestige.learners.training.batches import Batches
from vestige.unlearners.finetune import Finetune
from vestige.unlearners.neggrad_plus import NegGradPlus, neggrad_loss
from vestige.unlearners.shared.pool import Pool


def test_the_loss_of_the_worked_example() -> None:
    assert float(neggrad_loss(torch.tensor(0.2), torch.tensor(0.5), 0.95)) == pytest.approx(0.165, abs=1e-7)


def test_beta_one_is_finetune_bit_for_bit(world: Any) -> None:
    settings: dict[str, Any] = {"rate": 1.0, "share": 0.4, "schedule": "cosine"}
    one = NegGradPlus(beta=1.0, **settings)(world.model, world.task).state_dict()
    other = Finetune(**settings)(world.model, world.with_task().task).state_dict()
    for key in one:
        assert torch.equal(one[key], other[key]), key
    assert world.task.meter.cost().forward_examples_forget == 0


def test_the_gradient_is_that_of_both_terms(perceptron_world: Any, fresh_model: Any) -> None:
    world = perceptron_world.with_recipe(weight_decay=0.0, batch_size=64)
    task, model, beta = world.task, fresh_model(world), 0.8
    method = NegGradPlus(beta=beta, rate=1.0, share=0.1, schedule="constant", momentum=0.0, clip=None, cap=100.0)
    candidate = method(model, task)

    def gradient(indices: Any) -> list[torch.Tensor]:
        (x, y), *_ = Batches(task.examples, indices, task.recipe, task.device).plain(100)
        return list(torch.autograd.grad(F.cross_entropy(model(x), y), list(model.parameters())))

    pairs = zip(model.parameters(), candidate.parameters(), gradient(task.retain), gradient(task.forget), strict=True)
    for before, after, retain, forget in pairs:
        expected = before - 0.05 * (beta * retain - (1 - beta) * forget)
        torch.testing.assert_close(after, expected, rtol=1e-5, atol=1e-7)


def test_the_cap_leaves_the_forget_term_out(perceptron_world: Any, fresh_model: Any) -> None:
    """What is left is beta times the retain loss: the same as a rate beta times as large."""
    world = perceptron_world.with_recipe(weight_decay=0.0)
    model, settings = fresh_model(world), {"share": 0.2, "schedule": "constant"}
    capped = NegGradPlus(beta=0.5, rate=1.0, cap=1e-6, clip=None, **settings)(model, world.task)
    slower = Finetune(rate=0.5, **settings)(model, world.with_task().task)
    for one, other in zip(capped.parameters(), slower.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    cost = world.task.meter.cost()
    assert cost.forward_examples_forget > 0 == cost.backward_examples_forget


def test_an_epoch_reads_a_forget_batch_for_each_retain_batch(world: Any) -> None:
    NegGradPlus(share=0.1, batch_size=4, cap=100.0, rate=0.01)(world.model, world.task)
    assert world.task.meter.cost().forward_examples_forget == 8 * 4  # 33 retain images in fours: 8 batches


@pytest.mark.parametrize("size", [1, 3, 4, 9, 10, 64])
def test_recycled_batches_are_full_and_use_every_example_equally(size: int, perceptron_world: Any) -> None:
    task = perceptron_world.task
    numbered = task.examples.read(task.forget)[0].astype(np.float32)
    stream = Pool(task, "forget").recycled(size)
    drawn: list[int] = []
    while len(drawn) < 40:
        x, y = next(stream)
        assert len(x) == len(y) == min(size, 10)
        for picture in x:
            pixels = (picture.permute(1, 2, 0) * 63.75 + 127.5).numpy()
            drawn.append(int(np.abs(numbered - pixels).sum((1, 2, 3)).argmin()))
    passes = [drawn[start : start + 10] for start in range(0, 40, 10)]
    assert all(sorted(one) == list(range(10)) for one in passes)
    assert len({tuple(one) for one in passes}) > 1, "every pass is shuffled afresh"


def test_no_update_is_longer_than_rate_times_clip(perceptron_world: Any, fresh_model: Any) -> None:
    world = perceptron_world.with_recipe(weight_decay=0.0, batch_size=64)
    model = fresh_model(world)
    method = NegGradPlus(beta=0.8, rate=1.0, share=0.1, schedule="constant", momentum=0.0, clip=0.01)
    candidate = method(model, world.task)
    pairs = zip(candidate.parameters(), model.parameters(), strict=True)
    moved = torch.cat([(one - other).detach().flatten() for one, other in pairs])
    assert float(moved.norm()) == pytest.approx(0.05 * 0.01, rel=1e-2)


@pytest.mark.parametrize("bn, passes", [("train", 2), ("frozen_on_forget", 1), ("frozen", 0)])
def test_which_batches_enter_the_running_statistics(bn: Any, passes: int, convolutional_world: Any) -> None:
    world = convolutional_world.with_task()
    candidate = NegGradPlus(share=0.1, bn=bn)(world.model, world.task)
    counted = candidate.body[1].num_batches_tracked - world.model.body[1].num_batches_tracked
    assert int(counted) == passes * 2  # 33 retain images in sixteens: two batches


def test_a_penalty_keeps_the_candidate_near_the_original(perceptron_world: Any) -> None:
    def distance(weight: float) -> float:
        world = perceptron_world.with_task()
        settings: dict[str, Any] = {"beta": 0.9, "rate": 1.0, "share": 0.5, "l2_to_init": weight}
        candidate = NegGradPlus(**settings)(world.model, world.task)
        pairs = zip(candidate.parameters(), world.model.parameters(), strict=True)
        return sum(float((a - b).detach().square().sum()) for a, b in pairs)

    assert distance(0.0) > distance(0.5) > distance(5.0)
