"""Gradients of single images, sums of them, the Fisher diagonal, and inverse curvature."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vestige.learners.training.architectures import Classifier, build_classifier
from vestige.learners.training.recipe import Recipe
from vestige.unlearners.shared import gradients
from vestige.unlearners.shared.gradients import (
    Reading,
    batch_gradient,
    fisher_sum,
    flat,
    flat_rows,
    full_precision,
    like_weights,
    per_sample_gradients,
    squared_gradients,
    summed_gradient,
)
from vestige.unlearners.shared.inverse import (
    conjugate_gradients,
    curvature_product,
    damped_product,
    single_vector,
    woodbury,
)
from vestige.unlearners.shared.pool import Pool

EXAMPLE = torch.tensor([[1.0, 0.0], [1.0, 1.0]], dtype=torch.float64)


def softmax_model(classes: int = 3) -> Classifier:
    """A linear model of four pixels, whose derivatives are known in closed form."""
    torch.manual_seed(0)
    return Classifier(nn.Flatten(), nn.Linear(4, classes)).eval()


def batch(world: Any, size: int = 7) -> tuple[Tensor, Tensor]:
    return next(Pool(world.task, "retain", augment=False).plain(size))


def matrix(model: Classifier, x: Tensor, y: Tensor) -> Tensor:
    return torch.cat([flat_rows(chunk) for chunk in per_sample_gradients(model, x, y)])


def by_autograd(model: Classifier, x: Tensor, y: Tensor, smoothing: float = 0.0) -> Tensor:
    rows = []
    for image, label in zip(x, y, strict=True):
        loss = F.cross_entropy(model(image[None]), label[None], label_smoothing=smoothing)
        rows.append(torch.cat([part.flatten() for part in torch.autograd.grad(loss, list(model.parameters()))]))
    return torch.stack(rows)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_gradients_of_single_images_are_those_of_autograd(world: Any, smoothing: float) -> None:
    x, y = batch(world)
    rows = torch.cat([flat_rows(chunk) for chunk in per_sample_gradients(world.model, x, y, smoothing=smoothing)])
    torch.testing.assert_close(rows, by_autograd(world.model, x, y, smoothing), rtol=1e-4, atol=1e-6)


def test_chunks_change_nothing(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = batch(world)
    whole, squares, diagonal = matrix(world.model, x, y), squared_gradients(world.model, x, y), None
    diagonal = flat(fisher_sum(world.model, x, None))
    monkeypatch.setattr(gradients, "CHUNK_BYTES", 3 * 4 * sum(p.numel() for p in world.model.parameters()))
    assert [len(chunk[0]) for chunk in per_sample_gradients(world.model, x, y)] == [3, 3, 1]
    torch.testing.assert_close(matrix(world.model, x, y), whole, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(squared_gradients(world.model, x, y), squares, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(flat(fisher_sum(world.model, x, None)), diagonal, rtol=1e-4, atol=1e-7)


def test_batch_gradients_are_means_and_sums_of_those_of_single_images(world: Any) -> None:
    x, y = batch(world)
    rows = matrix(world.model, x, y)
    torch.testing.assert_close(flat(batch_gradient(world.model, x, y)), rows.mean(0), rtol=1e-3, atol=1e-6)
    batches = [(x[:4], y[:4]), (x[4:], y[4:])]
    torch.testing.assert_close(flat(summed_gradient(world.model, batches)), rows.sum(0), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(flat(squared_gradients(world.model, x, y)), rows.square().sum(0), rtol=1e-3, atol=1e-6)


def test_frozen_parameters_have_no_gradient_and_unused_ones_a_gradient_of_zero(fresh_model: Any, world: Any) -> None:
    model, (x, y) = fresh_model(world).eval(), batch(world)
    model.head.bias.requires_grad_(False)
    model.unused = nn.Parameter(torch.ones(2))
    named = {key: p.numel() for key, p in model.named_parameters() if key != "head.bias"}
    gradients = dict(zip(named, batch_gradient(model, x, y), strict=True))
    assert torch.equal(gradients["unused"], torch.zeros(2))
    assert matrix(model, x, y).shape == (7, sum(named.values()))


def test_no_statistic_moves(convolutional_world: Any) -> None:
    model, (x, y) = convolutional_world.model, batch(convolutional_world)
    before = convolutional_world.state()
    matrix(model, x, y)
    fisher_sum(model, x, None)
    batch_gradient(model, x, y)
    curvature_product(model, x, y, flat(batch_gradient(model, x, y)), curvature="gauss_newton")
    assert all(torch.equal(before[key], tensor) for key, tensor in model.state_dict().items())


def test_vectors_come_back_in_the_shapes_of_the_parameters(world: Any) -> None:
    x, y = batch(world)
    gradients = batch_gradient(world.model, x, y)
    again = like_weights(world.model, flat(gradients))
    assert all(torch.equal(one, other) for one, other in zip(gradients, again, strict=True))


def test_reading_bills_and_reports_every_batch(world: Any) -> None:
    calls: list[tuple[int, int]] = []
    task = world.with_task(progress=lambda done, total: calls.append((done, total))).task
    with task.meter.measure(1, task.device):
        sizes = [len(y) for _, y in Reading(task, 3).of(Pool(task, "retain", augment=False), 16, backward=3)]
    cost = task.meter.cost()
    assert sizes == [16, 16, 1]
    assert (cost.forward_examples_retain, cost.backward_examples_retain) == (33, 99)
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_measurements_are_made_without_tf32_and_the_switch_comes_back(
    convolutional_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch = torch.backends.cudnn
    allowed: list[bool] = []

    class Listening(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            allowed.append(switch.allow_tf32)
            return x

    world = convolutional_world.with_task()
    model, (x, y) = Classifier(nn.Sequential(Listening(), world.model.body), world.model.head).eval(), batch(world)
    before = switch.allow_tf32
    for setting in (True, False):
        monkeypatch.setattr(switch, "allow_tf32", setting)
        gradient = flat(batch_gradient(model, x, y))
        matrix(model, x, y)
        fisher_sum(model, x, None)
        curvature_product(model, x, y, gradient, curvature="gauss_newton")
        with pytest.raises(ZeroDivisionError), full_precision():
            raise ZeroDivisionError
        assert switch.allow_tf32 == setting
    assert len(allowed) == 2 * 5 and not any(allowed)
    monkeypatch.undo()
    assert switch.allow_tf32 == before


# The Fisher diagonal.


def closed_form(model: Classifier, x: Tensor) -> tuple[Tensor, Tensor]:
    p = model(x).softmax(1).detach()
    spread = p * (1 - p)
    return spread.T @ x.flatten(1).square(), spread.sum(0)


def test_the_exact_diagonal_of_a_linear_model_is_the_closed_form() -> None:
    model, x = softmax_model(), torch.randn(6, 1, 2, 2, generator=torch.Generator().manual_seed(1))
    weight, bias = fisher_sum(model, x, None)
    expected = closed_form(model, x)
    torch.testing.assert_close(weight, expected[0], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(bias, expected[1], rtol=1e-4, atol=1e-7)


def test_the_sampled_diagonal_is_unbiased() -> None:
    model, generator = softmax_model(), torch.Generator().manual_seed(1)
    x, draws = torch.randn(1, 1, 2, 2, generator=generator), 4_000
    weight, bias = fisher_sum(model, x.expand(draws, 1, 2, 2), torch.rand(draws, generator=generator))
    for estimate, expected in zip((weight, bias), closed_form(model, x), strict=True):
        torch.testing.assert_close(estimate / draws, expected, rtol=0.06, atol=0)


@pytest.mark.parametrize("uniform, label", [(0.0, 0), (0.2, 0), (0.3, 1), (0.49, 1), (0.51, 2), (0.9999999, 2)])
def test_a_label_is_drawn_by_inversion(uniform: float, label: int) -> None:
    model, x = softmax_model(), torch.zeros(1, 1, 2, 2)
    model.head.bias.data = torch.tensor([0.25, 0.25, 0.5]).log()
    p = torch.tensor([0.25, 0.25, 0.5])
    _, bias = fisher_sum(model, x, torch.tensor([uniform]))
    torch.testing.assert_close(bias, (F.one_hot(torch.tensor(label), 3) - p).square(), rtol=1e-5, atol=1e-7)


# The inverse.


def recursion(gradients: Tensor, v: Tensor, damping: float) -> Tensor:
    """Rank-one updates of the inverse, one gradient at a time."""
    inverse = torch.eye(len(v), dtype=v.dtype) / damping
    for g in gradients:
        o = inverse @ g
        inverse = inverse - torch.outer(o, o) / (len(gradients) + g @ o)
    return inverse @ v


def dense(gradients: Tensor, v: Tensor, damping: float) -> Tensor:
    curvature = damping * torch.eye(len(v), dtype=v.dtype) + gradients.T @ gradients / len(gradients)
    return torch.linalg.solve(curvature, v)


def test_the_worked_example() -> None:
    v = torch.tensor([1.0, 0.0], dtype=torch.float64)
    answer = torch.tensor([0.545455, -0.181818], dtype=torch.float64)
    for solve in (woodbury, dense, recursion):
        torch.testing.assert_close(solve(EXAMPLE, v, 1.0), answer, rtol=0, atol=1e-6)
    curvature = torch.tensor([[2, 0.5], [0.5, 1.5]], dtype=torch.float64)
    solution = conjugate_gradients(lambda u: curvature @ u, v, iterations=2, tolerance=0.0)
    torch.testing.assert_close(solution.x, answer, rtol=0, atol=1e-6)


def test_the_published_loop_of_the_worked_example() -> None:
    v = torch.tensor([1.0, 0.0], dtype=torch.float64)
    expected = torch.tensor([2 / 3, 0], dtype=torch.float64)
    torch.testing.assert_close(single_vector(EXAMPLE, v, 2), expected, rtol=0, atol=1e-15)
    assert torch.equal(v, torch.tensor([1.0, 0.0], dtype=torch.float64))


def test_the_published_loop_corrects_one_direction_only() -> None:
    generator = torch.Generator().manual_seed(3)
    gradients, v = torch.randn(20, 6, generator=generator), torch.randn(6, generator=generator)
    difference = v - single_vector(gradients, v, 20)
    cosine = F.cosine_similarity(difference, gradients[0], dim=0)
    assert float(difference.norm()) > 0.01
    assert abs(float(cosine)) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("samples, width", [(5, 12), (12, 5), (1, 4)])
def test_woodbury_and_recursion_agree_with_a_dense_solve(
    samples: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vestige.unlearners.shared.inverse.BLOCK", 3)
    generator = torch.Generator().manual_seed(0)
    gradients = torch.randn(samples, width, generator=generator, dtype=torch.float64)
    v = torch.randn(width, generator=generator, dtype=torch.float64)
    expected = dense(gradients, v, 0.3)
    torch.testing.assert_close(woodbury(gradients, v, 0.3), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(recursion(gradients, v, 0.3), expected, rtol=1e-12, atol=1e-12)


def test_conjugate_gradients_stop_at_the_tolerance_or_the_limit() -> None:
    diagonal = torch.linspace(1, 50, 30, dtype=torch.float64)
    v = torch.ones(30, dtype=torch.float64)

    def solve(iterations: int, tolerance: float) -> Any:
        return conjugate_gradients(lambda u: diagonal * u, v, iterations=iterations, tolerance=tolerance)

    short, loose, full = solve(3, 0.0), solve(1_000, 1e-2), solve(30, 0.0)
    assert short.iterations == 3 and short.residual > 0.01
    assert 3 < loose.iterations < 30 and loose.residual <= 1e-2
    torch.testing.assert_close(full.x, v / diagonal, rtol=1e-8, atol=1e-10)
    residual = float((v - diagonal * short.x).norm() / v.norm())
    assert short.residual == pytest.approx(residual, rel=1e-6)
    nothing = conjugate_gradients(lambda u: diagonal * u, 0 * v, iterations=5, tolerance=1e-3)
    assert (nothing.iterations, nothing.residual) == (0, 0.0)
    assert torch.equal(nothing.x, 0 * v)


def test_fisher_products_are_those_of_the_gradient_matrix(world: Any) -> None:
    x, y = batch(world)
    rows, v = matrix(world.model, x, y), torch.randn(sum(p.numel() for p in world.model.parameters()))
    product = curvature_product(world.model, x, y, v, curvature="fisher")
    torch.testing.assert_close(product, rows.T @ (rows @ v), rtol=1e-3, atol=1e-4)


def test_gauss_newton_is_the_exact_hessian_of_a_linear_model() -> None:
    model = softmax_model()
    generator = torch.Generator().manual_seed(2)
    x, y, v = torch.randn(5, 1, 2, 2, generator=generator), torch.tensor([0, 1, 2, 0, 1]), torch.randn(15)

    def loss(vector: Tensor) -> Tensor:
        logits = x.flatten(1) @ vector[:12].view(3, 4).T + vector[12:]
        return F.cross_entropy(logits, y, reduction="sum")

    hessian = torch.autograd.functional.hessian(loss, flat(tuple(p.detach() for p in model.parameters())))
    product = curvature_product(model, x, y, v, curvature="gauss_newton")
    torch.testing.assert_close(product, hessian @ v, rtol=1e-4, atol=1e-5)


def test_conjugate_gradients_with_products_agree_with_woodbury(perceptron_world: Any) -> None:
    model, task = perceptron_world.model, perceptron_world.task
    x, y = batch(perceptron_world, 33)
    v = flat(batch_gradient(model, x[:5], y[:5]))
    pool = Pool(task, "retain", augment=False)
    product = damped_product(model, lambda: pool.plain(16), 33, 0.1, curvature="fisher")
    solution = conjugate_gradients(product, v, iterations=60, tolerance=1e-5)
    torch.testing.assert_close(solution.x, woodbury(matrix(model, x, y), v, 0.1), rtol=1e-3, atol=1e-5)


def test_one_newton_step_reproduces_leaving_data_out_of_a_ridge_regression_to_first_order() -> None:
    """What is left out is alike in both shares, so the way to the retrained weights grows with the share and the error
    of alpha 1 with its square."""
    random = np.random.default_rng(0)
    n, width, ridge = 4_000, 4, 0.1
    x = torch.from_numpy(random.normal(size=(n, width)))
    y = x @ torch.arange(4.0).double() + torch.from_numpy(random.normal(size=n))

    def fitted(a: Tensor, b: Tensor) -> Tensor:
        return torch.linalg.solve(a.T @ a / len(a) + ridge * torch.eye(width), a.T @ b / len(a))

    alike = (x[:, 0] > 0) & (y > x @ torch.arange(4.0).double())
    order = torch.argsort(alike.int(), descending=True, stable=True)
    x, y = x[order], y[order]
    original, errors, moves = fitted(x, y), [], []
    for left_out in (40, 400):
        kept = slice(left_out, None)
        gradients = (x @ original - y)[:, None] * x
        v = gradients[:left_out].sum(0) / n - left_out / (n * (n - left_out)) * gradients[kept].sum(0)
        product_on = x.T @ x / n + ridge * torch.eye(width)
        step = conjugate_gradients(lambda u, h=product_on: h @ u, v, iterations=4, tolerance=0.0).x
        retrained = fitted(x[kept], y[kept])
        errors.append(float((original + step - retrained).norm()))
        moves.append(float((original - retrained).norm()))
    assert errors[0] < 0.05 * moves[0]
    assert errors[1] < 0.3 * moves[1]
    assert errors[0] < 0.03 * errors[1]


def test_attention_works_and_its_fast_path_is_left_as_it_was() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            tokens = x.flatten(2).transpose(1, 2)
            return self.attention(tokens, tokens, tokens, need_weights=False)[0].mean(1)

    torch.manual_seed(0)
    model, x, y = Classifier(Attending(), nn.Linear(4, 3)).eval(), torch.randn(3, 4, 2, 2), torch.arange(3)
    rows = matrix(model, x, y)
    torch.testing.assert_close(rows, by_autograd(model, x, y), rtol=1e-4, atol=1e-6)
    v = rows.sum(0)
    torch.testing.assert_close(
        curvature_product(model, x, y, v, curvature="fisher"), rows.T @ (rows @ v), rtol=1e-3, atol=1e-5
    )
    assert torch.backends.mha.get_fastpath_enabled()


def test_channels_last_weights_give_the_same_gradients(convolutional_world: Any) -> None:
    x, y = batch(convolutional_world)
    recipe: Recipe = convolutional_world.task.recipe
    plain = build_classifier(recipe, convolutional_world.task.examples.shape, 3, 1).eval()
    expected = matrix(plain, x, y)
    plain.to(memory_format=torch.channels_last)
    torch.testing.assert_close(matrix(plain, x, y), expected, rtol=1e-4, atol=1e-6)
