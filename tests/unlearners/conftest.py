"""A small task on a perceptron and on a network with batch normalisation, and a view that proves what was read."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vestige.learners.arrays import Indices
from vestige.learners.data.examples import Examples
from vestige.learners.training.architectures import Classifier, build_classifier
from vestige.learners.training.device import one_thread
from vestige.learners.training.ledger import Ledger, LedgerWriter
from vestige.learners.training.recipe import Recipe
from vestige.learners.training.train import train
from vestige.unlearners.core.registry import entry
from vestige.unlearners.core.task import Task

FORGET, RETAIN, VALIDATION, UNSEEN = (np.arange(a, b) for a, b in ((0, 10), (10, 43), (43, 55), (55, 70)))
"""With batches of 16: a forget set smaller than one batch, and a last retain batch of one example."""


class Watched(Examples):
    """Examples that record every index read and refuse the forbidden ones."""

    def __init__(self, examples: Examples, forbidden: Iterable[int] = ()) -> None:
        super().__init__(**{field.name: getattr(examples, field.name) for field in fields(Examples)})
        object.__setattr__(self, "forbidden", set(forbidden))
        object.__setattr__(self, "seen", set())

    def read(self, indices: Indices) -> tuple[np.ndarray, np.ndarray]:
        asked = {int(i) for i in indices}
        assert not asked & self.forbidden, f"read forbidden examples {sorted(asked & self.forbidden)}"
        self.seen.update(asked)
        return super().read(indices)


@dataclass(frozen=True, eq=False)
class World:
    """One original and the task to forget from it."""

    model: Classifier
    task: Task

    def with_task(self, **changes: Any) -> "World":
        return replace(self, task=replace(self.task, meter=type(self.task.meter)(), **changes))

    def with_recipe(self, **changes: Any) -> "World":
        return self.with_task(recipe=replace(self.task.recipe, **changes))

    def of(self, setting: str) -> "World":
        """The same world with a forget set of this kind: for classes, all training examples of class 0."""
        if setting != "class":
            return self.with_task(setting=setting)
        trained = np.concatenate([FORGET, RETAIN])
        own = self.task.examples.labels[trained] == 0
        return self.with_task(setting=setting, forget=trained[own], retain=trained[~own])

    def suited(self, name: str) -> "World":
        """The world in the first setting that a method is for."""
        return self.of(entry(name).settings[0])

    def state(self) -> dict[str, torch.Tensor]:
        return {key: tensor.clone() for key, tensor in self.model.state_dict().items()}


def _pictures(channels: int) -> Examples:
    random = np.random.default_rng(5)
    labels = random.integers(0, 3, 70)
    pixels = 40 + 80 * labels[:, None, None, None] + random.normal(0, 60, (70, 8, 8, channels))
    labels[FORGET[::3]] = (labels[FORGET[::3]] + 1) % 3  # something to memorise
    images = pixels.clip(0, 255).astype(np.uint8)
    return Examples(images, labels.astype(np.int64), ("a", "b", "c"), "made", np.zeros(70, dtype=np.bool_))


def _world(recipe: Recipe, channels: int, folder: Path) -> World:
    examples, device = _pictures(channels), torch.device("cpu")
    trained = np.concatenate([FORGET, RETAIN])
    # Every batch is kept, so that the ledger serves every forget set.
    model = train(recipe, examples, trained, 1, device, ledger=LedgerWriter(folder / "ledger", trained))
    task = Task(
        examples=examples,
        forget=FORGET,
        retain=RETAIN,
        validation=VALIDATION,
        recipe=recipe,
        seed=7,
        device=device,
        setting="sample",
        ledger=Ledger.read(folder / "ledger"),
    )
    return World(model, task)


@pytest.fixture(scope="session")
def perceptron_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    recipe = Recipe(architecture="mlp", width=16, epochs=10, batch_size=16, learning_rate=0.05)
    return _world(recipe, 1, tmp_path_factory.mktemp("perceptron"))


@pytest.fixture(scope="session")
def convolutional_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    recipe = Recipe(
        architecture="cnn",
        width=4,
        epochs=10,
        batch_size=16,
        learning_rate=0.05,
        augmentation="crop_flip",
        crop_padding=1,
    )
    return _world(recipe, 3, tmp_path_factory.mktemp("convolutional"))


@pytest.fixture(scope="session")
def tiny_resnet_world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Its last feature maps hold a single pixel."""
    recipe = Recipe(architecture="resnet18", width=4, epochs=5, batch_size=16, learning_rate=0.05)
    return _world(recipe, 3, tmp_path_factory.mktemp("resnet"))


@pytest.fixture(params=["mlp", "cnn"])
def world(request: pytest.FixtureRequest, perceptron_world: World, convolutional_world: World) -> Iterator[World]:
    """Both worlds in turn; the original must come out of every test as it went in."""
    chosen = perceptron_world if request.param == "mlp" else convolutional_world
    before = chosen.state()
    with one_thread():
        yield chosen.with_task()
    same_bits(before, chosen.model.state_dict())


@pytest.fixture
def watch() -> Callable[..., Watched]:
    return Watched


@pytest.fixture
def fresh_model() -> Callable[[World], Classifier]:
    """An untrained copy of a world's network, to be changed by a test."""
    return lambda world: build_classifier(world.task.recipe, world.task.examples.shape, 3, 99)


def same_bits(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for key in one:
        assert torch.equal(one[key], other[key]), key
