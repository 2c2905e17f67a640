"""vestige.learners.data.sources.fashion_mnist: a strict reader of IDX files."""

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from vestige.learners.data.sources.fashion_mnist import DEBIAN_FOLDER, read_idx
from vestige.learners.data.sources.load import load_examples
from vestige.learners.errors import DataError

STEMS = {"train": 6, "t10k": 4}


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + b"".join(n.to_bytes(4, "big") for n in values.shape) + values.tobytes()


def contents(seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        f"{part}-{what}": random.integers(0, 256 if what.startswith("im") else 10, shape, dtype=np.uint8)
        for part, n in STEMS.items()
        for what, shape in (("images-idx3-ubyte", (n, 28, 28)), ("labels-idx1-ubyte", (n,)))
    }


def write(folder: Path, *, compressed: bool = True, **changed: bytes) -> Path:
    for stem, values in contents().items():
        data = changed.get(stem.partition("-idx")[0].replace("-", "_"), idx(values))
        path = folder / (f"{stem}.gz" if compressed else stem)
        path.write_bytes(gzip.compress(data) if compressed else data)
    return folder


@pytest.mark.parametrize("compressed", [True, False])
def test_both_parts_are_read(tmp_path: Path, compressed: bool) -> None:
    examples = load_examples(f"fashion-mnist:{write(tmp_path, compressed=compressed)}")
    made = contents()
    assert examples.images.shape == (10, 28, 28, 1)
    assert np.array_equal(examples.images[:6, ..., 0], made["train-images-idx3-ubyte"])
    assert np.array_equal(examples.images[6:, ..., 0], made["t10k-images-idx3-ubyte"])
    assert examples.labels.tolist() == [*made["train-labels-idx1-ubyte"], *made["t10k-labels-idx1-ubyte"]]
    assert examples.test_part.tolist() == [False] * 6 + [True] * 4
    assert len(examples.class_names) == 10 and examples.class_names[9] == "Ankle boot"


def test_folder_is_relative_to_base(tmp_path: Path) -> None:
    (tmp_path / "idx").mkdir()
    write(tmp_path / "idx")
    assert len(load_examples("fashion-mnist:idx", base=tmp_path)) == 10


GOOD = contents()
IMAGES, LABELS = idx(GOOD["train-images-idx3-ubyte"]), idx(GOOD["train-labels-idx1-ubyte"])


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train_images": IMAGES[:-1]}, "after the header, as it says, got fewer"),
        ({"train_images": IMAGES + b"\0"}, "after the header, as it says, got more"),
        ({"train_images": LABELS}, "with 3 dimensions, got one that begins with 00000801"),
        ({"train_images": b"\0\0\x0d\3" + IMAGES[4:]}, "begins with 00000d03"),
        ({"train_images": IMAGES[:9]}, "got fewer"),
        ({"train_images": b""}, "begins with nothing"),
        ({"train_images": b"\0\0\x08\3" + b"\xff" * 12 + b"\0" * 99}, "got fewer"),
        ({"train_images": idx(np.zeros((6, 32, 32), dtype=np.uint8))}, "images of 28 x 28 pixels"),
        ({"train_images": idx(np.zeros((0, 28, 28), dtype=np.uint8))}, "images of 28 x 28 pixels"),
        ({"t10k_labels": idx(np.zeros(3, dtype=np.uint8))}, r"t10k.*shape \[4\], got uint8 \[3\]"),
        ({"t10k_labels": idx(np.full(4, 10, dtype=np.uint8))}, r"expected labels in 0\.\.9"),
    ],
)
def test_damaged_files(tmp_path: Path, changed: dict[str, bytes], message: str, compressed: bool) -> None:
    with pytest.raises(DataError, match=message):
        load_examples(f"fashion-mnist:{write(tmp_path, compressed=compressed, **changed)}")


@pytest.mark.parametrize(
    "damage", [lambda z: z[:-9], lambda z: b"no gzip" + z, lambda z: z[:40] + b"\xff" * 40 + z[80:]]
)
def test_damaged_compression(tmp_path: Path, damage: object) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(damage(gzip.compress(IMAGES)))  # type: ignore[operator]
    with pytest.raises(DataError, match="expected a whole IDX file, could not be read"):
        read_idx(path, dimensions=3)


def test_a_gzip_bomb_is_not_inflated(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    bomb = idx(np.zeros((2, 28, 28), dtype=np.uint8)) + bytes(50_000_000)
    path.write_bytes(gzip.compress(bomb))
    del bomb
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="got more"):
            read_idx(path, dimensions=3)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_header_that_claims_too_much_allocates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "claims.gz"
    path.write_bytes(gzip.compress(b"\0\0\x08\3" + (1_000_000).to_bytes(4, "big") + IMAGES[8:]))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="expected 784000000 bytes after the header"):
            read_idx(path, dimensions=3)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_missing_files_say_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match="train-images-idx3-ubyte.*apt install dataset-fashion-mnist.*fashion-mnist:FOLDER"
    ):
        load_examples(f"fashion-mnist:{tmp_path}")


@pytest.mark.skipif(not DEBIAN_FOLDER.is_dir(), reason=f"{DEBIAN_FOLDER} is absent (Debian's dataset-fashion-mnist)")
def test_the_real_files() -> None:
    examples = load_examples("fashion-mnist")
    assert examples.images.shape == (70_000, 28, 28, 1)
    assert examples.test_part.sum() == 10_000 and examples.test_part[-10_000:].all()
    assert np.bincount(examples.labels[~examples.test_part]).tolist() == [6_000] * 10
    assert np.bincount(examples.labels[examples.test_part]).tolist() == [1_000] * 10
    assert abs(examples.images[:60_000].mean() / 255 - 0.2860) < 5e-4  # the published mean of the training part
