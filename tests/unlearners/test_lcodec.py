"""L-CODEC: selection, slices, the Newton step, the noise and the way back."""

import copy
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vestige.learners.errors import DataError
from vestige.learners.training.architectures import Classifier
from vestige.unlearners.lcodec import LCodec, noise_deviation
from vestige.unlearners.shared.slices import (
    Curvature,
    Layer,
    Unit,
    activations,
    largest_slices,
    last_layers,
    listening,
    newton_direction,
    read_slice,
    require_room,
    units_of,
    write_slice,
)

QUICK: dict[str, Any] = {"perturbations": 30, "damping": 1.0, "hessian_images": 16}


def run(world: Any, **parameters: Any) -> Classifier:
    return LCodec(**{**QUICK, **parameters})(world.model, world.task)


def notes(world: Any) -> str:
    return " | ".join(world.task.meter.cost().notes)


def changed_rows(world: Any, candidate: Classifier) -> dict[str, int]:
    """How many rows of each tensor differ from the original's."""
    pairs = zip(candidate.state_dict().items(), world.model.state_dict().values(), strict=True)
    differ = {key: (a != b).reshape(len(a) if a.ndim else 1, -1).any(1).sum() for (key, a), b in pairs}
    return {key: int(count) for key, count in differ.items() if count}


def test_the_noise_by_hand() -> None:
    assert noise_deviation(0.1, 0.01, 1e-3, 50_000) == pytest.approx(6.2, abs=0.02)
    assert noise_deviation(0.1, 0.01, 1e-2, 50_000) == pytest.approx(0.0062, abs=2e-5)
    assert noise_deviation(0.1, 0.01, 1e-2, 1_000) == pytest.approx(15.5, abs=0.05)


def test_only_the_selected_units_move_and_nothing_else(world: Any) -> None:
    alone = world.with_task(forget=world.task.forget[:1])
    candidate = run(alone, most_units=1)
    rows = changed_rows(alone, candidate)
    assert set(rows.values()) == {1}
    layers = {key.rpartition(".")[0] for key in rows}
    assert len(layers) == 1
    assert isinstance(world.model.get_submodule(layers.pop()), nn.Conv2d | nn.Linear)


def test_normalisation_stays_as_it_is(convolutional_world: Any) -> None:
    world = convolutional_world.with_task()
    rows = changed_rows(world, run(world))
    owners = {world.model.get_submodule(key.rpartition(".")[0]) for key in rows}
    assert rows and all(isinstance(module, nn.Conv2d | nn.Linear) for module in owners)


def test_only_the_last_layers_are_offered(world: Any) -> None:
    world = world.with_task()
    assert {key.partition(".")[0] for key in changed_rows(world, run(world, last_layers=1))} == {"head"}


def test_a_tensor_that_may_not_move_does_not(perceptron_world: Any) -> None:
    world = perceptron_world.with_task()
    model = copy.deepcopy(world.model)
    model.head.bias.requires_grad_(False)
    model.body[1].weight.requires_grad_(False)
    candidate = LCodec(**QUICK)(model, world.task)
    rows = changed_rows(world, candidate)
    assert "head.bias" not in rows and not any(key.startswith("body.1") for key in rows)
    assert rows


def test_a_network_without_a_layer_that_may_move_is_refused(convolutional_world: Any) -> None:
    model = copy.deepcopy(convolutional_world.model)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.requires_grad_(False)
    with pytest.raises(DataError, match="expected a convolution or linear layer that may move"):
        LCodec(**QUICK)(model, convolutional_world.with_task().task)


@pytest.mark.parametrize("validation", [True, False], ids=["validation", "no validation"])
def test_whatever_diverges_the_advice_is_more_damping(validation: bool, world: Any) -> None:
    one = world.with_task(forget=world.task.forget[:1])
    world = one if validation else one.with_task(validation=None)
    with pytest.raises(DataError, match="lcodec diverged: .*logits.*; raise lcodec.damping$") as refusal:
        run(world, force=True, damping=1e-6, epsilon=1e-12)
    assert ("of validation examples" in str(refusal.value)) == validation


@pytest.mark.parametrize("rows, values", [(7, 100), (100, 7)])
def test_the_room_of_a_step_is_limited_to_the_byte(rows: int, values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from vestige.unlearners.shared import slices

    size = 8 * (700 + 2 * 49)
    monkeypatch.setattr(slices, "LARGEST_CURVATURE", size)
    require_room(rows, values)
    monkeypatch.setattr(slices, "LARGEST_CURVATURE", size - 1)
    with pytest.raises(DataError, match="; lower lcodec.hessian_images or lcodec.most_units$"):
        require_room(rows, values)


def test_a_step_that_might_not_fit_is_refused_before_an_image_is_read(
    perceptron_world: Any, watch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """16 images, 3 classes; the largest slices are those of the first layer, 65 values each."""
    from vestige.unlearners.shared import slices

    world = perceptron_world.with_task(forget=perceptron_world.task.forget[:1])
    needed = 8 * (48 * 2 * 65 + 2 * 48**2)
    derivatives = []
    monkeypatch.setattr(slices, "LARGEST_CURVATURE", needed - 1)
    monkeypatch.setattr(Curvature, "add", lambda self, model, x: derivatives.append(len(x)))
    examples = watch(world.task.examples, range(len(world.task.examples)))
    for limits in ({"most_units": 2}, {"most_units": 10, "offered": 2}):
        with pytest.raises(DataError, match="lower lcodec.hessian_images or lcodec.most_units"):
            run(world.with_task(examples=examples), **limits)
    assert not examples.seen and not derivatives
    monkeypatch.undo()
    monkeypatch.setattr(slices, "LARGEST_CURVATURE", needed)
    monkeypatch.setattr(Curvature, "add", _without_limit(Curvature.add, slices))
    run(world.with_task(), most_units=2)


def _without_limit(add: Any, slices: Any) -> Any:
    """``Curvature.add`` without the limit on derivatives, which is the same constant."""

    def adding(self: Curvature, model: Classifier, x: Tensor) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(slices, "LARGEST_CURVATURE", 2**40)
            add(self, model, x)

    return adding


def test_the_factor_is_checked_too(net: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    from vestige.unlearners.shared import slices

    curvature = Curvature(last_layers(net, 4, X[:1]), len(X))
    curvature.add(net, X)
    assert curvature.factor([Unit(3, 1)]).shape == (18, 6)
    monkeypatch.setattr(slices, "LARGEST_CURVATURE", 8 * (18 * 6 + 2 * 36) - 1)
    with pytest.raises(DataError, match="lower lcodec.hessian_images or lcodec.most_units"):
        curvature.factor([Unit(3, 1)])


def test_the_largest_slices_count_biases_that_may_move(net: Classifier) -> None:
    layers = last_layers(net, 4, X[:1])  # slices of 10, 17, 3 and 6 values
    assert [largest_slices(layers, count) for count in (1, 3, 4, 1000)] == [17, 51, 61, 3 * 17 + 4 * 10 + 3 * 6 + 5 * 3]
    net.body.second.bias.requires_grad_(False)
    assert largest_slices(layers, 2) == 32


def test_large_networks_get_a_curvature_of_fewer_images() -> None:
    table = LCodec.by_size["hessian_images"]
    assert [table.at(size, 50_000) for size in ("xs", "s", "m", "l")] == [256, 256, 64, 64]
    require_room(64 * 100, 10 * 4608)  # ten filters of a ResNet-18, a hundred classes


def test_the_revert_rule_restores_the_bits(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from vestige.unlearners import lcodec as module

    measured = iter([0.9, *[0.84] * len(world.task.forget)])
    monkeypatch.setattr(module, "accuracy", lambda *arguments, **more: next(measured))
    candidate = run(world)
    assert changed_rows(world, candidate) == {}
    assert f"{len(world.task.forget)} examples were not removed: validation accuracy fell" in notes(world)


def test_a_fall_by_exactly_what_is_tolerated_is_kept(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from vestige.unlearners import lcodec as module

    measured = iter([0.9, *[0.85] * len(world.task.forget)])
    monkeypatch.setattr(module, "accuracy", lambda *arguments, **more: next(measured))
    assert changed_rows(world, run(world)) and "not removed" not in notes(world)


def test_utility_may_not_decay_in_small_steps(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step loses less than the tolerance, all together more: the reference is the original."""
    from vestige.unlearners import lcodec as module

    measured = iter([0.9 - 0.01 * k for k in range(len(world.task.forget) + 1)])
    monkeypatch.setattr(module, "accuracy", lambda *arguments, **more: next(measured))
    run(world)
    assert "5 examples were not removed" in notes(world)


def test_without_validation_nothing_is_taken_back_and_the_record_says_so(world: Any) -> None:
    world = world.with_task(validation=None)
    run(world)
    assert "nothing could be taken back (no validation examples)" in notes(world)
    assert "exact slice Hessian" in notes(world)


def test_a_noise_that_drowns_the_weights_is_refused_before_anything_is_read(world: Any, watch: Any) -> None:
    examples = watch(world.task.examples, range(len(world.task.examples)))
    world = world.with_task(examples=examples)
    with pytest.raises(DataError, match=r"raise lcodec.damping to [0-9.]+ or more.*lcodec.noise to false") as refusal:
        run(world, damping=0.01)
    enough = float(str(refusal.value).partition("lcodec.damping to ")[2].partition(" or more")[0])
    run(world.with_task(examples=examples.__class__(world.task.examples)), damping=enough)
    with pytest.raises(DataError, match="expected noise of at most"):
        run(world, damping=0.9 * enough)


def test_it_can_be_forced_and_the_noise_left_out(world: Any) -> None:
    forced = world.with_task(validation=None)
    assert changed_rows(forced, run(forced, damping=0.1, force=True)) and "at most" in notes(forced)
    quiet = world.with_task()
    run(quiet, damping=0.01, noise=False)
    assert "no noise was added" in notes(quiet)


def test_the_noise_has_the_deviation_that_is_recorded(perceptron_world: Any) -> None:
    world = perceptron_world.with_task(forget=perceptron_world.task.forget[:1], validation=None)
    noisy = run(world, damping=0.3, force=True).state_dict()
    quiet = run(world.with_task(), damping=0.3, noise=False).state_dict()
    difference = torch.cat([(noisy[key] - quiet[key]).flatten() for key in noisy])
    difference = difference[difference != 0]
    expected = noise_deviation(0.1, 0.01, 0.3, world.task.training_images)
    assert len(difference) > 15
    assert float(difference.square().mean().sqrt()) == pytest.approx(expected, rel=0.5)


def test_of_a_large_forget_set_a_random_part_is_processed(world: Any, watch: Any) -> None:
    examples = watch(world.task.examples)
    world = world.with_task(examples=examples)
    run(world, most=4)
    assert len(examples.seen & set(world.task.forget.tolist())) == 4
    assert "6 forget examples beyond lcodec.most = 4 were not removed" in notes(world)
    assert world.task.meter.cost().backward_examples_forget == 4


def test_an_example_on_which_no_unit_varies_counts_as_not_removed(perceptron_world: Any) -> None:
    world = perceptron_world.with_task(forget=perceptron_world.task.forget[:2])
    model = copy.deepcopy(world.model)
    with torch.no_grad():
        model.body[1].weight.zero_()
        model.body[1].bias.fill_(-1.0)  # no unit of the layers above hears anything
    candidate = LCodec(**QUICK, last_layers=2, noise=False)(model, world.task)
    assert all(torch.equal(a, b) for a, b in zip(candidate.parameters(), model.parameters(), strict=True))
    assert "2 examples were not removed: no unit varied" in notes(world)
    cost = world.task.meter.cost()
    assert (cost.forward_examples_forget, cost.backward_examples_forget) == (2 * 30, 0)
    assert cost.forward_examples_validation == len(world.task.held_out)


def test_the_step_climbs_the_loss_of_the_example(perceptron_world: Any) -> None:
    """Without noise: away from the example, along what the retain images leave flat."""
    position = int(perceptron_world.task.forget[3])  # a wrong label: its gradient is not zero
    world = perceptron_world.with_task(forget=np.array([position]), validation=None)
    candidate = run(world, noise=False, damping=1e-3)
    images, labels = world.task.examples.read(np.array([position]))
    x = ((torch.from_numpy(images).float() - 127.5) / 63.75).permute(0, 3, 1, 2)
    with torch.no_grad():
        losses = [float(F.cross_entropy(model(x), torch.from_numpy(labels))) for model in (world.model, candidate)]
    assert losses[1] > losses[0]


def test_the_newton_step_lands_on_the_leave_one_out_minimiser() -> None:
    """Least squares: H is the others' mean, the step from the minimum of all ends at the minimum of the others."""
    random = torch.Generator().manual_seed(0)
    n, values = 30, 4
    rows = torch.randn(n, values, generator=random, dtype=torch.float64)
    targets = torch.randn(n, generator=random, dtype=torch.float64)
    everything = torch.linalg.lstsq(rows, targets).solution
    for position in (0, 17):
        others = torch.arange(n) != position
        gradient = (rows[position] @ everything - targets[position]) * rows[position]
        factor = rows[others] / math.sqrt(n - 1)
        stepped = everything + newton_direction(factor, gradient, 1e-12) / (n - 1)
        assert torch.allclose(stepped, torch.linalg.lstsq(rows[others], targets[others]).solution, atol=1e-8)


def test_both_ways_to_the_newton_direction_agree() -> None:
    random = torch.Generator().manual_seed(1)
    factor = torch.randn(6, 9, generator=random, dtype=torch.float64)
    gradient = torch.randn(9, generator=random, dtype=torch.float64)
    expected = torch.linalg.solve(factor.T @ factor + 0.3 * torch.eye(9, dtype=torch.float64), gradient)
    assert torch.allclose(newton_direction(factor, gradient, 0.3), expected)
    padded = torch.cat([factor, torch.zeros(5, 9, dtype=torch.float64)])
    assert torch.allclose(newton_direction(padded, gradient, 0.3), expected)


class Net(nn.Module):
    """Strides, groups, dilation, padding, work in place, and a layer that sees several positions."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2)
        self.second = nn.Conv2d(4, 3, 2, dilation=2, padding="same", padding_mode="reflect")
        self.norm = nn.BatchNorm2d(3)
        self.third = nn.Linear(3, 5, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu_(self.first(x))
        x = torch.relu_(self.norm(self.second(x)))
        return torch.relu_(self.third(x.flatten(2).transpose(1, 2))).mean(1)


@pytest.fixture
def net() -> Classifier:
    torch.manual_seed(0)
    network = Classifier(Net(), nn.Linear(5, 3)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2)  # so that no second derivative is tiny
    return network


X = torch.randn(6, 2, 8, 8, generator=torch.Generator().manual_seed(2))


def loss_of(model: Classifier, layers: Sequence[Layer], units: Sequence[Unit], values: Tensor) -> Tensor:
    """Mean cross-entropy against fixed labels as a function of the slices' values; differentiable."""
    parameters = {key: one.detach().double() for key, one in model.named_parameters()}
    buffers = {key: one.double() if one.is_floating_point() else one for key, one in model.named_buffers()}
    names = {id(module): name for name, module in model.named_modules()}
    start = 0
    for unit in units:
        layer = layers[unit.layer]
        name, size = names[id(layer)], layer.weight[0].numel()
        for key, length in (("weight", size), ("bias", 0 if layer.bias is None else 1)):
            if length:
                old = parameters[f"{name}.{key}"]
                mask = torch.zeros_like(old)
                mask[unit.row] = 1
                part = values[start : start + length].reshape(old[unit.row].shape)
                parameters[f"{name}.{key}"] = old * (1 - mask) + mask * part.expand_as(old)
                start += length
    logits = torch.func.functional_call(model, {**parameters, **buffers}, (X.double(),))
    return F.cross_entropy(logits, torch.arange(6) % 3)


@pytest.mark.parametrize("layer, rows", [(0, [1, 3]), (1, [0, 2]), (2, [1, 4]), (3, [0, 1, 2])])
def test_the_curvature_in_one_layer_is_the_exact_hessian(net: Classifier, layer: int, rows: list[int]) -> None:
    layers = last_layers(net, 4, X[:1])
    units = [Unit(layer, row) for row in rows]
    curvature = Curvature(layers, len(X))
    for part in X.split(4):
        curvature.add(net, part)
    factor = curvature.factor(units)
    values = torch.cat([read_slice(layers[unit.layer], unit.row) for unit in units]).double()
    hessian = torch.autograd.functional.hessian(lambda v: loss_of(net, layers, units, v), values)
    assert factor.shape == (6 * 3, len(values))
    assert torch.allclose(factor.T @ factor, hessian, rtol=1e-3, atol=1e-6)
    assert float(hessian.abs().max()) > 1e-3


def test_across_layers_the_curvature_is_never_negative(net: Classifier) -> None:
    layers = last_layers(net, 4, X[:1])
    curvature = Curvature(layers, len(X))
    curvature.add(net, X)
    factor = curvature.factor([Unit(0, 2), Unit(3, 1)])
    one = curvature.factor([Unit(3, 1)])
    assert torch.equal(factor[:, -one.shape[1] :], one)
    assert float(torch.linalg.eigvalsh(factor.T @ factor).min()) > -1e-9


def test_too_many_derivatives_are_refused(net: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    from vestige.unlearners.shared import slices

    monkeypatch.setattr(slices, "LARGEST_CURVATURE", 1000)
    with pytest.raises(DataError, match="lower lcodec.last_layers or lcodec.hessian_images"):
        Curvature(last_layers(net, 4, X[:1]), 6).add(net, X)


def test_activations_are_means_over_positions_before_the_non_linearity(net: Classifier) -> None:
    layers = last_layers(net, 4, X[:1])
    with torch.no_grad(), listening(layers) as calls:
        logits = net(X)
    means = activations(layers, calls)
    assert means.shape == (6, 4 + 3 + 5 + 3) and len(units_of(layers)) == 15
    assert torch.allclose(means[:, -3:], logits)
    with torch.no_grad():
        assert torch.allclose(means[:, :4], layers[0](X).mean((2, 3)), atol=1e-6)
    assert float(means[:, :4].min()) < 0
    assert torch.equal(logits, net(X)) and not any(module._forward_hooks for module in net.modules())


def test_hooks_are_gone_after_an_error(net: Classifier) -> None:
    layers = last_layers(net, 4, X[:1])
    with pytest.raises(ZeroDivisionError), listening(layers):
        raise ZeroDivisionError
    assert not any(module._forward_hooks for module in net.modules())


def test_a_layer_that_is_called_twice_or_never_is_left_out() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unused, self.twice, self.once = (nn.Linear(4, 4) for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            return self.once(self.twice(self.twice(x.flatten(1))))  # type: ignore[no-any-return]

    model = Classifier(Shared(), nn.Linear(4, 2))
    assert last_layers(model, 10, torch.zeros(1, 1, 2, 2)) == [model.body.once, model.head]


def test_a_slice_is_read_and_written_whole(net: Classifier) -> None:
    layer = last_layers(net, 4, X[:1])[0]
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    values = read_slice(layer, 2)
    assert values.tolist() == [*layer.weight[2].flatten().tolist(), layer.bias[2].item()]
    write_slice(layer, 2, values + 1)
    assert torch.equal(read_slice(layer, 2), values + 1)
    write_slice(layer, 2, values)
    assert all(torch.equal(before[key], tensor) for key, tensor in net.state_dict().items())
