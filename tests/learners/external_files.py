"""Small networks and the files that others would make of them."""

import io
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

SIDE, CLASSES = 8, 5


def make() -> nn.Module:
    """A network with batch normalisation whose statistics are not those of the start."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
        network = nn.Sequential(*layers, nn.Linear(64, CLASSES))
        network[1].running_mean.normal_()
        network[1].running_var.uniform_(0.5, 2)
    return network


def images(count: int = 21, side: int = SIDE) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def expected(count: int = 21) -> NDArray[np.float32]:
    with torch.no_grad():
        logits: NDArray[np.float32] = make().eval()(torch.from_numpy(images(count)).movedim(3, 1) / 255).numpy()
    return logits


def save_state(path: Path, change: Callable[[dict[str, Any]], Any] = lambda state: state) -> Path:
    torch.save(change(make().state_dict()), path)
    return path


def save_exported(path: Path, model: nn.Module | None = None, *, dynamic: bool = True) -> Path:
    shapes = ({0: torch.export.Dim("batch", min=1, max=1024)},) if dynamic else None
    example = (torch.zeros(4, 3, SIDE, SIDE),)
    program = torch.export.export((model or make()).eval(), example, dynamic_shapes=shapes)
    torch.export.save(program, path)
    return path


def save_torchscript(path: Path, model: nn.Module | None = None) -> Path:
    with warnings.catch_warnings():  # torch asks its users to move on; files of this kind exist
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script((model or make()).eval()), path)
    return path


def rewrite(source: Path, target: Path, changes: dict[str, Callable[[bytes], bytes] | bytes | None]) -> Path:
    """A copy of an archive in which the members whose names end so are changed, left out (None) or (bytes) added."""
    added = dict(changes)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        root = old.namelist()[0].split("/")[0]
        for info in old.infolist():
            key = next((key for key in changes if info.filename == f"{root}/{key}"), None)
            content = old.read(info)
            if key is not None:
                added.pop(key)
                change = changes[key]
                if change is None:
                    continue
                content = change if isinstance(change, bytes) else change(content)
            new.writestr(info.filename, content)
        for key, change in added.items():
            assert isinstance(change, bytes)
            new.writestr(f"{root}/{key}", change)
    return target


class Evil:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return (open, (str(self.marker), "w"))


def evil_pickle(marker: Path, protocol: int = 2) -> bytes:
    return pickle.dumps({"weight": Evil(marker)}, protocol=protocol)


def evil_torch_file(marker: Path) -> bytes:
    stream = io.BytesIO()
    torch.save({"weight": Evil(marker), "other": torch.zeros(2)}, stream)
    return stream.getvalue()
