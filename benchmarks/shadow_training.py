"""Shadow models an hour: this project's engine against one model after the other behind a standard data loader.

    python -m benchmarks.shadow_training

The same network, recipe, halves and number of steps on both sides; noise stands for images, apart from a class mean
that can be learnt, so that accuracies can be compared. The plain side is what the field's scripts do: PIL images, flip
and crop by torchvision for each image, a DataLoader, torch's own threads. The floor is the FLOPs over the measured
matrix-product rate.
"""

import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from benchmarks._timing import matmul_flops, table
from vestige.attacks.shadows.design import ShadowDesign
from vestige.attacks.shadows.making import make_shadows
from vestige.learners.data.examples import Examples
from vestige.learners.engine.engines import Processes
from vestige.learners.engine.jobs import available_workers
from vestige.learners.torchvision import load_torchvision
from vestige.learners.training.architectures import build_classifier
from vestige.learners.training.device import one_thread
from vestige.learners.training.flops import forward_flops
from vestige.learners.training.inference import accuracy, predict_logits
from vestige.learners.training.recipe import Recipe
from vestige.learners.training.train import schedule_factor

CPU = torch.device("cpu")
MODELS, POOL, EPOCHS = 4, 2_000, 16
RECIPE = Recipe(
    architecture="cnn", width=16, epochs=EPOCHS, batch_size=64, learning_rate=0.05, weight_decay=0.0,
    augmentation="crop_flip",
)  # fmt: skip


def pictures(count: int) -> Examples:
    """Images whose class is visible in their colours, under much noise."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, count)
    means = random.uniform(90, 160, (10, 1, 1, 3))
    pixels = means[labels] + random.normal(0, 50, (count, 32, 32, 3))
    names = tuple(str(label) for label in range(10))
    return Examples(pixels.clip(0, 255).astype(np.uint8), labels, names, "noise", np.zeros(count, bool))


class Loaded(Dataset):  # type: ignore[type-arg]
    """Images one by one, as PIL, flipped and cropped by torchvision."""

    def __init__(self, examples: Examples, indices: np.ndarray) -> None:  # type: ignore[type-arg]
        v1 = load_torchvision().transforms
        self._transform = v1.Compose(
            [v1.RandomHorizontalFlip(), v1.RandomCrop(32, padding=4, padding_mode="reflect"), v1.ToTensor()]
        )
        self._images, self._labels = examples.read(indices)

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        return self._transform(Image.fromarray(self._images[place])), int(self._labels[place])


def plain_training(examples: Examples, indices: np.ndarray, seed: int) -> torch.nn.Module:  # type: ignore[type-arg]
    """The loop that everybody writes."""
    torch.manual_seed(seed)
    model = build_classifier(RECIPE, examples.shape, examples.classes, seed)
    loader = DataLoader(Loaded(examples, indices), batch_size=RECIPE.batch_size, shuffle=True)
    optimiser = torch.optim.SGD(model.parameters(), lr=RECIPE.learning_rate, momentum=RECIPE.momentum)
    total, step = EPOCHS * len(loader), 0
    model.train()
    for _ in range(EPOCHS):
        for x, y in loader:
            for group in optimiser.param_groups:
                group["lr"] = RECIPE.learning_rate * schedule_factor("cosine", 0.0, step, total)
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(model((x * 255 - 127.5) / 63.75), y).backward()
            optimiser.step()
            step += 1
    return model.eval()


def main() -> None:
    """Print models an hour of both sides, their ratio, accuracies and the floor."""
    examples, rows = pictures(POOL), np.arange(POOL)
    design = ShadowDesign(examples=examples, recipe=RECIPE, pool=rows, rows=rows)
    began = time.perf_counter()
    plain = [plain_training(examples, design.trained_on(model), model) for model in range(2)]
    slow = (time.perf_counter() - began) / 2
    member = design.member(MODELS)
    outside = [
        accuracy(predict_logits(model, examples, rows[~mask], CPU), examples.labels[~mask])
        for model, mask in zip(plain, member, strict=False)
    ]
    with one_thread():
        peak = matmul_flops()
    cores = available_workers()
    work = 3 * EPOCHS * (POOL // 2) * forward_flops(build_classifier(RECIPE, examples.shape, 10, 0), examples.shape)
    lines = [("engine", "models an hour", "plain / ours", "accuracy on unseen", "share of matmul rate")]
    lines.append(
        ("plain", f"{3600 / slow:,.0f}", "1.0", f"{np.mean(outside):.3f}", f"{work / slow / peak / cores:.2f}")
    )
    for workers in sorted({1, cores}):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            bank = make_shadows(design, Path(folder), MODELS, engine=Processes(workers=workers))
            fast = (time.perf_counter() - began) / MODELS
        share = work / fast / peak / workers
        cells = (f"{3600 / fast:,.0f}", f"{slow / fast:.1f}", f"{bank.accuracy_out.mean():.3f}", f"{share:.2f}")
        lines.append((f"processes, {workers}", *cells))
    threads = torch.get_num_threads()
    table(
        f"{MODELS} shadows of {POOL // 2} images, {EPOCHS} epochs; plain: {threads} threads of {os.cpu_count()}", lines
    )


if __name__ == "__main__":
    main()
