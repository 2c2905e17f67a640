"""Altered copies planted among real images are found, and found at the rates that are stated."""

import io
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from vestige.learners.data.duplicates import count_duplicates
from vestige.learners.data.examples import Examples
from vestige.learners.data.near_duplicates import find_near_duplicates
from vestige.learners.data.similarity import greys, is_flat, moved, signature, similarity
from vestige.learners.data.sources.load import load_examples
from vestige.learners.data.split import Split
from vestige.learners.errors import DataError

Images = NDArray[np.uint8]
NONE = np.zeros(0, np.int64)


def jpeg(images: Images, quality: int) -> Images:
    out = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image.squeeze()).save(file, "JPEG", quality=quality)
        with Image.open(file) as read:
            out.append(np.array(read).reshape(image.shape))
    return np.stack(out)


def scaled(images: Images, factor: float) -> Images:
    height, width = images.shape[1:3]
    size, back = (round(width * factor), round(height * factor)), (width, height)
    return np.stack(
        [np.array(Image.fromarray(image.squeeze()).resize(size).resize(back)).reshape(image.shape) for image in images]
    )


def brighter(images: Images, factor: float, more: float) -> Images:
    return np.clip(images.astype(np.float64) * factor + more, 0, 255).astype(np.uint8)


def shifted(images: Images) -> Images:
    return np.concatenate([images[:, :, :1], images[:, :, :-1]], axis=2)


def noisy(images: Images) -> Images:
    noise = np.random.default_rng(0).normal(0, 4, images.shape)
    return np.clip(np.rint(images + noise), 0, 255).astype(np.uint8)


CHANGES: dict[str, Callable[[Images], Images]] = {
    "mirrored": lambda images: images[:, :, ::-1],
    "shifted": shifted,
    "mirrored and shifted": lambda images: shifted(images[:, :, ::-1]),
    "brighter": lambda images: brighter(images, 1, 30),
    "less contrast": lambda images: brighter(images, 0.7, 38),
    "noise": noisy,
    "JPEG 90": lambda images: jpeg(images, 90),
    "JPEG 75": lambda images: jpeg(images, 75),
}


def textured(n: int, side: int, channels: int, seed: int) -> Images:
    """Smooth random pictures: noise of several scales."""
    random = np.random.default_rng(seed)
    total = np.zeros((n, side, side, channels))
    for cells in (4, 8, 16)[: 3 if side > 8 else 2]:
        blocks = random.normal(0, 16 / cells, (n, cells, cells, channels))
        total += blocks.repeat(side // cells, axis=1).repeat(side // cells, axis=2)
    return np.clip(128 + 25 * total, 0, 255).astype(np.uint8)


def examples_of(images: Images) -> Examples:
    n = len(images)
    return Examples(images, np.zeros(n, np.int64), ("a", "b"), "made", np.zeros(n, np.bool_))


def split_of(forget: int, retain: int, unseen: int) -> Split:
    f, r, u = np.split(np.arange(forget + retain + unseen), [forget, forget + retain])
    return Split(f, r, u, NONE, "sample", "made", 0)


@pytest.fixture(scope="module")
def digits() -> Images:
    images = load_examples("digits").images
    return images[np.random.default_rng(1).permutation(len(images))]


@pytest.mark.parametrize("change", CHANGES)
def test_copies_of_digits_are_found(digits: Images, change: str) -> None:
    """Of 100 planted copies at least 97, as measured; Monte Carlo error about 1.5."""
    images = digits[:1200].copy()
    images[300:400] = CHANGES[change](images[:100])
    found = find_near_duplicates(examples_of(images), split_of(100, 1000, 100))
    pairs = set(zip(found.forget.tolist(), found.other.tolist(), strict=True))
    assert len(pairs & {(k, 300 + k) for k in range(100)}) >= 97
    assert len({forget for forget, other in pairs if other != forget + 300}) <= 3


@pytest.mark.parametrize("change", [*CHANGES, "three quarters"])
@pytest.mark.parametrize("channels", [1, 3])
def test_copies_of_larger_images_are_found(channels: int, change: str) -> None:
    images = textured(400, 32, channels, seed=2)
    images[200:250] = {**CHANGES, "three quarters": lambda part: scaled(part, 0.75)}[change](images[:50])
    found = find_near_duplicates(examples_of(images), split_of(100, 200, 100))
    pairs = set(zip(found.forget.tolist(), found.other.tolist(), strict=True))
    assert len(pairs & {(k, 200 + k) for k in range(50)}) >= 48
    assert len(pairs - {(k, 200 + k) for k in range(50)}) == 0
    assert found.count("retain") == len(pairs) and found.count("unseen") == 0


def test_digits_without_copies_raise_no_alarm(digits: Images) -> None:
    """Real digits that resemble each other: at most 1 % of the forget set (measured: 2 and 1 of 300)."""
    found = find_near_duplicates(examples_of(digits), split_of(300, 1000, 497))
    assert found.count("retain") <= 3 and found.count("unseen") <= 3


ENLARGED = [
    *((how, side, 3) for how in ("BILINEAR", "BICUBIC") for side in (16, 28, 32, 64)),
    *(("NEAREST", side, 9) for side in (16, 28, 32, 64)),
]


def enlarged(images: Images, how: str, side: int) -> Images:
    resample = Image.Resampling[how]
    made = [np.array(Image.fromarray(image.squeeze()).resize((side, side), resample)) for image in images]
    return np.stack(made)[..., None]


@pytest.mark.parametrize(("how", "side", "most"), ENLARGED)
def test_enlarged_digits_raise_no_more_alarms_than_small_ones(digits: Images, how: str, side: int, most: int) -> None:
    """Digits of 8 x 8 drawn larger resemble each other as before: at most 1 % of the forget set, 3 % where pixels are
    repeated (means over four permutations of the digits: .1 to 1.2 %, and 1.3 to 1.8 %; at 8 x 8 .3 and 1 %)."""
    found = find_near_duplicates(examples_of(enlarged(digits, how, side)), split_of(300, 1000, 497))
    assert found.count("retain") <= most and found.count("unseen") <= most


@pytest.mark.parametrize(("how", "side"), [("BILINEAR", 16), ("BICUBIC", 32), ("NEAREST", 28)])
@pytest.mark.parametrize("change", ["mirrored and shifted", "less contrast", "noise", "JPEG 75"])
def test_copies_of_enlarged_digits_are_found(digits: Images, how: str, side: int, change: str) -> None:
    images = enlarged(digits[:1200], how, side)
    images[300:400] = CHANGES[change](images[:100])
    found = find_near_duplicates(examples_of(images), split_of(100, 1000, 100))
    pairs = set(zip(found.forget.tolist(), found.other.tolist(), strict=True))
    assert len(pairs & {(k, 300 + k) for k in range(100)}) >= 97
    assert len({forget for forget, other in pairs if other != forget + 300}) <= 3


def test_many_copies_of_an_image_do_not_make_each_other_usual(digits: Images) -> None:
    images = digits[:1200].copy()
    for number, change in enumerate(CHANGES.values()):
        images[300 + 50 * number : 350 + 50 * number] = change(images[:50])
    found = find_near_duplicates(examples_of(images), split_of(50, 1000, 150))
    assert found.count("retain") == 50


def test_a_pair_with_nothing_else_around_must_be_as_good_as_the_same() -> None:
    many = textured(60, 32, 1, seed=9)
    images = many[:3].copy()
    rough = np.clip(images[0] + np.random.default_rng(0).normal(0, 14, images[0].shape), 0, 255).astype(np.uint8)
    assert 0.95 < similarity(greys(images[:1]), greys(rough[None]))[0] < 0.995
    images[1] = rough
    assert find_near_duplicates(examples_of(images), split_of(1, 1, 1)).count("retain") == 0
    images[1] = images[0][:, ::-1]
    assert find_near_duplicates(examples_of(images), split_of(1, 1, 1)).count("retain") == 1
    many[1] = rough  # far closer than what else there is
    assert find_near_duplicates(examples_of(many), split_of(1, 50, 9)).count("retain") == 1


def test_progress_is_told_and_ends_with_everything() -> None:
    images = textured(700, 8, 1, seed=10)
    images[300:400] = images[300]  # looked at once
    calls: list[tuple[int, int]] = []
    find_near_duplicates(examples_of(images), split_of(300, 300, 100), lambda *counts: calls.append(counts))
    assert calls == sorted(calls) and calls[-1] == (1000, 1000) and len(calls) > 4


def test_identical_images_are_counted_once_and_flat_ones_never() -> None:
    images = textured(60, 32, 1, seed=3)
    images[20] = images[0]  # identical in retain
    images[1] = images[21] = 200  # flat
    images[50] = images[2][:, ::-1]
    images[51] = images[30]
    examples, split = examples_of(images), split_of(20, 30, 10)
    found = find_near_duplicates(examples, split)
    assert list(zip(found.forget, found.other, found.role, strict=True)) == [(2, 50, "unseen")]
    with pytest.raises(DataError, match="2 of 20 forget images that stand in retain too"):
        count_duplicates(examples, split)
    images[0], images[1] = images[3] // 2, images[4] // 2
    assert count_duplicates(examples_of(images), split).unseen_in_retain == 1


def test_the_same_examples_give_the_same_pairs_and_large_images_are_reduced() -> None:
    images = textured(80, 96, 3, seed=4)
    images[40] = scaled(images[5:6], 1.5)[0]
    first, second = (find_near_duplicates(examples_of(images), split_of(20, 40, 20)) for _ in range(2))
    assert first.forget.tolist() == [5] and first.other.tolist() == [40]
    for field in ("forget", "other", "role", "similarity"):
        assert np.array_equal(getattr(first, field), getattr(second, field))


def test_digests_take_sixteen_bytes_an_image() -> None:
    images = textured(2000, 32, 3, seed=5)
    examples, split = examples_of(images), split_of(200, 1500, 300)
    count_duplicates(examples, split)
    tracemalloc.start()
    count_duplicates(replace(examples), split)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * images[:1500].nbytes  # the block being read, never the whole a second time as bytes


def test_likeness_is_the_correlation_of_slopes() -> None:
    """Against NumPy's own correlation, slope by slope, without centring."""
    random = np.random.default_rng(6)
    left, right = random.normal(0, 50, (2, 3, 8, 8)).astype(np.float32)
    expected = []
    for first, second in zip(left[:, 1:-1, 1:-1], right[:, 1:-1, 1:-1], strict=True):
        a, b = (np.concatenate([np.diff(x, axis=0).ravel(), np.diff(x, axis=1).ravel()]) for x in (first, second))
        expected.append(a @ b / np.sqrt((a @ a) * (b @ b)))
    assert similarity(left, right) == pytest.approx(np.array(expected), abs=1e-5)
    assert similarity(left, 0.5 * left + 30) == pytest.approx(np.ones(3), abs=1e-5)


def test_signatures_do_not_see_brightness_and_contrast_and_never_exceed_the_distance_of_thumbnails() -> None:
    grey = greys(textured(20, 32, 3, seed=7))
    assert np.allclose(signature(grey), signature(grey * 0.5 + 40), atol=1e-5)
    assert signature(grey).shape == (20, 14) and not is_flat(grey).any()
    assert np.all(np.linalg.norm(signature(grey), axis=1) <= 1 + 1e-6)


def test_moving_by_a_pixel_repeats_the_edge() -> None:
    grey = np.arange(9, dtype=np.float32).reshape(1, 3, 3)
    assert moved(grey, False, 1, 0)[0].tolist() == [[0, 1, 2], [0, 1, 2], [3, 4, 5]]
    assert moved(grey, True, 0, -1)[0].tolist() == [[1, 0, 0], [4, 3, 3], [7, 6, 6]]


def test_a_mass_of_identical_images_is_looked_at_once() -> None:
    """The same image 4,000 times in retain: one pair a forget image at most, and no slower than different ones."""
    images = textured(4300, 8, 1, seed=8)
    images[200:4200] = images[200]
    images[3] = images[200][::1, ::-1]
    found = find_near_duplicates(examples_of(images), split_of(200, 4000, 100))
    assert [(3, 200)] == [
        pair for pair in zip(found.forget.tolist(), found.other.tolist(), strict=True) if pair[0] == 3
    ]
