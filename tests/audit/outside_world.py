"""A user's folder, with data, a network of their own and checkpoints, for the tests of the commands."""

import importlib
import linecache
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from tests.conftest import make_examples

N, FORGET, TEST, CLASSES = 500, 100, 300, 3

NETWORK = """
from torch import nn
def make():
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 3))
def four():
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 4))
def wider():
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 25), nn.ReLU(), nn.Linear(25, 3))
def prepare(images):
    import torch
    return torch.from_numpy(images).movedim(3, 1).float() / 255
"""

TRAIN = """
import numpy as np, torch
from torch import nn
def train(indices, seed):
    from {network} import make
    with np.load({data!r}) as data:
        images, labels = data["images"][indices], data["labels"][indices]
    torch.manual_seed(seed)
    model = make()
    x, y = torch.from_numpy(images).float().flatten(1) / 255, torch.from_numpy(labels)
    weights = list(model.parameters())
    for _ in range(40):  # without torch.optim, whose first use imports for seconds in every process of a retrain
        gradients = torch.autograd.grad(nn.functional.cross_entropy(model(x), y), weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients):
                weight -= 0.5 * gradient
    return model
"""


def data_file(path: Path, n: int = N, test: int = TEST, seed: int = 0) -> Path:
    made, more = (make_examples(count, size=4, classes=CLASSES, seed=seed + k) for k, count in enumerate((n, test)))
    np.savez(path, images=made.images, labels=made.labels, test_images=more.images, test_labels=more.labels)
    return path


def network(seed: int, x: torch.Tensor, y: torch.Tensor) -> nn.Module:
    """A model of the network above, trained on these images (0..1, flat)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Flatten(), nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, CLASSES))
        optimiser = torch.optim.Adam(model.parameters(), 0.02)
        for _ in range(40):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return model.eval()


def make_world(folder: Path, module: str) -> Path:
    """data.npz, forget.txt, ``module``.py, c.pt, o.pt, retrain-1.pt, -2 and -10, in the ways that weights are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    with np.load(data_file(folder / "data.npz")) as data:
        x = torch.from_numpy(data["images"]).float().flatten(1) / 255
        y = torch.from_numpy(data["labels"])
    (folder / "forget.txt").write_text("".join(f"{row}\n" for row in range(FORGET)))
    (folder / f"{module}.py").write_text(NETWORK)
    save = {f"retrain-{k}.pt": network(k, x[FORGET:], y[FORGET:]) for k in (1, 2, 10)}
    original = network(20, x, y)
    candidate = network(30, x[FORGET:], y[FORGET:])
    torch.save(
        {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in candidate.state_dict().items()}}, folder / "c.pt"
    )
    save_file({name: value.contiguous() for name, value in original.state_dict().items()}, folder / "o.safetensors")
    for name, model in save.items():
        torch.save(model.state_dict(), folder / name)
    return folder


def forget_module(*names: str) -> None:
    """As in a new process."""
    for name in names:
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    linecache.clearcache()


def arguments(module: str, *more: str, leave_out: Sequence[str] = ()) -> list[str]:
    """Of ``vestige audit`` in the folder of ``make_world``."""
    given = {
        "--model": f"{module}:make",
        "--data": "npz:data.npz",
        "--forget": "forget.txt",
        "--candidate": "c.pt",
        "--original": "o.safetensors",
        "--retrain": "retrain-*.pt",
    }
    return [word for key, value in given.items() if key not in leave_out for word in (key, value)] + list(more)
