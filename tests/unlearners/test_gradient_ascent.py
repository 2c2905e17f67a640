"""Gradient ascent and its safety."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from vestige.learners.errors import DataError
from vestige.learners.training.batches import Batches
from vestige.unlearners.gradient_ascent import GradientAscent


def forget_gradient(world: Any, model: Any, *, bn: str) -> dict[str, torch.Tensor]:
    """Gradient of the forget loss by hand, un-augmented, in one batch."""
    task = world.task
    (x, y), *_ = Batches(task.examples, task.forget, task.recipe, task.device, augment=False).plain(100)
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d) and bn != "train":
            module.eval()
    loss = F.cross_entropy(model(x), y)
    names = [name for name, _ in model.named_parameters()]
    return dict(zip(names, torch.autograd.grad(loss, list(model.parameters())), strict=True))


@pytest.fixture
def plain(world: Any) -> Any:
    """No augmentation, so that the only forget batch is known up to its order."""
    return world.with_recipe(augmentation="none").with_task(validation=None)


def step(**more: Any) -> GradientAscent:
    return GradientAscent(**{"rate": 0.2, "passes": 1, "momentum": 0.0, "clip": None, "cap": 100.0, **more})


@pytest.mark.parametrize("bn", ["frozen_on_forget", "train"])
def test_one_step_is_theta_plus_rate_times_gradient(bn: Any, plain: Any, fresh_model: Any) -> None:
    model = fresh_model(plain)
    candidate = step(bn=bn)(model, plain.task)
    gradient = forget_gradient(plain, fresh_model(plain), bn=bn)
    for name, parameter in candidate.named_parameters():
        expected = dict(model.named_parameters())[name] + 0.2 * 0.05 * gradient[name]
        torch.testing.assert_close(parameter, expected, rtol=1e-5, atol=1e-7)
        assert parameter.shape == gradient[name].shape


def test_statistics_stay_unless_asked_to_train(convolutional_world: Any, fresh_model: Any) -> None:
    model = fresh_model(convolutional_world)
    for bn, stays in (("frozen_on_forget", True), ("frozen", True), ("train", False)):
        candidate = step(bn=bn)(model, convolutional_world.with_task().task)
        kept = torch.equal(candidate.body[1].running_mean, model.body[1].running_mean)
        assert kept == stays, bn


def test_the_forget_loss_rises(plain: Any, fresh_model: Any) -> None:
    def loss(model: Any) -> float:
        task = plain.task
        (x, y), *_ = Batches(task.examples, task.forget, task.recipe, task.device, augment=False).plain(100)
        with torch.no_grad():
            return float(F.cross_entropy(model.eval()(x), y))

    model = fresh_model(plain)
    assert loss(step(rate=0.02)(model, plain.task)) > loss(model)


def test_below_the_cap_nothing_moves(world: Any, fresh_model: Any) -> None:
    model = fresh_model(world)
    candidate = step(cap=1e-3, passes=3)(model, world.with_task(validation=None).task)
    for key, tensor in candidate.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[key]), key


def test_a_capped_batch_costs_its_forward_pass_only(plain: Any, fresh_model: Any) -> None:
    step(cap=1e-3, passes=3)(fresh_model(plain), plain.task)
    cost = plain.task.meter.cost()
    assert (cost.forward_examples_forget, cost.backward_examples_forget) == (3 * 10, 0)


def test_the_cap_is_in_units_of_a_guess(plain: Any, fresh_model: Any) -> None:
    """A network that guesses has a loss of ln C: a cap of .99 stops it, one of 1.01 does not."""
    model = fresh_model(plain)
    torch.nn.init.zeros_(model.head.weight)
    torch.nn.init.zeros_(model.head.bias)
    for cap, moves in ((0.99, False), (1.01, True)):
        candidate = step(cap=cap)(model, plain.task)
        assert bool(candidate.head.bias.abs().sum() > 0) == moves


def test_no_update_is_longer_than_rate_times_clip(plain: Any, fresh_model: Any) -> None:
    model = fresh_model(plain)
    candidate = step(clip=0.01)(model, plain.task)
    moved = torch.cat([(a - b).flatten() for a, b in zip(candidate.parameters(), model.parameters(), strict=True)])
    assert float(moved.detach().norm()) == pytest.approx(0.2 * 0.05 * 0.01, rel=1e-2)


def test_without_decay_a_zero_gradient_moves_nothing(plain: Any, fresh_model: Any) -> None:
    """The recipe decays weights; ascent must not: the pixels that never vary get no gradient and stay."""
    model = fresh_model(plain)
    torch.nn.init.zeros_(model.head.weight)  # no gradient reaches the body
    candidate = step()(model, plain.with_recipe(weight_decay=0.5).task)
    for one, other in zip(candidate.body.parameters(), model.body.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("clip", [None, 1.0])
def test_an_absurd_rate_raises(clip: Any, world: Any) -> None:
    with pytest.raises(DataError, match="gradient_ascent diverged.*lower gradient_ascent.rate"):
        step(rate=1e30, clip=clip, passes=3, cap=2.0)(world.model, world.task)


def lengths(world: Any, model: Any, **more: Any) -> float:
    """How far one pass of steps of known length goes at most: 10 images in fours are 3 batches."""
    candidate = step(batch_size=4, clip=0.01, **more)(model, world.task)
    moved = torch.cat([(a - b).flatten() for a, b in zip(candidate.parameters(), model.parameters(), strict=True)])
    return float(moved.detach().norm())


def test_a_pass_is_no_longer_than_the_rate_however_many_batches(plain: Any, fresh_model: Any) -> None:
    model = fresh_model(plain)
    spread, full = (lengths(plain, model, per_pass=per_pass) for per_pass in (True, False))
    assert spread <= 0.2 * 0.05 * 0.01 * 1.001
    assert full == pytest.approx(3 * spread, rel=0.02)


def test_a_rate_per_pass_is_the_rate_divided_by_the_batches(world: Any, fresh_model: Any) -> None:
    model, task = fresh_model(world), world.with_task(validation=None).task
    one = step(batch_size=4, passes=2, rate=0.3)(model, task).state_dict()
    other = step(batch_size=4, passes=2, rate=0.1, per_pass=False)(model, task).state_dict()
    for key in one:
        torch.testing.assert_close(one[key], other[key], rtol=1e-5, atol=1e-7)


def test_a_cosine_spans_the_whole_budget(plain: Any, fresh_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from vestige.unlearners.shared.optimisation import Optimisation

    rates, rate_at = [], Optimisation.rate_at

    def recording(self: Optimisation, taken: int) -> float:
        rates.append(rate_at(self, taken))
        return rates[-1]

    monkeypatch.setattr(Optimisation, "rate_at", recording)
    step(batch_size=4, passes=4, schedule="cosine", per_pass=False, rate=1e-3)(fresh_model(plain), plain.task)
    assert len(rates) == 4 * 3
    assert rates[0] == pytest.approx(1e-3 * 0.05) and rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.1 * rates[0]
