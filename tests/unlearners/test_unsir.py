"""UNSIR: the noise, what is trained on it, and that no forget image is looked at."""

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vestige.learners.errors import DataError
from vestige.learners.seeds import torch_generator
from vestige.learners.training.inference import predict_logits
from vestige.unlearners import unsir as module
from vestige.unlearners.shared.noise import learn_noise, noise_loss
from vestige.unlearners.shared.pool import Pool
from vestige.unlearners.unsir import Unsir, mixed, subset


def quick(**more: Any) -> Unsir:
    return Unsir(**{"noise_images": 6, "noise_steps": 5, "copies": 3, "impair_rate": 1e-3, "repair_rate": 1e-3, **more})


def two_classes(world: Any) -> Any:
    labels = world.task.examples.labels
    trained = np.concatenate([world.task.forget, world.task.retain])
    lost = np.isin(labels[trained], (0, 2))
    return world.with_task(setting="class", forget=trained[lost], retain=trained[~lost], validation=None)


def learnt(world: Any, label: int, steps: int, images: int = 8, penalty: float = 0.0) -> torch.Tensor:
    return learn_noise(
        "unsir",
        world.model,
        world.task,
        label,
        images=images,
        steps=steps,
        learning_rate=0.1,
        penalty=penalty,
        generator=torch_generator(3, "noise"),
    )


# The noise.


def test_the_loss_of_a_worked_example() -> None:
    """Two even logits cost ln 2; the images' squares sum to 4 and 16, and a tenth of their mean is 1."""
    noise = torch.tensor([1.0, 2.0])[:, None, None, None].expand(2, 1, 2, 2)
    value = float(noise_loss(torch.zeros(2, 2), noise, 1, 0.1))
    assert value == pytest.approx(1.0 - math.log(2), abs=1e-6)


@pytest.mark.parametrize("label", [0, 2])
def test_noise_raises_the_error_for_its_label(label: int, world: Any) -> None:
    def error(noise: torch.Tensor) -> float:
        with torch.no_grad():
            return float(F.cross_entropy(world.model.eval()(noise), torch.full((len(noise),), label)))

    assert error(learnt(world, label, 30)) > error(learnt(world, label, 0)) + 1


def test_the_penalty_makes_noise_small(world: Any) -> None:
    sizes = [float(learnt(world, 0, 20, penalty=penalty).square().mean()) for penalty in (0.0, 0.1, 10.0)]
    assert sizes[0] > sizes[1] >= sizes[2]


def test_learning_noise_leaves_parameters_and_buffers_as_they_are(world: Any) -> None:
    before = world.state()
    world.model.train().zero_grad()
    learnt(world, 0, 10)
    after = world.model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in world.model.parameters())


def test_noise_has_the_shape_of_the_network_s_input_and_starts_at_a_standard_normal(world: Any) -> None:
    height, width, channels = world.task.examples.shape
    start = learnt(world, 0, 0, images=100)
    assert start.shape == (100, channels, height, width)
    assert abs(float(start.mean())) < 0.05 and abs(float(start.std()) - 1) < 0.05
    assert start.dtype == torch.float32 and not learnt(world, 0, 2).requires_grad


def test_noise_that_is_not_finite_is_refused(world: Any) -> None:
    with pytest.raises(DataError, match="unsir diverged: expected .*finite.*lower unsir.noise_rate"):
        quick(noise_rate=1e30)(world.model, world.of("class").task)


# What is trained on it.


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[torch.Tensor, torch.Tensor, int]]:
    """The batches of impairing."""
    seen: list[tuple[torch.Tensor, torch.Tensor, int]] = []

    def recording(*arguments: Any) -> Any:
        for batch in mixed(*arguments):
            seen.append(batch)
            yield batch

    monkeypatch.setattr(module, "mixed", recording)
    return seen


def test_every_noise_image_takes_part_with_the_label_of_its_class(world: Any, batches: Any) -> None:
    world = two_classes(world)
    quick()(world.model, world.task)
    noise = torch.cat([x[count:] for x, _, count in batches])
    labels = torch.cat([y[count:] for _, y, count in batches])
    assert len(noise) == 3 * 6 * 2  # copies x images x classes
    assert torch.bincount(labels, minlength=3).tolist() == [18, 0, 18]
    different, counts = torch.unique(noise.flatten(1), dim=0, return_counts=True)
    assert len(different) == 12 and set(counts.tolist()) == {3}
    for image in different:
        same = (noise.flatten(1) == image).all(1)
        assert len(set(labels[same].tolist())) == 1


def test_noise_and_label_of_a_class_belong_together(perceptron_world: Any, batches: Any) -> None:
    """The images labelled c are those that were learnt against c."""
    world = two_classes(perceptron_world)
    quick()(world.model, world.task)
    noise = torch.cat([x[count:] for x, _, count in batches])
    labels = torch.cat([y[count:] for _, y, count in batches])
    for label in (0, 2):
        expected = learn_noise(
            "unsir",
            world.model,
            world.task,
            label,
            images=6,
            steps=5,
            learning_rate=0.1,
            penalty=0.1,
            generator=torch_generator(world.task.seed, "unsir", "noise", label),
        )
        found = torch.unique(noise[labels == label].flatten(1), dim=0)
        assert torch.equal(found, torch.unique(expected.flatten(1), dim=0))


def test_every_retain_image_takes_part_once_beside_the_noise(perceptron_world: Any, batches: Any) -> None:
    world = perceptron_world.of("class")
    quick(repair_epochs=0)(world.model, world.task)
    retained = torch.cat([y[:count] for _, y, count in batches])
    expected = torch.bincount(torch.from_numpy(world.task.examples.labels[world.task.retain]), minlength=3)
    assert torch.equal(torch.bincount(retained, minlength=3), expected)
    sizes = [len(y) for _, y, _ in batches]
    assert sum(sizes) == len(world.task.retain) + 18 and min(sizes) > 1
    assert any(0 < count < len(y) for _, y, count in batches), "noise and retain images share batches"
    assert all(len(x) == len(y) for x, y, _ in batches)


def test_mixed_batches_come_from_the_seed(perceptron_world: Any) -> None:
    def labels(seed: int) -> list[int]:
        task = perceptron_world.of("class").task
        noise, classes = torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64)
        stream = mixed(Pool(task, "retain"), noise, classes, 2, 8, torch.Generator().manual_seed(seed))
        return [int(label) for _, y, _ in stream for label in y]

    assert labels(1) == labels(1) != labels(2)


def test_the_retain_subset_is_a_part_of_each_class_drawn_from_the_seed(perceptron_world: Any) -> None:
    world = perceptron_world.of("class")
    labels = world.task.examples.labels
    few = subset(world.task, 4)
    assert np.bincount(labels[few], minlength=3).tolist() == [0, 4, 4]
    assert set(few.tolist()) <= set(world.task.retain.tolist()) and (np.diff(few) > 0).all()
    assert np.array_equal(few, subset(world.task, 4))
    assert not np.array_equal(few, subset(world.with_task(seed=8).task, 4))
    assert np.array_equal(subset(world.task, 1000), np.sort(world.task.retain))


def test_only_the_subset_is_read_and_no_forget_image(world: Any, watch: Any) -> None:
    world = world.of("class")
    examples = watch(world.task.examples, world.task.forget)
    task = world.with_task(examples=examples).task
    quick(per_class=3)(world.model, task)
    assert examples.seen == set(subset(task, 3).tolist())
    cost = task.meter.cost()
    assert cost.forward_examples_retain == cost.backward_examples_retain == 2 * 6
    assert cost.forward_examples_forget == cost.backward_examples_forget == 0
    assert cost.forward_examples_synthetic == cost.backward_examples_synthetic == 6 * 5 + 3 * 6


def test_epochs_multiply_impair_and_repair_but_not_the_noise(world: Any) -> None:
    world = world.of("class")
    quick(impair_epochs=2, repair_epochs=3)(world.model, world.task)
    cost = world.task.meter.cost()
    assert cost.forward_examples_retain == 5 * len(world.task.retain)
    assert cost.forward_examples_synthetic == 6 * 5 + 2 * 3 * 6
    assert cost.stop == "budget (2 + 3 epochs)"


def test_impairing_forgets_the_class_and_the_repair_brings_the_others_back(perceptron_world: Any) -> None:
    world = perceptron_world.of("class")
    task = world.task

    def right(model: Any, indices: Any) -> float:
        logits = predict_logits(model, task.examples, indices, task.device)
        return float((logits.argmax(1) == task.examples.labels[indices]).mean())

    rates: dict[str, Any] = {"noise_images": 32, "impair_rate": 5e-2, "repair_rate": 5e-3, "copies": 5}
    impaired = Unsir(**rates, repair_epochs=0)(world.model, task)
    repaired = Unsir(**rates, repair_epochs=5)(world.model, world.with_task().task)
    assert right(world.model, task.forget) > 0.8
    assert right(impaired, task.forget) < 0.4 > right(repaired, task.forget)
    assert right(repaired, task.retain) > max(0.8, right(impaired, task.retain) - 1e-9)


@pytest.mark.parametrize(
    "bn, impair, repair", [("train", True, True), ("frozen_on_forget", False, True), ("frozen", False, False)]
)
def test_which_stage_moves_the_running_statistics(
    bn: Any, impair: bool, repair: bool, convolutional_world: Any
) -> None:
    def moved(impair_epochs: int, repair_epochs: int) -> bool:
        world = convolutional_world.of("class")
        method = quick(bn=bn, impair_epochs=impair_epochs, repair_epochs=repair_epochs)
        return not torch.equal(method(world.model, world.task).body[1].running_mean, world.model.body[1].running_mean)

    assert (moved(1, 0), moved(0, 1)) == (impair, repair)


def test_a_diverging_stage_names_its_own_rate(world: Any) -> None:
    for rate in ("impair_rate", "repair_rate"):
        with pytest.raises(DataError, match=f"lower unsir.{rate}"):
            quick(**{rate: 1e30})(world.model, world.of("class").task)


def test_nothing_to_forget_is_refused(world: Any) -> None:
    empty = world.of("class").with_task(forget=np.zeros(0, dtype=np.int64))
    with pytest.raises(DataError, match="unsir: expected at least one class to forget, got none"):
        Unsir()(empty.model, empty.task)
