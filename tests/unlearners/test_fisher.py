"""Fisher forgetting: the variance of the noise, its law, and what it leaves alone."""

from typing import Any

import numpy as np
import pytest
import torch

from vestige.learners.errors import DataError
from vestige.unlearners.fisher import Fisher, noise_variance

DIAGONAL = torch.tensor([[1.0, 4.0], [100.0, 1e-9]])


def test_the_variance_of_an_inner_layer() -> None:
    variance = noise_variance(DIAGONAL, 1e-6, last=False)
    expected = torch.tensor([[6.25e-7] * 2, [5.00005e-4] * 2])
    torch.testing.assert_close(variance, expected, rtol=1e-5, atol=0)


def test_the_variance_of_the_last_layer() -> None:
    variance = noise_variance(DIAGONAL, 1e-6, last=True)
    torch.testing.assert_close(variance, torch.tensor([[6.25e-6] * 2, [5.0005e-4] * 2]), rtol=1e-5, atol=0)


def test_the_variance_of_a_forgotten_row_does_not_depend_on_alpha() -> None:
    for alpha in (1e-9, 1.0):
        variance = noise_variance(DIAGONAL, alpha, last=True, forgotten=(1,))
        assert variance[1].tolist() == pytest.approx([1e-3, 1e-3])
    torch.testing.assert_close(variance[0], noise_variance(DIAGONAL, 1.0, last=True)[0], rtol=0, atol=0)


def test_the_variance_of_one_dimension_is_not_averaged_and_ten_times_as_large() -> None:
    variance = noise_variance(torch.tensor([1.0, 4.0, 0.0]), 1e-6, last=False)
    torch.testing.assert_close(variance, torch.tensor([1e-5, 2.5e-6, 1e-2]), rtol=1e-5, atol=0)


def test_convolutions_are_averaged_over_input_channels() -> None:
    diagonal = torch.rand(2, 3, 2, 2, generator=torch.Generator().manual_seed(0)) + 0.1
    variance = noise_variance(diagonal, 1.0, last=False)
    expected = (1 / (diagonal + 1e-8)).sum(1) / 3
    for channel in range(3):
        torch.testing.assert_close(variance[:, channel], expected, rtol=1e-5, atol=0)


def test_the_exponent_of_the_theory_is_the_square_root() -> None:
    one = noise_variance(torch.tensor([1.0, 4.0, 0.0]), 1.0, last=False, exponent="theory")
    torch.testing.assert_close(one, 10 * torch.tensor([1.0, 0.5, 1e3**0.5]), rtol=1e-5, atol=0)


def candidates(world: Any, method: Fisher, seeds: int) -> list[dict[str, torch.Tensor]]:
    return [method(world.model, world.with_task(seed=seed).task).state_dict() for seed in range(seeds)]


def test_the_noise_has_the_stated_variance_around_the_original(perceptron_world: Any) -> None:
    """With exact labels on all images the variance is the same for every seed; chi-square bounds, 5 sigma."""
    seeds, method, before = 60, Fisher(alpha=1e-4, exact=True), perceptron_world.state()
    states = candidates(perceptron_world, method, seeds)
    diagonals = method._diagonal(perceptron_world.model, perceptron_world.with_task().task)
    for (key, weight), diagonal in zip(before.items(), diagonals, strict=True):
        expected = noise_variance(diagonal, 1e-4, last=key.startswith("head."))
        noise = torch.stack([state[key] - weight for state in states]).double() / expected.sqrt()
        count = noise.numel()
        assert float(noise.square().mean()) == pytest.approx(1.0, abs=5 * (2 / count) ** 0.5)
        assert float(noise.mean()) == pytest.approx(0.0, abs=5 / count**0.5)
        single = noise.square().sum(0)
        low, high = seeds - 4.5 * (2 * seeds) ** 0.5, seeds + 8 * (2 * seeds) ** 0.5
        assert low < float(single.min()) and float(single.max()) < high


def test_buffers_stay_and_every_parameter_moves(world: Any) -> None:
    before = world.state()
    after = Fisher(alpha=1e-5)(world.model, world.task).state_dict()
    learned = {key for key, _ in world.model.named_parameters()}
    for key, tensor in after.items():
        assert torch.equal(tensor, before[key]) == (key not in learned), key


def test_alpha_zero_reads_nothing_also_for_classes(world: Any, watch: Any) -> None:
    world = world.of("class")
    examples = watch(world.task.examples)
    candidate = Fisher(alpha=0.0)(world.model, world.with_task(examples=examples).task)
    assert not examples.seen
    assert all(torch.equal(tensor, world.state()[key]) for key, tensor in candidate.state_dict().items())


def test_the_row_of_a_forgotten_class_starts_from_zero(world: Any) -> None:
    world = world.of("class")
    states = candidates(world, Fisher(alpha=1e-12), 30)
    rows = torch.stack([torch.cat([state["head.weight"][0], state["head.bias"][:1]]) for state in states])
    assert float(rows.mean()) == pytest.approx(0.0, abs=5 * (1e-3 / rows.numel()) ** 0.5)
    assert float(rows.var()) == pytest.approx(1e-3, rel=5 * (2 / rows.numel()) ** 0.5)
    torch.testing.assert_close(states[0]["head.weight"][1:], world.state()["head.weight"][1:], rtol=0, atol=1e-3)


def test_a_frozen_parameter_gets_no_noise(perceptron_world: Any, fresh_model: Any) -> None:
    model = fresh_model(perceptron_world)
    model.head.weight.requires_grad_(False)
    candidate = Fisher(alpha=1e-4)(model, perceptron_world.with_task().task)
    assert torch.equal(candidate.head.weight, model.head.weight)
    assert not torch.equal(candidate.head.bias, model.head.bias)


@pytest.mark.parametrize(
    "settings, forward, backward",
    [({}, 33, 33), ({"exact": True}, 33, 99), ({"images": 10}, 10, 10), ({"images": 10, "exact": True}, 10, 30)],
)
def test_the_bill(settings: dict[str, Any], forward: int, backward: int, world: Any) -> None:
    Fisher(alpha=1e-6, **settings)(world.model, world.task)
    cost = world.task.meter.cost()
    assert (cost.forward_examples_retain, cost.backward_examples_retain) == (forward, backward)
    assert cost.image_passes == forward + 2 * backward


def test_a_part_of_the_retain_set_is_drawn_by_the_seed(perceptron_world: Any, watch: Any) -> None:
    def seen(seed: int) -> set[int]:
        examples = watch(perceptron_world.task.examples)
        Fisher(images=10)(perceptron_world.model, perceptron_world.with_task(examples=examples, seed=seed).task)
        return set(examples.seen)

    assert len(seen(1)) == 10 and seen(1) <= set(map(int, perceptron_world.task.retain))
    assert seen(1) == seen(1) != seen(2)


def test_a_batch_size_is_a_matter_of_memory(world: Any) -> None:
    one = Fisher(alpha=1e-6, batch_size=4)(world.model, world.task).state_dict()
    other = Fisher(alpha=1e-6, batch_size=33)(world.model, world.with_task().task).state_dict()
    for key in one:
        torch.testing.assert_close(one[key], other[key], rtol=1e-3, atol=1e-4)


def test_sampled_labels_approach_the_exact_diagonal(perceptron_world: Any) -> None:
    task = perceptron_world.task
    exact = Fisher(alpha=1.0, exact=True)._diagonal(perceptron_world.model, task)
    tasks = [perceptron_world.with_task(seed=seed).task for seed in range(50)]
    draws = [Fisher(alpha=1.0)._diagonal(perceptron_world.model, one) for one in tasks]
    mean = [torch.stack(parts).mean(0) for parts in zip(*draws, strict=True)]
    ratio = sum(float(part.sum()) for part in mean) / sum(float(part.sum()) for part in exact)
    assert ratio == pytest.approx(1.0, abs=0.15)


def test_noise_that_no_network_survives_is_refused(perceptron_world: Any) -> None:
    with pytest.raises(DataError, match="lower fisher.alpha"):
        Fisher(alpha=1e30)(perceptron_world.model, perceptron_world.with_task().task)


def test_the_forget_set_has_no_influence(world: Any) -> None:
    fewer = world.with_task(forget=np.arange(3))
    one = Fisher(alpha=1e-5)(world.model, world.task).state_dict()
    other = Fisher(alpha=1e-5)(world.model, fewer.task).state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)
