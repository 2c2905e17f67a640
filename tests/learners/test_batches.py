import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vestige.learners.data.examples import Examples
from vestige.learners.errors import ConfigError
from vestige.learners.seeds import torch_generator
from vestige.learners.training.batches import Batches, batch_bounds, crop_windows, to_input
from vestige.learners.training.recipe import Recipe

CPU = torch.device("cpu")


def test_ln_01_window_equals_slice_of_padded_image(pictures: Examples) -> None:
    images = torch.from_numpy(pictures.images[:3])
    windows = crop_windows(images, 2)
    padded = F.pad(images.permute(0, 3, 1, 2).float(), (2, 2, 2, 2), mode="reflect").permute(0, 2, 3, 1)
    for i in range(3):
        for dy in range(5):
            for dx in range(5):
                assert torch.equal(windows[i, dy, dx].float(), padded[i, dy : dy + 12, dx : dx + 12])
                mirrored = padded[i].flip(1)
                assert torch.equal(windows[3 + i, dy, dx].float(), mirrored[dy : dy + 12, dx : dx + 12])


def test_padding_that_does_not_fit_is_refused(examples: Examples) -> None:
    with pytest.raises(ConfigError, match="expected less than 8 pixels, got 8"):
        crop_windows(torch.from_numpy(examples.images), 8)


@pytest.mark.parametrize("augmentation", ["none", "flip", "crop_flip"])
def test_a_pass_hands_out_every_example_once(pictures: Examples, augmentation: str) -> None:
    recipe = Recipe(augmentation=augmentation)  # type: ignore[arg-type]
    indices = np.arange(5, 38)
    batches = Batches(pictures, indices, recipe, CPU)
    seen = list(batches.epoch(torch_generator(0, "order"), torch_generator(0, "augmentation"), 16))
    assert [len(y) for _, y in seen] == [16, 17]  # 33 = 16 + 16 + 1, and the lone one joins its neighbour
    counts = np.bincount(torch.cat([y for _, y in seen]).numpy(), minlength=3)
    assert counts.tolist() == np.bincount(pictures.labels[indices], minlength=3).tolist()
    if augmentation == "none":
        pixels = torch.cat([x for x, _ in seen]).flatten(1).sum(1).sort().values
        expected = to_input(torch.from_numpy(pictures.images[indices])).flatten(1).sum(1).sort().values
        assert torch.allclose(pixels, expected)


def test_augmented_images_are_crops_or_mirrored_crops_of_their_own_image(pictures: Examples) -> None:
    recipe = Recipe(augmentation="crop_flip", crop_padding=1)
    batches = Batches(pictures, np.array([7]), recipe, CPU)
    windows = crop_windows(torch.from_numpy(pictures.images[7:8]), 1).flatten(0, 2)
    seen = set()
    order, augmentation = torch_generator(0, "o"), torch_generator(0, "a")
    for _ in range(200):
        x, _ = batches.draw(1, order, augmentation)
        (matches,) = np.nonzero([torch.equal(to_input(window[None]), x) for window in windows])
        assert len(matches) >= 1
        seen.add(int(matches[0]))
    assert len(seen) == len(windows)  # all 9 crops, mirrored and not, do occur


def test_input_has_channels_last_strides_and_fixed_scale() -> None:
    x = to_input(torch.tensor([[[[0, 255, 51]] * 4] * 4], dtype=torch.uint8))
    assert x.shape == (1, 3, 4, 4) and x.is_contiguous(memory_format=torch.channels_last)
    assert x[0, :, 0, 0].tolist() == pytest.approx([-2.0, 2.0, -1.2])


def test_plain_batches_are_in_order_and_unmoved(pictures: Examples) -> None:
    batches = Batches(pictures, np.array([4, 2, 9]), Recipe(augmentation="crop_flip"), CPU)
    x = torch.cat([x for x, _ in batches.plain(2)])
    assert torch.equal(x, to_input(torch.from_numpy(pictures.images[[4, 2, 9]])))


@pytest.mark.parametrize(
    ("count", "size", "bounds"),
    [(1, 4, [(0, 1)]), (5, 4, [(0, 5)]), (6, 4, [(0, 4), (4, 6)]), (8, 4, [(0, 4), (4, 8)])],
)
def test_batch_bounds(count: int, size: int, bounds: list[tuple[int, int]]) -> None:
    assert batch_bounds(count, size) == bounds
