"""vestige.learners.data.sources.torchvision on files written here; nothing is downloaded."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from vestige.learners.data.sources import torchvision
from vestige.learners.data.sources.load import load_examples
from vestige.learners.errors import ConfigError, DataError


def write_mnist(folder: Path, images: dict[str, np.ndarray], labels: dict[str, np.ndarray]) -> None:
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        header = bytes([0, 0, 8, 3]) + b"".join(size.to_bytes(4, "big") for size in images[part].shape)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(header + images[part].tobytes())
        header = bytes([0, 0, 8, 1]) + len(labels[part]).to_bytes(4, "big")
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(header + labels[part].tobytes())


def test_reads_what_is_there_without_download(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    images = {part: random.integers(0, 256, (n, 28, 28), dtype=np.uint8) for part, n in (("train", 5), ("t10k", 3))}
    labels = {part: random.integers(0, 10, len(images[part]), dtype=np.uint8) for part in images}
    write_mnist(tmp_path / "data" / "MNIST" / "raw", images, labels)
    examples = load_examples("torchvision:MNIST", base=tmp_path)
    assert examples.images.shape == (8, 28, 28, 1)
    assert np.array_equal(examples.images[..., 0], np.concatenate([images["train"], images["t10k"]]))
    assert examples.labels.tolist() == [*labels["train"], *labels["t10k"]]
    assert examples.test_part.tolist() == [False] * 5 + [True] * 3
    assert examples.class_names[2] == "2 - two"
    again = load_examples(f"torchvision:MNIST:{tmp_path / 'data'}")
    assert again.fingerprint == examples.fingerprint


def test_missing_files_say_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="allow the download .*torchvision:NAME:FOLDER"):
        load_examples("torchvision:CIFAR10", base=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_download_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    class CIFAR10:
        def __init__(self, root: str, train: bool, download: bool) -> None:
            calls.append((root, train, download))
            raise OSError("unreachable")

    fake = SimpleNamespace(datasets=SimpleNamespace(CIFAR10=CIFAR10))
    monkeypatch.setattr(torchvision, "load_torchvision", lambda: fake)
    with pytest.raises(DataError, match="expected to download it to .*unreachable"):
        load_examples("torchvision:CIFAR10", base=tmp_path, download=True)
    assert calls == [(str(tmp_path / "data"), True, True)]


def test_channels_first_and_split_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)

    class SVHN:
        def __init__(self, root: str, split: str, download: bool) -> None:
            self.data = pixels if split == "train" else pixels[:1]
            self.labels = np.array([1, 0] if split == "train" else [1])

    monkeypatch.setattr(torchvision, "load_torchvision", lambda: SimpleNamespace(datasets=SimpleNamespace(SVHN=SVHN)))
    examples = load_examples("torchvision:SVHN", base=tmp_path)
    assert examples.images.shape == (3, 4, 5, 3)
    assert np.array_equal(examples.images[1, 2, 3], pixels[1, :, 2, 3])
    assert examples.labels.tolist() == [1, 0, 1] and examples.class_names == ("0", "1")


@pytest.mark.parametrize("name", ["", "FakeData", "cifar10", "VOCDetection", "../x"])
def test_unknown_names_list_the_known(name: str) -> None:
    with pytest.raises(ConfigError, match="CIFAR10, CIFAR100"):
        load_examples(f"torchvision:{name}")
