"""Data sets of torchvision."""

from pathlib import Path
from typing import Any

import numpy as np

from vestige.learners.data.examples import Examples
from vestige.learners.data.sources.parts import Part, as_images, as_labels, join
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.torchvision import load_torchvision

DATASETS = ("CIFAR10", "CIFAR100", "FashionMNIST", "KMNIST", "MNIST", "STL10", "SVHN", "USPS")

_BY_SPLIT = ("STL10", "SVHN")  # these take split="train", the others train=True


def load(dataset: str, folder: Path, name: str, *, download: bool = False) -> Examples:
    """One of ``DATASETS``, those with a training part, a test part and images of one size.

    folder: where torchvision keeps it. download: fetch what is missing. Raises ConfigError for another name, DataError
    where files are missing or damaged.
    """
    if dataset not in DATASETS:
        raise ConfigError(f"data.source: expected torchvision:NAME with one of {', '.join(DATASETS)}, got {name!r}")
    kind = getattr(load_torchvision().datasets, dataset)
    train, test = (_open(kind, folder, name, part, download) for part in ("train", "test"))
    return join(name, _class_names(train), _pixels(name, train), _pixels(name, test))


def _open(kind: Any, folder: Path, name: str, part: str, download: bool) -> Any:
    option = {"split": part} if kind.__name__ in _BY_SPLIT else {"train": part == "train"}
    try:
        return kind(root=str(folder), download=download, **option)
    except Exception as error:  # missing, damaged and unreachable files end in many kinds of errors there
        if download:
            raise DataError(f"{name}: expected to download it to {folder}, that failed: {error}") from error
        raise DataError(
            f"{name}: expected its files in {folder}, they are missing or damaged ({error}); "
            "allow the download (download = true), or give the folder as torchvision:NAME:FOLDER"
        ) from error


def _pixels(name: str, dataset: Any) -> Part:
    images = np.asarray(dataset.data)
    if images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[3] not in (1, 3):
        images = np.moveaxis(images, 1, -1)  # STL10 and SVHN keep channels first
    labels = dataset.targets if hasattr(dataset, "targets") else dataset.labels
    return as_images(name, images), as_labels(name, labels, len(images))


def _class_names(dataset: Any) -> tuple[str, ...] | None:
    names = getattr(dataset, "classes", None)
    return None if names is None else tuple(map(str, names))
