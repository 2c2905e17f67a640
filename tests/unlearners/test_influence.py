"""Influence: the direction, the step, the choice of the solver, the bill."""

from typing import Any

import pytest
import torch

from vestige.learners.errors import ConfigError, DataError
from vestige.learners.training.batches import Batches
from vestige.unlearners import influence as module
from vestige.unlearners.core.registry import create
from vestige.unlearners.influence import Influence
from vestige.unlearners.shared.gradients import batch_gradient, flat, flat_rows, like_weights, per_sample_gradients
from vestige.unlearners.shared.inverse import single_vector


def vector(model: Any) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def plain(world: Any, role: str) -> tuple[torch.Tensor, torch.Tensor]:
    task = world.task
    return next(Batches(task.examples, getattr(task, role), task.recipe, task.device, augment=False).plain(100))


def direction(world: Any) -> torch.Tensor:
    model, roles = world.model, ("forget", "retain")
    forget, retain = (flat(batch_gradient(model, *plain(world, role), total=True)) for role in roles)
    return forget / 43 - 10 / (43 * 33) * retain


def moved(world: Any, **settings: Any) -> torch.Tensor:
    candidate = Influence(**settings)(world.model, world.with_task().task)
    return vector(candidate) - vector(world.model)


def gradients(world: Any) -> torch.Tensor:
    return torch.cat([flat_rows(chunk) for chunk in per_sample_gradients(world.model, *plain(world, "retain"))])


def test_the_step_is_that_of_a_dense_solve(perceptron_world: Any) -> None:
    rows, v = gradients(perceptron_world).double(), direction(perceptron_world).double()
    curvature = 0.5 * torch.eye(len(v), dtype=torch.float64) + rows.T @ rows / 33
    expected = 2.0 * torch.linalg.solve(curvature, v)
    step = moved(perceptron_world, alpha=2.0, damping=0.5)
    torch.testing.assert_close(step, expected.float(), rtol=1e-3, atol=1e-6)


def test_both_solvers_take_the_same_step(world: Any) -> None:
    settings: dict[str, Any] = {"alpha": 1.0, "damping": 0.5}
    one = moved(world, solver="woodbury", **settings)
    other = moved(world, solver="cg", iterations=200, tolerance=1e-5, **settings)
    assert float(one.norm()) > 0
    torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-5)


def test_the_step_raises_the_forget_loss_more_than_the_retain_loss(world: Any) -> None:
    candidate = Influence(alpha=0.05, damping=1.0)(world.model, world.task)

    def change(role: str) -> float:
        x, y = plain(world, role)
        losses = [float(torch.nn.functional.cross_entropy(model(x), y).detach()) for model in (world.model, candidate)]
        return losses[1] - losses[0]

    assert change("forget") > 0
    assert change("forget") > change("retain")


def test_a_large_damping_leaves_the_direction_alone(perceptron_world: Any) -> None:
    step = moved(perceptron_world, alpha=1e4, damping=1e4)
    torch.testing.assert_close(step, direction(perceptron_world), rtol=1e-2, atol=1e-5)


def test_the_published_loop(perceptron_world: Any) -> None:
    world = perceptron_world.with_task()
    expected = 3.0 * single_vector(gradients(world), direction(world), 33)
    torch.testing.assert_close(moved(world, alpha=3.0, mode="optml"), expected, rtol=1e-2, atol=1e-5)


def test_gauss_newton_is_another_step(perceptron_world: Any) -> None:
    settings: dict[str, Any] = {"alpha": 1.0, "damping": 0.1}
    one, other = moved(perceptron_world, **settings), moved(perceptron_world, curvature="gauss_newton", **settings)
    assert not torch.allclose(one, other, rtol=1e-2)
    assert float(torch.nn.functional.cosine_similarity(one, other, dim=0)) > 0


@pytest.mark.parametrize("bytes_, solver", [(2**29, "woodbury"), (1_000, "cg")])
def test_auto_chooses_by_the_size_of_the_gradients(
    bytes_: int, solver: str, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRADIENT_BYTES", bytes_)
    settings: dict[str, Any] = {"alpha": 1.0, "damping": 0.5}
    assert torch.equal(moved(world, **settings), moved(world, solver=solver, **settings))


def test_the_limit_is_that_of_the_matrix_to_the_byte(perceptron_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 4 * 33 * len(vector(perceptron_world.model))
    method = Influence(alpha=1.0)
    for limit, solver in ((size, "woodbury"), (size - 1, "cg")):
        monkeypatch.setattr(module, "GRADIENT_BYTES", limit)
        assert method._solver(perceptron_world.model, perceptron_world.task) == solver


def test_gauss_newton_never_uses_woodbury(perceptron_world: Any) -> None:
    method = Influence(alpha=1.0, curvature="gauss_newton")
    assert method._solver(perceptron_world.model, perceptron_world.task) == "cg"
    with pytest.raises(ConfigError, match="influence: expected solver auto or cg with curvature = gauss_newton"):
        create("influence", {"curvature": "gauss_newton", "solver": "woodbury"})


@pytest.mark.parametrize("mode, solver", [("inverse", "woodbury"), ("optml", "auto")])
def test_the_bill_with_gradients_of_single_images(mode: Any, solver: Any, world: Any) -> None:
    Influence(alpha=1e-3, samples=8, mode=mode, solver=solver)(world.model, world.task)
    cost = world.task.meter.cost()
    assert (cost.forward_examples_forget, cost.backward_examples_forget) == (10, 10)
    assert (cost.forward_examples_retain, cost.backward_examples_retain) == (41, 41)
    assert cost.stop == "single shot"


@pytest.mark.parametrize("curvature", ["fisher", "gauss_newton"])
def test_the_bill_with_conjugate_gradients(curvature: Any, world: Any) -> None:
    calls: list[tuple[int, int]] = []
    task = world.with_task(progress=lambda done, total: calls.append((done, total))).task
    Influence(alpha=1e-3, damping=1.0, samples=8, solver="cg", curvature=curvature, iterations=3, tolerance=0.0)(
        world.model, task
    )
    cost = task.meter.cost()
    assert cost.image_passes == (10 + 33) * 3 + 3 * 8 * 6
    assert cost.forward_examples_retain == 33 + 3 * 2 * 8
    assert cost.notes[0].startswith("conjugate gradients: 3 of at most 3 iterations, residual ")
    total = 1 + 3 + 3
    assert calls == [(done, total) for done in range(1, total + 1)]


def test_label_smoothing_of_the_recipe_is_part_of_the_loss(perceptron_world: Any) -> None:
    smooth = perceptron_world.with_recipe(label_smoothing=0.2)
    assert not torch.allclose(moved(perceptron_world, alpha=1.0), moved(smooth, alpha=1.0), rtol=1e-2)


def test_statistics_and_frozen_parameters_stay(convolutional_world: Any, fresh_model: Any) -> None:
    model = fresh_model(convolutional_world)
    model.head.weight.requires_grad_(False)
    candidate = Influence(alpha=1.0)(model, convolutional_world.with_task().task)
    learned = {key for key, parameter in model.named_parameters() if parameter.requires_grad}
    before, after = model.state_dict(), candidate.state_dict()
    for key in before:
        assert torch.equal(before[key], after[key]) == (key not in learned), key


def test_the_step_is_proportional_to_alpha(perceptron_world: Any) -> None:
    one, three = (moved(perceptron_world, alpha=alpha) for alpha in (1.0, 3.0))
    torch.testing.assert_close(three, 3 * one, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("mode", ["inverse", "optml"])
def test_a_step_that_is_not_finite_is_refused(mode: Any, perceptron_world: Any) -> None:
    with pytest.raises(DataError, match="influence diverged.*lower influence.alpha"):
        Influence(alpha=1e38, mode=mode)(perceptron_world.model, perceptron_world.with_task().task)


def test_a_step_has_the_shapes_of_the_parameters(world: Any) -> None:
    parts = like_weights(world.model, vector(world.model))
    assert all(torch.equal(part, weight) for part, weight in zip(parts, world.model.parameters(), strict=True))


def test_the_gradients_are_filled_in_whatever_the_batches(perceptron_world: Any) -> None:
    steps = [moved(perceptron_world, alpha=1.0, solver="woodbury", batch_size=size) for size in (2, 7, 100)]
    assert float(steps[0].norm()) > 0
    for other in steps[1:]:
        torch.testing.assert_close(other, steps[0], rtol=1e-3, atol=1e-6)
