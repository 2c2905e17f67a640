"""CF-k and EU-k: what a block is, that everything below is left alone, and what all blocks together equal."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from vestige.learners.errors import ConfigError, DataError
from vestige.learners.training.architectures import Classifier, build_classifier
from vestige.learners.training.flops import forward_flops
from vestige.learners.training.recipe import Recipe
from vestige.unlearners.cf_k import CFk
from vestige.unlearners.eu_k import EUk
from vestige.unlearners.finetune import Finetune
from vestige.unlearners.retrain import Retrain
from vestige.unlearners.shared.blocks import blocks_of, last_blocks

BLOCKS = {"mlp": 2, "cnn": 3}
TAILS = {("mlp", 1): ("body.3.", "head."), ("cnn", 1): ("body.8.", "body.9.", "head.")}


def method(name: str, k: int) -> Any:
    return CFk(k=k, share=0.3, rate=1.0) if name == "cf_k" else EUk(k=k)


def differing(one: Any, other: Any) -> set[str]:
    a, b = one.state_dict(), other.state_dict()
    assert a.keys() == b.keys()
    return {key for key in a if not torch.equal(a[key], b[key])}


@pytest.mark.parametrize(
    "architecture, channels, count, last",
    [
        ("mlp", 1, 2, ["Linear", "ReLU"]),
        ("cnn", 3, 3, ["Conv2d", "BatchNorm2d", "ReLU", "AdaptiveAvgPool2d", "Flatten"]),
        ("resnet8", 3, 4, ["_Block", "AdaptiveAvgPool2d", "Flatten"]),
        ("resnet18", 3, 9, ["_Block", "AdaptiveAvgPool2d", "Flatten"]),
        ("torchvision:resnet18", 3, 9, ["BasicBlock", "AdaptiveAvgPool2d", "Identity"]),
        ("torchvision:resnet18", 1, 9, ["BasicBlock", "AdaptiveAvgPool2d", "Identity"]),
        ("torchvision:vgg11_bn", 3, 10, ["Linear", "ReLU", "Dropout", "Identity"]),
        ("torchvision:vit_b_32", 3, 13, ["EncoderBlock", "LayerNorm", "Identity"]),
    ],
)
def test_what_a_block_is(architecture: str, channels: int, count: int, last: list[str]) -> None:
    side = 224 if "vit" in architecture else 32
    with torch.device("meta"):
        body = build_classifier(Recipe(architecture=architecture), (side, side, channels), 3, 0).body
    blocks = blocks_of(body)
    assert len(blocks) == count
    assert [type(part).__name__ for part in blocks[-1]] == last
    parts = [part for block in blocks for part in block]
    assert len(set(parts)) == len(parts)
    assert all(list(block[0].parameters()) for block in blocks[1:]), "a block starts with weights"


def test_a_body_that_is_one_layer_is_one_block() -> None:
    layer = nn.Linear(3, 2)
    assert blocks_of(layer) == [[layer]]


@pytest.mark.parametrize("name", ["cf_k", "eu_k"])
def test_only_the_last_blocks_differ(name: str, world: Any) -> None:
    """Running statistics below included; of the trained part everything moves."""
    architecture = world.task.recipe.architecture
    candidate = method(name, 1)(world.model, world.task)
    trained = {key for key in world.state() if key.startswith(TAILS[architecture, 1])}
    counter = {"body.9.num_batches_tracked"}  # EU-k starts it afresh and may end where the original did
    assert differing(candidate, world.model) - counter == trained - counter
    assert len(trained) == {"mlp": 4, "cnn": 8}[architecture]


def test_all_blocks_make_cf_k_finetune(world: Any) -> None:
    candidate = CFk(k=BLOCKS[world.task.recipe.architecture], rate=1.0, share=0.4)(world.model, world.task)
    other = world.with_task().task
    assert not differing(candidate, Finetune(rate=1.0, share=0.4)(world.model, other))
    assert world.task.meter.cost().flops == other.meter.cost().flops


def test_all_blocks_make_eu_k_retrain(world: Any) -> None:
    candidate = EUk(k=BLOCKS[world.task.recipe.architecture])(world.model, world.task)
    other = world.with_task().task
    assert not differing(candidate, Retrain()(world.model, other))
    assert world.task.meter.cost().flops == other.meter.cost().flops


def test_all_blocks_of_a_residual_network_make_eu_k_retrain(convolutional_world: Any) -> None:
    world = convolutional_world.with_recipe(architecture="resnet8", epochs=2)
    model = build_classifier(world.task.recipe, world.task.examples.shape, 3, 4)
    candidate = EUk(k=4)(model, world.task)
    assert not differing(candidate, Retrain()(model, world.with_task().task))


def test_eu_k_starts_from_the_weights_a_retrain_starts_from(world: Any) -> None:
    """A rate of next to nothing leaves them as they were."""
    short = world.with_recipe(epochs=1, learning_rate=1e-30)
    candidate = EUk(k=1)(short.model, short.task)
    fresh = build_classifier(short.task.recipe, short.task.examples.shape, 3, short.task.seed)
    for (key, got), expected in zip(candidate.named_parameters(), fresh.parameters(), strict=True):
        if key.startswith(TAILS[short.task.recipe.architecture, 1]):
            torch.testing.assert_close(got, expected, rtol=0, atol=1e-25)


def test_eu_k_forgets_what_stood_in_the_last_blocks(world: Any) -> None:
    other = copy.deepcopy(world.model)
    with torch.no_grad():
        for key, tensor in other.state_dict().items():
            if key.startswith(TAILS[world.task.recipe.architecture, 1]):
                tensor.add_(1)
    one = EUk(k=1)(world.model, world.task)
    assert not differing(one, EUk(k=1)(other, world.with_task().task))


def test_eu_k_starts_from_the_weights_of_a_given_seed(world: Any) -> None:
    usual = EUk(k=1)(world.model, world.task)
    same = EUk(k=1, initial_seed=world.task.seed)(world.model, world.with_task().task)
    other = EUk(k=1, initial_seed=1)(world.model, world.with_task().task)
    assert not differing(usual, same)
    assert "head.weight" in differing(usual, other)


def test_eu_k_needs_the_recipes_architecture(perceptron_world: Any) -> None:
    world = perceptron_world.with_recipe(width=17)
    with pytest.raises(DataError, match="^eu_k: expected a model of the recipe's architecture mlp"):
        EUk(k=1)(world.model, world.task)


@pytest.mark.parametrize("name", ["cf_k", "eu_k"])
def test_more_blocks_than_there_are_are_refused(name: str, world: Any) -> None:
    most = BLOCKS[world.task.recipe.architecture]
    with pytest.raises(ConfigError, match=rf"^{name}\.k: expected at most {most}, .*got {most + 1}; lower it"):
        method(name, most + 1)(world.model, world.task)


def test_the_share_of_the_trained_part_by_hand(perceptron_world: Any) -> None:
    """64 inputs, two hidden layers of 16, three classes: products of the trained layers over all products."""
    world = perceptron_world.with_task()
    tail = last_blocks("cf_k", copy.deepcopy(world.model), 1, world.task)
    assert tail.share == pytest.approx((16 * 16 + 16 * 3) / (64 * 16 + 16 * 16 + 16 * 3))
    assert last_blocks("cf_k", copy.deepcopy(world.model), 2, world.task).share == 1


@pytest.mark.parametrize("name, epochs", [("cf_k", 3), ("eu_k", 10)])
def test_the_bill_is_one_forward_and_a_share_of_the_backward_passes(name: str, epochs: int, world: Any) -> None:
    share = last_blocks(name, copy.deepcopy(world.model), 1, world.task).share
    method(name, 1)(world.model, world.task)
    flops = forward_flops(world.model, world.task.examples.shape)
    assert 0 < share < 1
    assert world.task.meter.cost().flops == round(epochs * 33 * (1 + 2 * share) * flops)


class _Loose(nn.Module):
    """A body with a parameter of its own, dropout below, and blocks that are not in a Sequential."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(64))
        self.flatten, self.first = nn.Flatten(), nn.Linear(64, 16)
        self.drop, self.second = nn.Dropout(0.5), nn.Linear(16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.second(self.drop(self.first(self.flatten(x) + self.shift)))
        return result


def test_loose_parameters_and_dropout_below_stay_with_the_first_block(perceptron_world: Any) -> None:
    world = perceptron_world.with_task()
    generator = torch.Generator().manual_seed(2)
    model = Classifier(_Loose(), nn.Linear(16, 3))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    trained = {"body.second.weight", "body.second.bias", "head.weight", "head.bias"}
    candidate = CFk(k=1, rate=1.0, share=0.2)(model, world.task)
    assert differing(candidate, model) == trained
    without = copy.deepcopy(model)
    without.body.drop = nn.Identity()
    other = CFk(k=1, rate=1.0, share=0.2)(without, world.with_task().task)
    assert not differing(candidate, other), "dropout below the trained part is off"
    everything = CFk(k=2, rate=1.0, share=0.2)(model, world.with_task().task)
    assert differing(everything, model) == trained | {"body.shift", "body.first.weight", "body.first.bias"}
