"""learners.Examples: checks, fingerprint, subset, label noise, the one way to look at pixels."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vestige.learners.data.examples import Examples
from vestige.learners.errors import ConfigError, DataError


def make(n: int = 60, test: int = 20, classes: int = 4, subjects: bool = False) -> Examples:
    random = np.random.default_rng(0)
    return Examples(
        images=random.integers(0, 256, (n, 3, 5, 2), dtype=np.uint8),
        labels=random.integers(0, classes, n),
        class_names=tuple("abcdefghij"[:classes]),
        name="made",
        test_part=np.arange(n) >= n - test,
        subjects=np.array([f"p{i % 7}" for i in range(n)]) if subjects else None,
        groups=np.array([f"g{i % 2}" for i in range(n)]) if subjects else None,
    )


def test_shape_is_height_width_channels() -> None:
    examples = make()
    assert (len(examples), examples.classes, examples.shape) == (60, 4, (3, 5, 2))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((60, 3, 5, 2))}, "expected images as uint8"),
        ({"images": np.zeros((60, 3, 5), dtype=np.uint8)}, "expected images as uint8"),
        ({"images": np.zeros((59, 3, 5, 2), dtype=np.uint8)}, r"expected labels of shape \[59\], got \[60\]"),
        ({"labels": np.zeros((60, 1), dtype=np.int64)}, "expected labels of shape"),
        ({"labels": np.zeros(60, dtype=np.int32)}, "expected labels as int64"),
        ({"labels": np.full(60, 4)}, r"expected labels in 0\.\.3, got 4\.\.4"),
        ({"labels": np.full(60, -1)}, r"expected labels in 0\.\.3, got -1"),
        ({"test_part": np.zeros(3, dtype=bool)}, "expected test_part of shape"),
        ({"subjects": np.array(["a"])}, "expected subjects of shape"),
    ],
)
def test_wrong_fields_are_refused(changes: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(DataError, match=message):
        replace(make(), **changes)


def test_no_examples_are_refused() -> None:
    empty = np.zeros(0, dtype=np.int64)
    with pytest.raises(DataError, match="at least one example"):
        Examples(np.zeros((0, 2, 2, 1), dtype=np.uint8), empty, ("a",), "none", empty.astype(bool))


def test_fingerprint_sees_pixels_labels_parts_and_subjects() -> None:
    base = make(subjects=True)
    pixels, labels, parts, people = (
        base.images.copy(),
        base.labels.copy(),
        base.test_part.copy(),
        base.subjects.copy(),
    )
    pixels[7, 2, 4, 1] ^= 1
    labels[7] = (labels[7] + 1) % 4
    parts[7] = True
    people[7] = "p9"
    others = [
        replace(base, images=pixels),
        replace(base, labels=labels),
        replace(base, test_part=parts),
        replace(base, subjects=people),
        replace(base, subjects=None),
        replace(base, images=base.images.reshape(60, 5, 3, 2)),
    ]
    assert len({base.fingerprint, *(other.fingerprint for other in others)}) == 7
    assert make(subjects=True).fingerprint == base.fingerprint
    assert replace(base, images=np.asfortranarray(base.images)).fingerprint == base.fingerprint


@settings(max_examples=40, deadline=None)
@given(fraction=st.floats(0, 0.99), seed=st.integers(0, 2**31), classes=st.integers(2, 6))
def test_label_noise_is_exact_and_never_the_same_label(fraction: float, seed: int, classes: int) -> None:
    examples = make(classes=classes)
    noisy = examples.with_label_noise(fraction, seed)
    changed = noisy.labels != examples.labels
    assert changed.sum() == round(fraction * len(examples))
    assert noisy.labels.min() >= 0 and noisy.labels.max() < classes
    assert np.array_equal(noisy.images, examples.images)
    if fraction > 0:
        assert noisy.label_noise is not None
        assert (noisy.label_noise.fraction, noisy.label_noise.seed) == (fraction, seed)
        assert noisy.label_noise.changed == changed.sum()
    assert (noisy.fingerprint != examples.fingerprint) == bool(changed.any())


def test_label_noise_is_seeded_uniform_and_reaches_both_parts() -> None:
    examples = replace(make(20_000, 8_000), labels=np.zeros(20_000, dtype=np.int64))
    noisy, again, other = (examples.with_label_noise(0.3, seed) for seed in (1, 1, 2))
    assert np.array_equal(noisy.labels, again.labels)
    assert not np.array_equal(noisy.labels, other.labels)
    counts = np.bincount(noisy.labels)
    assert counts[0] == 14_000
    assert abs(counts[1:] - 2_000).max() < 5 * np.sqrt(2_000)
    share = (noisy.labels[examples.test_part] != 0).mean()
    assert abs(share - 0.3) < 5 * np.sqrt(0.3 * 0.7 / 8_000)


def test_no_label_noise_is_the_same_object() -> None:
    examples = make()
    assert examples.with_label_noise(0, 1) is examples


@pytest.mark.parametrize("fraction", [-0.1, 1.0, float("nan")])
def test_label_noise_out_of_range(fraction: float) -> None:
    with pytest.raises(ConfigError, match="label_noise"):
        make().with_label_noise(fraction, 0)


def test_label_noise_needs_two_classes() -> None:
    with pytest.raises(ConfigError, match="at least 2 classes"):
        make(classes=1).with_label_noise(0.1, 0)


def test_subset_draws_training_examples_and_keeps_the_test_part() -> None:
    examples = make(subjects=True)
    small = examples.subset(15, seed=3)
    assert len(small) == 35
    assert np.array_equal(small.images[small.test_part], examples.images[examples.test_part])
    originals = {image.tobytes(): i for i, image in enumerate(examples.images)}
    rows = np.array([originals[image.tobytes()] for image in small.images])
    assert np.all(np.diff(rows) > 0)
    for name in ("labels", "test_part", "subjects", "groups"):
        assert np.array_equal(getattr(small, name), getattr(examples, name)[rows])
    assert examples.subset(15, seed=3).fingerprint == small.fingerprint
    assert examples.subset(15, seed=4).fingerprint != small.fingerprint
    assert make().subset(15, seed=3).subjects is None


@pytest.mark.parametrize("size", [0, 41, -1])
def test_subset_out_of_range(size: int) -> None:
    with pytest.raises(ConfigError, match=r"expected 1\.\.40 training examples"):
        make().subset(size, seed=0)


@dataclass(frozen=True, eq=False)
class Guarded(Examples):
    """Refuses to show some examples, and notes which it showed."""

    forbidden: frozenset[int] = frozenset()
    shown: list[int] = field(default_factory=list)

    def read(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.shown.extend(indices.tolist())
        if not self.forbidden.isdisjoint(indices.tolist()):
            raise PermissionError("a forbidden example was read")
        return super().read(indices)


def test_read_gives_the_rows_and_can_be_guarded() -> None:
    plain = make()
    images, labels = plain.read(np.array([5, 2, 5]))
    assert np.array_equal(images, plain.images[[5, 2, 5]]) and np.array_equal(labels, plain.labels[[5, 2, 5]])
    guarded = Guarded(
        plain.images, plain.labels, plain.class_names, "guarded", plain.test_part, forbidden=frozenset({2})
    )
    guarded.read(np.array([1, 3]))
    with pytest.raises(PermissionError):
        guarded.read(np.array([1, 2]))
    assert guarded.shown == [1, 3, 1, 2]
    assert isinstance(guarded.with_label_noise(0.2, 0), Guarded)


def test_names_are_files_where_each_has_one_of_its_own_and_else_indices() -> None:
    plain, rows = make(), np.array([4, 0])
    assert plain.names(rows).tolist() == ["4", "0"]
    files = np.array([f"cat/{k}.png" for k in range(len(plain))])
    assert replace(plain, files=files).names(rows).tolist() == ["cat/4.png", "cat/0.png"]
    files[1] = files[0]  # as data sets have them that keep the last part of a path: no name at all
    assert replace(plain, files=files).names(rows).tolist() == ["4", "0"]
