"""Small data sets and recipes that several floors test with."""

import numpy as np
import pytest
import torch

import tests.typecheck  # noqa: F401  so that --jaxtyping-packages finds it
from vestige.learners.data.examples import Examples
from vestige.learners.training.recipe import Recipe


def make_examples(
    n: int, *, size: int = 8, channels: int = 1, classes: int = 3, seed: int = 0, test_share: float = 0.0
) -> Examples:
    """Images whose class is visible in their mean, plus noise."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, n)
    level = 40 + 160 * labels / max(1, classes - 1)
    pixels = level[:, None, None, None] + random.normal(0, 40, (n, size, size, channels))
    test_part = np.arange(n) >= round((1 - test_share) * n)
    names = tuple(f"class {c}" for c in range(classes))
    return Examples(pixels.clip(0, 255).astype(np.uint8), labels.astype(np.int64), names, "made", test_part)


@pytest.fixture
def examples() -> Examples:
    return make_examples(60)


@pytest.fixture
def pictures() -> Examples:
    return make_examples(50, size=12, channels=3)


@pytest.fixture
def cpu() -> torch.device:
    return torch.device("cpu")


@pytest.fixture
def mlp_recipe() -> Recipe:
    return Recipe(architecture="mlp", width=16, epochs=3, batch_size=16, learning_rate=0.1)


@pytest.fixture
def cnn_recipe() -> Recipe:
    return Recipe(architecture="cnn", width=4, epochs=2, batch_size=16, learning_rate=0.05)
