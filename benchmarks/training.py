"""Stacked training (torch.func) against one model after another: the measurement behind ``plan_groups``.

    python -m benchmarks.training

One thread for both sides, equal seeds and data order; the results are compared before the times are.
"""

import numpy as np
import torch

from benchmarks._timing import matmul_flops, medians, table
from vestige.learners.data.examples import Examples
from vestige.learners.training.architectures import build_classifier
from vestige.learners.training.device import one_thread
from vestige.learners.training.flops import forward_flops
from vestige.learners.training.recipe import Recipe
from vestige.learners.training.stacked import train_stacked
from vestige.learners.training.train import train

CPU = torch.device("cpu")
CASES = (
    ("mlp 64-128-128-10, batch 64", Recipe(architecture="mlp", epochs=6, batch_size=64), (8, 8, 1), 600),
    ("mlp 64-256-256-10, batch 64", Recipe(architecture="mlp", width=256, epochs=6, batch_size=64), (8, 8, 1), 600),
    ("cnn width 16, batch 64", Recipe(architecture="cnn", width=16, epochs=1, batch_size=64), (32, 32, 3), 384),
    ("resnet8 width 16, batch 64", Recipe(architecture="resnet8", epochs=1, batch_size=64), (32, 32, 3), 192),
)
MODELS = 8


def random_examples(count: int, shape: tuple[int, int, int]) -> Examples:
    """Noise with labels: the arithmetic is that of real data."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (count, *shape), dtype=np.uint8)
    names = tuple(str(label) for label in range(10))
    return Examples(images, random.integers(0, 10, count), names, "noise", np.zeros(count, bool))


def main() -> None:
    """Print seconds, ratio and share of the measured matrix-product rate for each case."""
    with one_thread():
        peak = matmul_flops()
    rows = [("case", "loop s", "stacked s", "loop / stacked", "stacked, share of matmul rate", "largest difference")]
    for name, recipe, shape, count in CASES:
        examples = random_examples(count, shape)
        sets, seeds = [np.arange(count)] * MODELS, list(range(MODELS))

        def loop(recipe=recipe, examples=examples, sets=sets, seeds=seeds):  # type: ignore[no-untyped-def]
            return [train(recipe, examples, indices, seed, CPU) for indices, seed in zip(sets, seeds, strict=True)]

        def stacked(recipe=recipe, examples=examples, sets=sets, seeds=seeds):  # type: ignore[no-untyped-def]
            return train_stacked(recipe, examples, sets, seeds, CPU)

        difference = max(
            float((a - b).detach().abs().max())
            for one, other in zip(loop(), stacked(), strict=True)
            for a, b in zip(one.parameters(), other.parameters(), strict=True)
        )
        seconds = medians({"loop": loop, "stacked": stacked})
        work = 3 * forward_flops(build_classifier(recipe, shape, 10, 0), shape) * count * recipe.epochs * MODELS
        ratio = seconds["loop"] / seconds["stacked"]
        share = work / peak / seconds["stacked"]
        cells = (f"{seconds['loop']:.3f}", f"{seconds['stacked']:.3f}", f"{ratio:.2f}", f"{share:.2f}")
        rows.append((name, *cells, f"{difference:.0e}"))
    table(f"Training {MODELS} models, one thread (matrix product: {peak / 1e9:.0f} GFLOP/s)", rows)


if __name__ == "__main__":
    main()
