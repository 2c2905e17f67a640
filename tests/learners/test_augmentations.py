"""Augmentations at inference: named, fixed, the same picture for every model (LN-06, P5)."""

import numpy as np
import pytest
import torch

from vestige.learners.data.examples import Examples
from vestige.learners.errors import ConfigError
from vestige.learners.training.architectures import build_classifier
from vestige.learners.training.augmentations import Augmentation, parse_augmentations, predict_augmentations
from vestige.learners.training.batches import crop_windows
from vestige.learners.training.inference import predict_logits
from vestige.learners.training.recipe import Recipe


@pytest.mark.parametrize("name", ["identity", "mirror", "shift:1,0", "shift:-2,3", "mirror+shift:0,-1"])
def test_a_view_goes_by_its_name(name: str) -> None:
    assert Augmentation.parse(name).name == name


@pytest.mark.parametrize("right", [-2, 0, 1])
@pytest.mark.parametrize("down", [-1, 0, 2])
@pytest.mark.parametrize("mirror", [False, True])
def test_a_view_is_one_of_the_crops_that_training_draws(
    pictures: Examples, right: int, down: int, mirror: bool
) -> None:
    windows = crop_windows(torch.from_numpy(pictures.images), 2)
    rows = torch.arange(len(pictures)) + len(pictures) * mirror
    expected = windows[rows, 2 - down, 2 - right].numpy()
    assert np.array_equal(Augmentation(mirror, right, down).apply(pictures.images), expected)


def test_pixels_move_where_the_name_says() -> None:
    image = np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1)
    assert Augmentation.parse("shift:1,0").apply(image)[0, :, 1:, 0].tolist() == image[0, :, :-1, 0].tolist()
    assert Augmentation.parse("shift:0,1").apply(image)[0, 1:, :, 0].tolist() == image[0, :-1, :, 0].tolist()
    assert Augmentation.parse("mirror").apply(image)[0, 0, :, 0].tolist() == [2, 1, 0]


def test_predictions_under_views_are_those_of_the_transformed_images(pictures: Examples, cpu: torch.device) -> None:
    model = build_classifier(Recipe(architecture="cnn", width=4), pictures.shape, pictures.classes, seed=0)
    indices = np.array([3, 7, 9])
    views = parse_augmentations(["identity", "mirror", "shift:1,-1"])
    found = predict_augmentations(model, pictures, indices, views, cpu)
    assert found.shape == (3, 3, pictures.classes) and found.dtype == np.float32
    assert np.array_equal(found[0], predict_logits(model, pictures, indices, cpu))
    assert not np.array_equal(found[0], found[1])
    assert np.array_equal(found, predict_augmentations(model, pictures, indices, views, cpu))


@pytest.mark.parametrize("names", [[], ["mirror", "mirror"], ["rotate"], ["shift:1"], ["identity", "shift:0,0"]])
def test_views_that_cannot_be_meant_are_refused(names: list[str]) -> None:
    with pytest.raises(ConfigError, match="^views: expected"):
        parse_augmentations(names)


def test_a_shift_that_leaves_nothing_is_refused(pictures: Examples) -> None:
    with pytest.raises(ConfigError, match="expected shifts below 12 down and 12 right .* got shift:12,0"):
        Augmentation.parse("shift:12,0").apply(pictures.images)
