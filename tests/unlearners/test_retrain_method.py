"""Retrain, the two controls, and fine-tuning."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vestige.learners.errors import DataError
from vestige.learners.seeds import derive_seed, torch_generator
from vestige.learners.training.architectures import Classifier
from vestige.learners.training.batches import Batches
from vestige.learners.training.train import train
from vestige.unlearners.finetune import Finetune
from vestige.unlearners.fresh_retrain import FreshRetrain
from vestige.unlearners.no_op import NoOp
from vestige.unlearners.retrain import Retrain


def states_equal(one: Any, other: Any) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_retrain_with_nothing_to_forget_and_the_seed_of_the_original_is_the_original(world: Any) -> None:
    everything = np.concatenate([world.task.forget, world.task.retain])
    empty = world.with_task(forget=np.zeros(0, dtype=np.int64), retain=everything, seed=1)
    assert states_equal(Retrain()(world.model, empty.task), world.model)


def test_retrain_is_the_training_of_the_recipe_on_retain_alone(world: Any) -> None:
    task = world.task
    expected = train(task.recipe, task.examples, task.retain, task.seed, task.device)
    assert states_equal(Retrain()(world.model, task), expected)
    assert task.meter.cost().stop == "budget (10 epochs)"


def test_un_01_no_op_is_the_original(world: Any) -> None:
    assert states_equal(NoOp()(world.model, world.task), world.model)


def test_fresh_retrain_never_equals_a_retrain_of_the_same_seed(world: Any) -> None:
    task = world.task
    fresh = FreshRetrain()(world.model, task)
    assert not states_equal(fresh, Retrain()(world.model, world.with_task().task))
    seed = derive_seed(task.seed, "fresh retrain")
    assert states_equal(fresh, train(task.recipe, task.examples, task.retain, seed, task.device))


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("bn", ["train", "frozen"])
def test_finetune_equals_a_loop_written_by_hand(schedule: Any, bn: Any, world: Any, fresh_model: Any) -> None:
    task = world.with_recipe(label_smoothing=0.1).task
    method = Finetune(rate=0.4, share=0.3, schedule=schedule, bn=bn, batch_size=8, momentum=0.8)
    model = fresh_model(world)
    model.load_state_dict(world.model.state_dict())
    peak, floor, epochs = 0.4 * 0.05, min(1e-4, 1e-3 * 0.4 * 0.05), 3
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.8, weight_decay=task.recipe.weight_decay)
    batches = Batches(task.examples, task.retain, task.recipe, task.device)
    order = torch_generator(task.seed, "retain", "order")
    views = torch_generator(task.seed, "retain", "augmentation")
    step, total = 0, epochs * 4  # 33 images in eights: three of 8 and one of 9
    for _ in range(epochs):
        for x, y in batches.epoch(order, views, 8):
            model.train()
            for module in model.modules():
                if isinstance(module, torch.nn.BatchNorm2d) and bn == "frozen":
                    module.eval()
            rate = floor + (peak - floor) * 0.5 * (1 + np.cos(np.pi * step / total)) if schedule == "cosine" else peak
            optimiser.param_groups[0]["lr"] = float(rate)
            optimiser.zero_grad()
            F.cross_entropy(model(x), y, label_smoothing=0.1).backward()
            optimiser.step()
            step += 1
    assert step == total
    candidate = method(world.model, task)
    for key, tensor in model.state_dict().items():
        torch.testing.assert_close(candidate.state_dict()[key], tensor, rtol=0, atol=0)


def test_finetune_leaves_running_statistics_alone_when_they_are_frozen(convolutional_world: Any) -> None:
    world = convolutional_world.with_task()
    candidate = Finetune(bn="frozen")(world.model, world.task)
    before, after = world.model.state_dict(), candidate.state_dict()
    for key in before:
        changed = not torch.equal(before[key], after[key])
        assert changed == ("running" not in key and "num_batches" not in key), key


def test_finetune_does_not_touch_a_parameter_that_is_not_trained(world: Any, fresh_model: Any) -> None:
    model = fresh_model(world)
    model.head.weight.requires_grad_(False)
    candidate = Finetune()(model, world.task)
    assert torch.equal(candidate.head.weight, model.head.weight)
    assert not torch.equal(candidate.head.bias, model.head.bias)


def test_finetune_lowers_the_retain_loss(world: Any, fresh_model: Any) -> None:
    task = world.task

    def loss(model: Any) -> float:
        (x, y), *_ = Batches(task.examples, task.retain, task.recipe, task.device, augment=False).plain(100)
        with torch.no_grad():
            return float(F.cross_entropy(model.eval()(x), y))

    losses = [loss(Finetune(share=share, rate=1.0)(fresh_model(world), task)) for share in (0.0, 0.5, 2.0)]
    assert losses[0] > losses[1] > losses[2]


def test_dropout_draws_from_the_seed_of_the_task(perceptron_world: Any) -> None:
    body = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Dropout(0.5))
    model = Classifier(body, torch.nn.Linear(16, 3))
    states = []
    for caller in (1, 2):
        torch.manual_seed(caller)
        stream = torch.get_rng_state()
        states.append(Finetune()(model, perceptron_world.with_task().task))
        assert torch.equal(torch.get_rng_state(), stream)
    assert states_equal(*states)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_loss_that_is_not_finite_is_refused_at_once(value: float, perceptron_world: Any, fresh_model: Any) -> None:
    model = fresh_model(perceptron_world)
    model.head.bias.data[0] = value
    with pytest.raises(DataError, match="finetune diverged: expected the loss to be finite.*lower finetune.rate"):
        Finetune()(model, perceptron_world.task)
