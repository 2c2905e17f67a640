"""Which source decided about a model: part of every artefact's name, so that old bits never pass for new ones."""

from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import torch

from learners._files import digest

DECISIVE = (
    "_architectures",
    "_batches",
    "_device",
    "_examples",
    "_inference",
    "_recipe",
    "_seeds",
    "_stacked",
    "_torchvision",
    "_train",
    "_train_many",
)
"""Modules of ``learners`` that decide which weights come out of a training run, and which logits of these."""


@cache
def code_version(*packages: str) -> str:
    """Digest of the source that determines a model's weights: training, and all modules of ``packages`` (a package of
    this project, or one module of it); and of the versions of torch and torchvision."""
    sources = [Path(str(import_module(f"learners.{name}").__file__)) for name in DECISIVE]
    for package in packages:
        file = Path(str(import_module(package).__file__))
        sources += sorted(file.parent.glob("*.py")) if file.name == "__init__.py" else [file]
    return digest(torch.__version__, version("torchvision"), *(source.read_bytes() for source in sources))
