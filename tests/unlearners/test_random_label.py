"""Random labels: what is drawn, when it is redrawn, and what is read."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from vestige.learners.errors import ConfigError
from vestige.learners.seeds import torch_generator
from vestige.learners.training.batches import Batches
from vestige.unlearners.core.registry import create
from vestige.unlearners.finetune import Finetune
from vestige.unlearners.random_label import RandomLabel
from vestige.unlearners.shared import random_labels as module
from vestige.unlearners.shared.random_labels import random_labels

CLASSES = 5


def drawn(labels: Any, count: int = 20_000) -> tuple[torch.Tensor, torch.Tensor]:
    true = torch.arange(count) % CLASSES
    return true, random_labels(true, CLASSES, labels, torch_generator(3, "test"))


def test_no_label_is_the_true_one_and_the_others_are_equally_likely() -> None:
    true, wrong = drawn("exclude_true")
    assert wrong.dtype == torch.int64
    assert not (wrong == true).any()
    for label in range(CLASSES):
        shares = torch.bincount(wrong[true == label], minlength=CLASSES) / 4_000
        assert shares[label] == 0
        assert (shares[torch.arange(CLASSES) != label] - 1 / 4).abs().max() < 5 * (0.25 * 0.75 / 4_000) ** 0.5


def test_the_true_label_comes_up_once_in_classes_draws() -> None:
    true, any_label = drawn("include_true")
    share = float((any_label == true).float().mean())
    assert abs(share - 1 / CLASSES) < 5 * (0.2 * 0.8 / len(true)) ** 0.5
    assert set(any_label.tolist()) == set(range(CLASSES))


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Every set of labels that the method draws."""
    calls: list[torch.Tensor] = []
    draw = random_labels

    def remember(*arguments: Any) -> torch.Tensor:
        calls.append(draw(*arguments))
        return calls[-1]

    monkeypatch.setattr(module, "random_labels", remember)
    return calls


@pytest.mark.parametrize("redraw, expected", [("epoch", 4), ("once", 1)])
def test_labels_are_drawn_every_epoch_or_once(
    redraw: Any, expected: int, perceptron_world: Any, recorded: list[torch.Tensor]
) -> None:
    world = perceptron_world.with_task()
    RandomLabel(rate=0.1, share=0.4, redraw=redraw)(world.model, world.task)  # one forget batch an epoch
    assert len(recorded) == expected
    if redraw == "epoch":
        assert len({tuple(labels.tolist()) for labels in recorded}) > 1


def test_with_labels_drawn_once_the_forget_examples_are_learnt_with_them(
    perceptron_world: Any, recorded: list[torch.Tensor]
) -> None:
    world = perceptron_world.with_task()
    method = RandomLabel(rate=1.0, share=10.0, redraw="once", retain=False)
    candidate = method(world.model, world.task)
    (x, _), *_ = Batches(world.task.examples, world.task.forget, world.task.recipe, world.task.device).plain(10)
    with torch.no_grad():
        assert torch.equal(candidate(x).argmax(1), recorded[0])


def test_without_retain_no_retain_image_is_read(world: Any, watch: Callable[..., Any]) -> None:
    forbidden = set(range(len(world.task.examples))) - set(world.task.forget.tolist())
    examples = watch(world.task.examples, forbidden)
    alone = world.with_task(examples=examples)
    RandomLabel(share=0.2, retain=False)(alone.model, alone.task)
    assert examples.seen == set(world.task.forget.tolist())
    cost = alone.task.meter.cost()
    assert cost.image_passes == 2 * 10 * 3 and cost.forward_examples_retain == 0


def test_a_contrastive_module_without_retain_is_refused() -> None:
    with pytest.raises(ConfigError, match="^random_label: expected no contrastive module with retain = false"):
        create("random_label", {"retain": False, "contrastive": {}})


def test_the_first_step_descends_on_wrong_labels_and_the_next_on_true_ones(
    perceptron_world: Any, fresh_model: Any, recorded: list[torch.Tensor]
) -> None:
    world = perceptron_world.with_recipe(weight_decay=0.0, batch_size=64)
    task, model = world.task, fresh_model(world)
    method = RandomLabel(rate=1.0, share=0.1, schedule="constant", momentum=0.0, redraw="once")
    candidate = method(model, task)
    weights = [parameter.detach().clone() for parameter in model.parameters()]
    for indices, targets in ((task.forget, recorded[0]), (task.retain, None)):
        (x, y), *_ = Batches(task.examples, indices, task.recipe, task.device, targets=targets).plain(100)
        weights = [weight.requires_grad_() for weight in weights]
        loss = F.cross_entropy(torch.func.functional_call(model, named(model, weights), (x,)), y)
        gradients = torch.autograd.grad(loss, weights)
        weights = [(w - 0.05 * g).detach() for w, g in zip(weights, gradients, strict=True)]
    for expected, got in zip(weights, candidate.parameters(), strict=True):
        torch.testing.assert_close(got.detach(), expected, rtol=1e-5, atol=1e-6)


def named(model: torch.nn.Module, weights: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: weight for (name, _), weight in zip(model.named_parameters(), weights, strict=True)}


@pytest.mark.parametrize("bn, forget_batches", [("train", 1), ("frozen_on_forget", 0)])
def test_forget_batches_stay_out_of_the_running_statistics(
    bn: Any, forget_batches: int, convolutional_world: Any
) -> None:
    world = convolutional_world.with_task()
    candidate = RandomLabel(share=0.1, bn=bn)(world.model, world.task)
    counted = candidate.body[1].num_batches_tracked - world.model.body[1].num_batches_tracked
    assert int(counted) == 2 + forget_batches


def test_the_contrastive_module_rides_on_the_retain_pass(world: Any) -> None:
    module_off = create("random_label", {"share": 0.2, "contrastive": {"weight": 0.0}})(world.model, world.task)
    off = world.task.meter.cost()
    plain = RandomLabel(share=0.2)(world.model, world.with_task().task)
    for one, other in zip(module_off.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, other)
    create("random_label", {"share": 0.2, "contrastive": {"weight": 1.0}})(world.model, world.task)
    assert world.task.meter.cost().image_passes == off.image_passes + 2 * 33 * 3


def test_forget_examples_lose_confidence_in_their_labels(perceptron_world: Any) -> None:
    world = perceptron_world.with_task()
    task = world.task
    (x, y), *_ = Batches(task.examples, task.forget, task.recipe, task.device).plain(10)

    def loss(model: torch.nn.Module) -> float:
        with torch.no_grad():
            return float(F.cross_entropy(model(x), y))

    settings: dict[str, Any] = {"rate": 1.0, "share": 3.0}
    candidate = RandomLabel(**settings)(world.model, task)
    rehearsed = Finetune(**settings)(world.model, world.with_task().task)
    assert loss(candidate) > loss(rehearsed) > 0
    assert loss(RandomLabel(retain=False, **settings)(world.model, world.with_task().task)) > loss(world.model) + 0.1
