"""Boundary Expansion: the shadow class comes, learns and goes."""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vestige.learners.errors import DataError
from vestige.learners.seeds import torch_generator
from vestige.learners.training.architectures import Classifier
from vestige.unlearners.boundary_expansion import BoundaryExpansion, prune, widened
from vestige.unlearners.shared import forget_phase, stopping
from vestige.unlearners.shared.pool import Pool


def expand(**more: Any) -> BoundaryExpansion:
    return BoundaryExpansion(**{"rate": 0.02, "passes": 1, "momentum": 0.0, "max_utility_loss": 1.0, **more})


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(4)


def forget_batch(world: Any) -> torch.Tensor:
    (x, _), *_ = Pool(world.task, "forget", augment=False).plain(100)
    return x


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_widened_head_holds_copies_of_the_old_rows(bias: bool, dtype: torch.dtype) -> None:
    head = nn.Linear(16, 3, bias=bias, dtype=dtype)
    wide = widened(head, generator())
    assert type(wide) is nn.Linear and wide.weight.shape == (4, 16) and wide.weight.dtype == dtype
    assert (wide.bias is not None) == bias
    assert torch.equal(wide.weight[:3], head.weight)
    assert 0 < float(wide.weight[3].detach().abs().max()) <= 0.25  # 1 / sqrt(16)
    assert wide.weight.data_ptr() != head.weight.data_ptr()
    if bias:
        assert torch.equal(wide.bias[:3], head.bias)


def test_the_new_row_comes_from_its_generator_alone() -> None:
    head = nn.Linear(16, 3)
    torch.manual_seed(1)
    one = widened(head, generator())
    torch.manual_seed(2)
    other = widened(head, generator())
    assert torch.equal(one.weight, other.weight) and torch.equal(one.bias, other.bias)


@pytest.mark.parametrize("bias", [True, False])
def test_pruning_undoes_widening(bias: bool) -> None:
    head = nn.Linear(16, 3, bias=bias)
    before = copy.deepcopy(head)
    wide = widened(head, generator())
    prune(wide, head)
    assert all(torch.equal(one, other) for one, other in zip(head.parameters(), before.parameters(), strict=True))
    wide.weight.data[1] += 1
    prune(wide, head)
    torch.testing.assert_close(head.weight[1], before.weight[1] + 1)


def test_what_is_still_stays_still() -> None:
    head = nn.Linear(16, 3)
    head.bias.requires_grad_(False)
    wide = widened(head, generator())
    assert wide.weight.requires_grad and not wide.bias.requires_grad


def test_every_batch_is_trained_with_one_class_more(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    widths, one_pass = [], forget_phase.one_pass

    def recording(model: Classifier, *arguments: Any, **more: Any) -> None:
        widths.append((model.classes, model.head.weight.shape[0]))
        if len(widths) == 1:
            assert torch.equal(model.head.weight[:3], world.model.head.weight)
        one_pass(model, *arguments, **more)

    monkeypatch.setattr(forget_phase, "one_pass", recording)
    world = world.of("class")
    candidate = expand(passes=3, rate=1e-4)(world.model, world.with_task(validation=None).task)
    assert widths == [(4, 4)] * 3
    assert candidate.classes == 3 and type(candidate.head) is nn.Linear
    assert candidate.head.weight.shape == world.model.head.weight.shape


def test_one_step_of_all_parameters_and_then_the_row_is_cut(world: Any, fresh_model: Any) -> None:
    world = world.of("class").with_recipe(augmentation="none").with_task(validation=None)
    model = fresh_model(world).eval()
    candidate = expand(rate=2.0, batch_size=64)(model, world.task)
    wide = Classifier(copy.deepcopy(model.body), widened(model.head, torch_generator(world.task.seed, "shadow class")))
    x = forget_batch(world)
    loss = F.cross_entropy(wide(x), torch.full((len(x),), 3))
    gradients = torch.autograd.grad(loss, list(wide.parameters()))
    for (name, before), gradient in zip(wide.named_parameters(), gradients, strict=True):
        after = dict(candidate.named_parameters())[name]
        expected = before - 2.0 * 0.05 * gradient
        torch.testing.assert_close(after, expected[: len(after)], rtol=1e-5, atol=1e-6)
        assert not torch.equal(after, before[: len(after)]), name


def test_the_shadow_logit_rises_on_the_forget_set(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, one_pass = [], forget_phase.one_pass
    world = world.of("class").with_task(validation=None)

    def recording(model: Classifier, *arguments: Any, **more: Any) -> None:
        def shadow() -> float:
            with torch.no_grad():
                return float(model.eval()(forget_batch(world))[:, 3].mean())

        before = shadow()
        one_pass(model, *arguments, **more)
        seen.append((before, shadow()))

    monkeypatch.setattr(forget_phase, "one_pass", recording)
    expand(rate=0.2)(world.model, world.task)
    assert len(seen) == 1 and seen[0][1] > seen[0][0]


def test_the_rule_reads_the_pruned_network(world: Any) -> None:
    """Its number is the accuracy of what is handed out, not of the network with the shadow class."""
    world = world.of("class").with_task(validation=None)
    candidate = expand(rate=0.3, passes=5)(world.model, world.task)
    (x, y), *_ = Pool(world.task, "forget", augment=False).plain(100)
    with torch.no_grad():
        accuracy = float((candidate(x).argmax(1) == y).float().mean())
    assert world.task.meter.cost().checks[-1].forget_accuracy == pytest.approx(accuracy)


def test_below_the_floor_the_last_good_state_comes_back(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    falling = iter([0.9, 0.5, 0.2])  # other classes before; the class and other classes after the first pass
    monkeypatch.setattr(stopping, "accuracy", lambda *arguments: next(falling))
    world = world.of("class")
    candidate = expand(rate=1.0, passes=4, max_utility_loss=0.1)(world.model, world.task)
    assert "state after pass 0 restored" in world.task.meter.cost().stop
    for key, tensor in candidate.state_dict().items():
        assert torch.equal(tensor, world.model.state_dict()[key]), key


def test_without_a_budget_the_original_comes_back(world: Any) -> None:
    world = world.of("class")
    candidate = expand(passes=0)(world.model, world.task)
    for key, tensor in candidate.state_dict().items():
        assert torch.equal(tensor, world.model.state_dict()[key]), key


def test_a_head_without_bias_and_a_body_that_ends_in_a_linear_layer(perceptron_world: Any) -> None:
    world = perceptron_world.of("class")
    model = Classifier(nn.Sequential(*world.model.body, nn.Linear(16, 5), nn.ReLU()), nn.Linear(5, 3, bias=False))
    candidate = expand()(model, world.task)
    assert candidate.head.bias is None and candidate.head.weight.shape == (3, 5)
    assert not torch.equal(candidate.head.weight, model.head.weight)


class Cosine(nn.Module):
    """A last layer that is not linear."""

    out_features = 3

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.normalize(x)[:, :3]


def test_a_last_layer_that_is_not_linear_is_refused_by_name(perceptron_world: Any) -> None:
    world = perceptron_world.of("class")
    model = copy.deepcopy(world.model)
    model.head = Cosine()
    with pytest.raises(DataError, match=r"boundary_expansion: expected .*torch\.nn\.Linear, got Cosine; "):
        expand()(model, world.task)


def test_statistics_stay_unless_asked_to_train(convolutional_world: Any) -> None:
    for bn, stays in (("frozen_on_forget", True), ("frozen", True), ("train", False)):
        world = convolutional_world.of("class")
        candidate = expand(bn=bn)(world.model, world.task)
        assert torch.equal(candidate.body[1].running_mean, world.model.body[1].running_mean) == stays, bn
