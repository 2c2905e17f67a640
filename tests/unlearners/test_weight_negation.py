"""NoT: which tensors turn their sign, and that nothing else does."""

import copy
from typing import Any

import pytest
import torch

from vestige.learners.errors import ConfigError
from vestige.learners.training.architectures import build_classifier
from vestige.learners.training.recipe import Recipe
from vestige.unlearners.core.registry import create
from vestige.unlearners.finetune import Finetune
from vestige.unlearners.weight_negation import WeightNegation, first_layers


@pytest.mark.parametrize("layers", [None, ("head.weight",), ("head.bias", "body.1.weight", "head.bias")])
def test_without_a_budget_exactly_the_named_tensors_are_negated(layers: tuple[str, ...] | None, world: Any) -> None:
    after = WeightNegation(layers=layers, share=0.0)(world.model, world.task).state_dict()
    first = "body.1.weight" if world.task.recipe.architecture == "mlp" else "body.0.weight"
    for key, before in world.model.state_dict().items():
        expected = -before if key in (layers or (first,)) else before
        assert torch.equal(after[key], expected), key


def test_a_second_negation_restores_the_original(world: Any) -> None:
    method = WeightNegation(share=0.0)
    twice = method(method(world.model, world.task), world.with_task().task).state_dict()
    for key, before in world.state().items():
        assert torch.equal(twice[key], before) and torch.equal(twice[key].signbit(), before.signbit()), key


def test_the_output_of_the_negated_convolution_changes_its_sign(convolutional_world: Any) -> None:
    world = convolutional_world.with_task()
    candidate = WeightNegation(share=0.0)(world.model, world.task)
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert torch.equal(candidate.body[0](x), -world.model.body[0](x))


def test_normalisation_in_train_mode_does_not_undo_the_negation(convolutional_world: Any) -> None:
    """Behind the negated convolution -u becomes the mirror image of u around the shift, which is not what u becomes."""
    model, task = convolutional_world.model, convolutional_world.with_task().task
    negated = WeightNegation(share=0.0)(model, task)
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    was, now = (copy.deepcopy(one.body[:2]).train()(x) for one in (model, negated))
    shift = model.body[1].bias[None, :, None, None]
    torch.testing.assert_close(now - shift, shift - was)
    assert not torch.allclose(now, was, atol=0.1)


def test_the_repair_is_fine_tuning_of_the_negated_network(world: Any) -> None:
    settings: dict[str, Any] = {"rate": 1.0, "share": 0.4}
    negated = WeightNegation(share=0.0)(world.model, world.task)
    expected = Finetune(**settings)(negated, world.with_task().task).state_dict()
    got = WeightNegation(**settings)(world.model, world.with_task().task).state_dict()
    for key in got:
        assert torch.equal(got[key], expected[key]), key


def test_the_record_says_what_was_negated(world: Any) -> None:
    WeightNegation(share=0.0, layers=("head.weight", "head.bias"))(world.model, world.task)
    assert world.task.meter.cost().notes == ("negated head.weight, head.bias",)


@pytest.mark.parametrize(
    "architecture, expected",
    [
        ("mlp", ("body.1.weight",)),
        ("resnet8", ("body.0.weight",)),
        ("torchvision:resnet18", ("body.conv1.weight",)),
        ("torchvision:vit_b_32", ("body.encoder.pos_embedding", "body.conv_proj.weight")),
    ],
)
def test_the_default_is_the_first_layer(architecture: str, expected: tuple[str, ...]) -> None:
    side = 224 if "vit" in architecture else 32
    with torch.device("meta"):
        model = build_classifier(Recipe(architecture=architecture), (side, side, 3), 3, 0)
    assert first_layers(model) == expected


def test_an_unknown_layer_is_refused_with_the_names_there_are(perceptron_world: Any) -> None:
    world = perceptron_world.with_task()
    names = "body.1.weight, body.1.bias, body.3.weight, body.3.bias, head.weight, head.bias"
    with pytest.raises(
        ConfigError, match=f"^weight_negation.layers: expected names among {names}, got 'body.2.weight'"
    ):
        WeightNegation(layers=("head.weight", "body.2.weight"))(world.model, world.task)


def test_layers_come_as_the_list_of_an_audit_file() -> None:
    assert create("weight_negation", {"layers": ["head.weight"]}) == WeightNegation(layers=("head.weight",))
    with pytest.raises(ConfigError, match=r"^weight_negation\.layers: expected .* at least 1 item"):
        create("weight_negation", {"layers": []})
    with pytest.raises(ConfigError, match=r"^weight_negation\.layers\.0: expected a valid string, got 3"):
        create("weight_negation", {"layers": [3]})


@pytest.mark.parametrize("bn", ["frozen", "frozen_on_forget"])
def test_frozen_statistics_are_refused(bn: str) -> None:
    with pytest.raises(ConfigError, match=f"^weight_negation.bn: expected 'train', got '{bn}'"):
        create("weight_negation", {"bn": bn})
