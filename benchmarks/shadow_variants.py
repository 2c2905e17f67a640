"""Ways to train many shadows on one core, or one GPU: one after another, stacked, in bfloat16, compiled.

    OMP_NUM_THREADS=1 python -m benchmarks.shadow_variants [cuda]

The same recipe, halves and seeds on all sides; noise stands for images, apart from a class mean that can be learnt, so
that accuracies can be compared. The compiled loop is held against the same plain loop without compilation; the seconds
that compiling took stand beside it, once for each process. On a GPU, slots (several processes at once) are what
``vestige shadows --gpu 0 --workers 4`` gives; time that command.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from benchmarks._timing import table
from benchmarks.shadow_training import pictures
from vestige.learners.data.examples import Examples
from vestige.learners.training.architectures import Classifier, build_classifier
from vestige.learners.training.device import one_thread
from vestige.learners.training.inference import accuracy, predict_logits
from vestige.learners.training.recipe import Recipe
from vestige.learners.training.stacked import train_stacked
from vestige.learners.training.train import train

MODELS, POOL, EPOCHS, ROUNDS = 4, 2_000, 3, 2
NETWORKS = (
    Recipe(architecture="mlp", width=128, epochs=EPOCHS, batch_size=64, learning_rate=0.05, weight_decay=0.0),
    Recipe(architecture="cnn", width=16, epochs=EPOCHS, batch_size=64, learning_rate=0.05, weight_decay=0.0),
    Recipe(architecture="resnet8", width=16, epochs=EPOCHS, batch_size=64, learning_rate=0.05, weight_decay=0.0),
)


def halves() -> list[np.ndarray]:  # type: ignore[type-arg]
    """Complementary halves of the pool, a pair after another."""
    random = np.random.default_rng(1)
    found = []
    for _ in range(MODELS // 2):
        order = random.permutation(POOL)
        found += [np.sort(order[: POOL // 2]), np.sort(order[POOL // 2 :])]
    return found


def seconds_of(run: Callable[[], object], device: torch.device) -> float:
    """Median wall seconds of a call, all of the device's work included."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def plain_loop(recipe: Recipe, examples: Examples, rows: np.ndarray, device: torch.device, compiled: bool):  # type: ignore[no-untyped-def, type-arg]
    """A network and a function that trains it for one pass: the loop without anything around it."""
    model = build_classifier(recipe, examples.shape, examples.classes, 0).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.train()
    step = torch.compile(model) if compiled else model
    images, labels = examples.read(rows)
    x = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float().sub(127.5).div(63.75)
    x, y = x.contiguous(memory_format=torch.channels_last), torch.from_numpy(labels).to(device)
    optimiser = torch.optim.SGD(model.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum)

    def one_pass() -> None:
        for first in range(0, len(x) - recipe.batch_size + 1, recipe.batch_size):
            optimiser.zero_grad()
            part = slice(first, first + recipe.batch_size)
            cross_entropy(step(x[part]), y[part]).backward()
            optimiser.step()

    return one_pass


def unseen_accuracy(models: list[Classifier], examples: Examples, device: torch.device) -> float:
    """Mean over models, each on the half that it was not trained on."""
    rows = np.arange(POOL)
    found = []
    for model, own in zip(models, halves(), strict=False):
        rest = np.setdiff1d(rows, own)
        found.append(accuracy(predict_logits(model, examples, rest, device), examples.labels[rest]))
    return float(np.mean(found))


def measured(recipe: Recipe, examples: Examples, device: torch.device) -> list[tuple[str, ...]]:
    """A row for each way."""
    sets, seeds = halves(), list(range(MODELS))
    made: dict[str, list[Classifier]] = {}

    def alone(name: str, own: Recipe) -> None:
        made[name] = [train(own, examples, one, seed, device) for one, seed in zip(sets, seeds, strict=True)]

    ways: dict[str, Callable[[], object]] = {
        "one after another": lambda: alone("one after another", recipe),
        "stacked": lambda: made.__setitem__("stacked", train_stacked(recipe, examples, sets, seeds, device)),
        "bfloat16": lambda: alone("bfloat16", replace(recipe, precision="bfloat16")),
    }
    rows, base = [], 0.0
    for name, run in ways.items():
        run()
        seconds = seconds_of(run, device) / MODELS
        base = base or seconds
        found = f"{unseen_accuracy(made[name], examples, device):.3f}"
        rows.append((recipe.architecture, name, f"{3600 / seconds:,.0f}", f"{base / seconds:.2f}", found, "-"))
    eager = plain_loop(recipe, examples, sets[0], device, False)
    quick = plain_loop(recipe, examples, sets[0], device, True)
    eager()
    warm = seconds_of(eager, device)
    began = time.perf_counter()
    quick()
    compiling = time.perf_counter() - began
    ratio = warm / seconds_of(quick, device)
    rows.append(
        (recipe.architecture, "plain loop, compiled", "-", f"{ratio:.2f}", "-", f"{compiling - warm / ratio:.0f}")
    )
    return rows


def main() -> None:
    """Print for each network and way: models an hour, gain (over one after another; of the compiled loop, over the same
    loop without compiling), accuracy, seconds of compiling."""
    device = torch.device(sys.argv[1] if len(sys.argv) > 1 else "cpu")
    lines = [("network", "way", "models an hour", "gain", "accuracy on unseen", "compiling, s")]
    with one_thread():
        for recipe in NETWORKS:
            lines += measured(recipe, pictures(POOL), device)
    table(f"{MODELS} shadows of {POOL // 2} images, {EPOCHS} epochs, one thread, {device.type}", lines)


if __name__ == "__main__":
    main()
