"""vestige.learners.data.sources.npz: plain arrays only, everything checked."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vestige.learners.data.sources.load import load_examples
from vestige.learners.errors import DataError

N = 6


def arrays(**changes: Any) -> dict[str, Any]:
    random = np.random.default_rng(0)
    made = {
        "images": random.integers(0, 256, (N, 5, 4, 3), dtype=np.uint8),
        "labels": np.arange(N, dtype=np.int32) % 3,
    }
    return {name: values for name, values in (made | changes).items() if values is not None}


def load(folder: Path, **changes: Any) -> Any:
    np.savez_compressed(folder / "data.npz", **arrays(**changes))
    return load_examples("npz:data.npz", base=folder)


def test_least() -> None:
    assert set(arrays()) == {"images", "labels"}


def test_images_and_labels(tmp_path: Path) -> None:
    examples = load(tmp_path)
    assert np.array_equal(examples.images, arrays()["images"])
    assert examples.labels.dtype == np.int64 and examples.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert examples.class_names == ("0", "1", "2") and not examples.test_part.any()
    assert examples.subjects is None and examples.groups is None and examples.name == "npz:data.npz"


def test_everything(tmp_path: Path) -> None:
    examples = load(
        tmp_path,
        test_images=arrays()["images"][:2],
        test_labels=np.array([3, 1], dtype=np.uint8),
        subjects=np.arange(100, 100 + N + 2),
        groups=np.array(list("aabbaabb")),
        class_names=np.array(["w", "x", "y", "z"]),
    )
    assert examples.labels.tolist() == [0, 1, 2, 0, 1, 2, 3, 1]
    assert examples.test_part.tolist() == [False] * N + [True] * 2
    assert examples.subjects.tolist() == [str(i) for i in range(100, 108)]
    assert examples.groups.tolist() == list("aabbaabb") and examples.class_names == ("w", "x", "y", "z")


def test_grey_and_wide_integers(tmp_path: Path) -> None:
    grey = arrays()["images"][..., 0]
    assert np.array_equal(load(tmp_path, images=grey.astype(np.int64)).images, grey[..., None])


PIXELS = arrays()["images"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": PIXELS / 255}, r"expected images as uint8 in 0\.\.255, got float64; scale floats in 0\.\.1 with"),
        ({"images": PIXELS > 9}, "got bool"),
        ({"images": PIXELS.astype(np.int16) - 1}, r"expected pixels in 0\.\.255, got -1"),
        ({"images": PIXELS.astype(np.int16) + 1}, r"expected pixels in 0\.\.255, got"),
        ({"images": np.moveaxis(PIXELS, -1, 1)}, r"channels last, got shape \[6, 3, 5, 4\]"),
        ({"images": PIXELS[0, 0]}, r"\[n, height, width, channels\], got shape \[4, 3\]"),
        ({"images": PIXELS[:0], "labels": np.zeros(0, int)}, "got shape"),
        ({"images": np.array([b"x"] * N)}, r"got \|S1"),
        ({"images": np.array([{}] * N, dtype=object)}, "could not be read: it holds Python objects"),
        ({"labels": np.array(["a"] * N, dtype=object)}, "could not be read: it holds Python objects"),
        ({"labels": np.arange(N) - 1}, r"expected labels from 0, got -1\.\.4"),
        ({"labels": np.arange(N) / 2}, "labels as whole numbers of shape"),
        ({"labels": np.arange(N - 1)}, r"shape \[6\], got int64 \[5\]"),
        ({"labels": np.arange(N)[:, None]}, r"got int64 \[6, 1\]"),
        ({"labels": np.full(N, 10**9)}, "expected labels below 65536, got 1000000000"),
        ({"labels": np.full(N, 2**64 - 1, dtype=np.uint64)}, "expected labels from 0"),
        ({"labels": None}, "expected the arrays images, labels .* got images"),
        ({"test_images": PIXELS}, "the two of the test part together"),
        ({"test_image": PIXELS}, "expected only the arrays images, .*got 'test_image.npy'"),
        ({"test_images": PIXELS[:, :4], "test_labels": np.arange(N)}, r"one shape, got \[5, 4, 3\] and \[4, 4, 3\]"),
        ({"class_names": np.array(["a", "b"])}, r"expected labels in 0\.\.1, got 0\.\.2"),
        ({"class_names": np.array("abc")}, "class_names"),
        ({"subjects": np.arange(N - 1)}, r"subjects as text or whole numbers of shape \[6\], got int64 \[5\]"),
        ({"groups": np.zeros(N)}, "groups as text or whole numbers"),
    ],
)
def test_unfit_arrays(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(tmp_path, **changes)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Attack:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return Path.mkdir, (marker,)

    with pytest.raises(DataError, match="Python objects, which are never read"):
        load(tmp_path, class_names=np.array([Attack()], dtype=object))
    assert not marker.exists()


def test_damaged_archives(tmp_path: Path) -> None:
    load(tmp_path)
    whole = (tmp_path / "data.npz").read_bytes()
    single = tmp_path / "single.npy"
    np.save(single, PIXELS)
    flipped = bytearray(whole)
    flipped[len(whole) // 4] ^= 0xFF
    for data in (whole[:-30], whole[:100], b"", b"text", single.read_bytes(), bytes(flipped)):
        (tmp_path / "bad.npz").write_bytes(data)
        with pytest.raises(DataError, match="expected a(n array of plain values| NumPy archive| whole array)"):
            load_examples("npz:bad.npz", base=tmp_path)
    with pytest.raises(DataError, match="expected a file, got none"):
        load_examples("npz:absent.npz", base=tmp_path)
    with pytest.raises(DataError, match="expected a regular file, got a folder"):
        load_examples(f"npz:{tmp_path}")
