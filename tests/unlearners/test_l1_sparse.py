"""L1-sparse: the schedule of the penalty, what it sums, and what one step does."""

from typing import Any

import numpy as np
import pytest
import torch

from vestige.learners.training.batches import Batches
from vestige.unlearners.finetune import Finetune
from vestige.unlearners.l1_sparse import L1Sparse, l1_norm, penalty_at
from vestige.unlearners.shared.losses import retain_loss


def test_the_schedule_of_the_worked_example() -> None:
    expected = [1e-4, 8.75e-5, 7.5e-5, 6.25e-5, 5e-5, 3.75e-5, 2.5e-5, 1.25e-5, 0, 0]
    assert [penalty_at(1e-4, epoch, 8) for epoch in range(10)] == pytest.approx(expected, rel=1e-12)


def test_without_penalised_epochs_there_is_no_penalty() -> None:
    assert penalty_at(1.0, 0, 0) == 0


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, [1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0, 0]),
        ({"free": 0.0}, [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]),
        ({"free": 1.0}, [0] * 10),
        ({"penalty_epochs": 4}, [1, 0.75, 0.5, 0.25, 0, 0, 0, 0, 0, 0]),
        ({"penalty_epochs": 0}, [0] * 10),
        ({"penalty_epochs": 99}, [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]),
    ],
)
def test_the_penalty_of_each_epoch(
    options: dict[str, Any], expected: list[float], perceptron_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vestige.unlearners import l1_sparse

    used: list[float] = []
    weigh = l1_sparse._loss
    monkeypatch.setattr(l1_sparse, "_loss", lambda task, penalty: used.append(penalty) or weigh(task, penalty))
    world = perceptron_world.with_task()
    L1Sparse(share=1.0, rate=1e-6, penalty=1.0, **options)(world.model, world.task)
    assert used == pytest.approx(expected)


def test_the_norm_sums_every_trainable_parameter(convolutional_world: Any, fresh_model: Any) -> None:
    model = fresh_model(convolutional_world)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(-1.0)
    assert any("body.1." in name for name, _ in model.named_parameters()), "scale and shift of the normalisation"
    assert float(l1_norm(model).detach()) == sum(parameter.numel() for parameter in model.parameters())
    model.head.requires_grad_(False)
    assert float(l1_norm(model).detach()) == sum(parameter.numel() for parameter in model.body.parameters())


def test_without_a_gradient_of_the_loss_every_weight_moves_by_rate_times_penalty(
    perceptron_world: Any, fresh_model: Any
) -> None:
    world = perceptron_world.with_recipe(weight_decay=0.0, batch_size=64)
    labels = world.task.examples.labels
    own = world.task.retain[labels[world.task.retain] == 1]
    world, model = world.with_task(retain=own), fresh_model(world)
    with torch.no_grad():
        model.head.bias.copy_(torch.tensor([0.0, 1e4, 0.0]))  # so sure that the softmax is exactly one-hot
        model.body[1].weight[0, 0] = 0.0
    settings: dict[str, Any] = {"share": 0.1, "rate": 1.0, "schedule": "constant", "momentum": 0.0}
    candidate = L1Sparse(penalty=0.25, **settings)(model, world.task)
    for before, after in zip(model.parameters(), candidate.parameters(), strict=True):
        assert torch.equal(after, before - 0.05 * (0.25 * before.sign()))


def test_the_gradient_is_that_of_the_loss_and_the_norm(perceptron_world: Any, fresh_model: Any) -> None:
    world = perceptron_world.with_recipe(weight_decay=0.0, batch_size=64)
    task, model = world.task, fresh_model(world)
    settings: dict[str, Any] = {"share": 0.1, "rate": 1.0, "schedule": "constant", "momentum": 0.0}
    candidate = L1Sparse(penalty=0.1, **settings)(model, task)
    (x, y), *_ = Batches(task.examples, task.retain, task.recipe, task.device).plain(100)
    gradients = torch.autograd.grad(retain_loss(model(x), y, task.recipe), list(model.parameters()))
    for before, after, gradient in zip(model.parameters(), candidate.parameters(), gradients, strict=True):
        torch.testing.assert_close(after, before - 0.05 * (gradient + 0.1 * before.sign()), rtol=1e-5, atol=1e-7)


def test_a_penalty_of_zero_is_finetune_bit_for_bit(world: Any) -> None:
    settings: dict[str, Any] = {"rate": 1.0, "share": 0.4}
    one = L1Sparse(penalty=0.0, **settings)(world.model, world.task).state_dict()
    other = Finetune(**settings)(world.model, world.with_task().task).state_dict()
    for key in one:
        assert torch.equal(one[key], other[key]), key


def test_a_larger_penalty_leaves_smaller_weights(world: Any) -> None:
    def left(penalty: float) -> float:
        task = world.with_task().task
        return float(l1_norm(L1Sparse(penalty=penalty, rate=1.0, share=0.5)(world.model, task)).detach())

    norms = [left(penalty) for penalty in (0.0, 1e-3, 1e-2, 0.05)]
    assert np.all(np.diff(norms) < 0)
