import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from vestige.learners.errors import ConfigError
from vestige.learners.training.architectures import build_classifier
from vestige.learners.training.flops import count_flops, forward_flops
from vestige.learners.training.recipe import Recipe

SHAPE = (32, 32, 3)


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet8", "resnet18", "torchvision:mobilenet_v3_small"])
def test_head_of_representation_is_the_output(name: str) -> None:
    model = build_classifier(Recipe(architecture=name, width=8 if ":" not in name else None), SHAPE, 7, seed=0).eval()
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        representation = model.represent(x)
        assert representation.shape == (2, model.head.in_features)
        assert torch.equal(model(x), model.head(representation))
    assert model(x).shape == (2, 7) and model.classes == 7


@pytest.mark.parametrize(
    ("name", "width", "megaflops"), [("cnn", 16, 5.6), ("cnn", 32, 20.6), ("resnet18", None, 1111)]
)
def test_ln_02_forward_flops(name: str, width: int | None, megaflops: float) -> None:
    model = build_classifier(Recipe(architecture=name, width=width), SHAPE, 10, seed=0)
    assert forward_flops(model, SHAPE) / 1e6 == pytest.approx(megaflops, rel=0.01)


def test_flops_of_attention_are_counted_in_eval_mode_too() -> None:
    """torch fuses attention in eval mode without gradients; the counter does not see into it."""
    model = build_classifier(Recipe(architecture="torchvision:vit_b_32"), (224, 224, 3), 10, seed=0).eval()
    fused = torch.backends.mha.get_fastpath_enabled()
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, 224, 224))
    counts = count_flops(model, (224, 224, 3))
    assert forward_flops(model, (224, 224, 3)) == counts[""] == counter.get_total_flops()
    assert counts["body"] + counts["head"] == counts[""]
    assert torch.backends.mha.get_fastpath_enabled() == fused


def test_flops_of_a_dense_network_are_twice_its_products() -> None:
    model = build_classifier(Recipe(architecture="mlp", width=128), (8, 8, 1), 10, seed=0)
    assert forward_flops(model, (8, 8, 1)) == 2 * (64 * 128 + 128 * 128 + 128 * 10)
    assert model.training  # the count leaves the model as it was


def test_initialisation_comes_from_the_seed_alone() -> None:
    recipe = Recipe(architecture="cnn", width=4)
    torch.manual_seed(1)
    first = build_classifier(recipe, SHAPE, 3, seed=5)
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))  # the global stream was not touched
    second, other = build_classifier(recipe, SHAPE, 3, seed=5), build_classifier(recipe, SHAPE, 3, seed=6)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.head.weight, other.head.weight)


@pytest.mark.parametrize(
    ("recipe", "shape", "message"),
    [
        (
            Recipe(architecture="vgg"),
            SHAPE,
            "expected one of mlp, cnn, .* or torchvision:NAME, got 'vgg'",
        ),
        (Recipe(architecture="torchvision:nothing"), SHAPE, "no model 'nothing'"),
        (Recipe(architecture="torchvision:squeezenet1_0"), SHAPE, "does not end in a linear layer"),
        (Recipe(architecture="torchvision:resnet18", width=3), SHAPE, "fixed width"),
        (Recipe(architecture="resnet8"), (4, 4, 1), "8x8 or more, got 4x4"),
        (Recipe(architecture="torchvision:alexnet"), (8, 8, 3), "does not take images of 8x8x3"),
    ],
)
def test_what_does_not_exist_or_fit_is_refused(recipe: Recipe, shape: tuple[int, int, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_classifier(recipe, shape, 10, seed=0)


def test_the_zoo_takes_grey_images() -> None:
    model = build_classifier(Recipe(architecture="torchvision:resnet18"), (32, 32, 1), 4, seed=0).eval()
    assert model(torch.zeros(2, 1, 32, 32)).shape == (2, 4)
