"""A model from a file that somebody else made. What kind of file it is, its content decides, not its name."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from vestige.learners.arrays import Array
from vestige.learners.errors import ConfigError, DataError, VestigeError
from vestige.learners.external.archives import Archive, open_archive
from vestige.learners.external.exported import read_exported
from vestige.learners.external.factory import Factory, make_network, name_of
from vestige.learners.external.fit import fit_state
from vestige.learners.external.kinds import Kind, kind_of, pickle_error
from vestige.learners.external.onnx import OnnxModel, read_onnx
from vestige.learners.external.predictors import Prepare, TorchPredictor, as_tensor, prepared
from vestige.learners.external.preprocessing import Preprocessing
from vestige.learners.external.state import safetensors_metadata, state_of_safetensors, state_of_torch_file
from vestige.learners.external.torchscript import read_torchscript
from vestige.learners.files.untrusted import reason, shown
from vestige.learners.training.checkpoints import load_checkpoint

MOST_BYTES = 32 * 2**30
_VESTIGE = "vestige"  # the entry in a safetensors header that says how the network was made


@dataclass(frozen=True)
class ExternalModel:
    """A model that was read from a file.

    digest: SHA-256 (hexadecimal) of the file. An ONNX model whose weights lie in files beside it: SHA-256 of the texts
    ``name digest``, one a line, of the model's file and of those, by name. description: one sentence.
    """

    predictor: "FilePredictor"
    digest: str
    kind: Kind
    description: str

    def prepared_by(self, own: Preprocessing) -> "ExternalModel":
        """The same model, its images prepared in another way; the layout stays unless ``own`` names one."""
        before = self.predictor.preprocessing
        if own.layout is None and isinstance(before, Preprocessing):
            own = replace(own, layout=before.layout)
        return replace(self, predictor=replace(self.predictor, preprocessing=own))


@dataclass(frozen=True)
class FilePredictor:
    """The network or program of a file, whose input ``preprocessing`` prepares.

    batch: rows of every call, where the program takes a fixed number; least: as many at least. The last row is repeated
    to fill a call. classes: of the data, to refuse a model of others; name: of the file, for that sentence."""

    name: str
    call: Callable[[Any], Array]
    preprocessing: Prepare
    batch: int | None = None
    least: int = 1
    classes: int | None = None

    def __call__(self, inputs: Array, /) -> Array:
        rows = self.batch or max(len(inputs), self.least)
        parts = []
        for start in range(0, len(inputs), rows):
            part = inputs[start : start + rows]
            filled = np.concatenate([part, np.repeat(part[-1:], rows - len(part), axis=0)])
            logits = self.call(prepared(filled, self.preprocessing))
            parts.append(logits[: len(part)] if len(filled) > len(part) else logits)
        logits = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if self.classes is not None and logits.ndim == 2 and logits.shape[1] != self.classes:
            raise DataError(
                f"{self.name}: expected {self.classes} classes as in the data, the model has {logits.shape[1]}; "
                "give the model of these data"
            )
        return logits


def load_model(
    path: Path,
    *,
    factory: Factory | None = None,
    device: torch.device | None = None,
    preprocessing: Prepare | Literal["default"] = "default",
    expected_classes: int | None = None,
    base: Path = Path("."),
) -> ExternalModel:
    """The model in a file: weights (safetensors, or a ``torch.save``d state_dict) with a factory, vestige's own
    checkpoints, or a whole program (``torch.export``, TorchScript, ONNX).

    factory: makes the network of weights: ``package.module:function`` (looked for where Python does and in ``base``),
    ``torchvision:NAME``, or a callable. device: the CPU when None; ONNX runs on the CPU. preprocessing:
    ``Preprocessing()`` unless given; None hands the inputs on as they are. expected_classes: refuse a model of others.

    No code in the file is run: no pickle is loaded, and a program runs only operators of a stated set.
    Raises DataError for a file that cannot be read so, ConfigError for settings that do not fit it.
    """
    name = shown(path)
    settings = preprocessing if preprocessing != "default" else Preprocessing()
    try:
        return _load(path, factory, device or torch.device("cpu"), settings, expected_classes, base)
    except VestigeError as error:
        text = str(error).removeprefix(f"{path}: ")
        raise type(error)(f"{name}: {text if text.isprintable() else shown(text, 2000)}") from error
    except (MemoryError, RecursionError) as error:
        raise DataError(f"{name}: expected a model that fits memory ({reason(error)}); check the file") from error


def _bytes_of(path: Path) -> bytes:
    if not path.is_file():
        raise DataError(f"expected a model file, found {'a folder' if path.is_dir() else 'none'}; check the path")
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise DataError(
            f"expected at most {MOST_BYTES / 2**30:.0f} GiB, got {size / 2**30:.1f} GiB; give the weights alone"
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"expected a file that can be read, got {error.strerror or error}; check its rights") from error


def _load(
    path: Path, factory: Factory | None, device: torch.device, preprocessing: Prepare, classes: int | None, base: Path
) -> ExternalModel:
    content = _bytes_of(path)
    archive = open_archive(content) if content[:4] == b"PK\x03\x04" else None
    kind = kind_of(content, None if archive is None else archive.names)
    if kind == "pickle":
        raise pickle_error(content)
    digest = hashlib.sha256(content).hexdigest()
    own = kind == "safetensors" and factory is None and _VESTIGE in safetensors_metadata(content)
    weights = kind in ("safetensors", "state_dict") and not own
    if factory is not None and not weights:
        raise ConfigError(
            f"expected no factory for a file that holds the whole network ({_NAMES[kind]}), got {name_of(factory)}; "
            "leave it out"
        )
    batch, least = None, 1
    if kind == "onnx":
        model, files = read_onnx(content, path.parent)
        if isinstance(preprocessing, Preprocessing) and preprocessing.layout is None:
            preprocessing = replace(preprocessing, layout=model.layout)
        digest, batch, description = _digest_of_all(digest, files), model.batch, _described(model, files)
        call: Callable[[Any], Array] = lambda x: model(as_tensor(x).cpu().numpy())  # noqa: E731
    else:
        if weights:
            network, description = _from_weights(content, archive, factory, classes, base)
        elif own:
            network, description = _from_checkpoint(path, digest, device)
        elif archive is not None and kind == "torchscript":
            network, description = read_torchscript(archive, device), "a TorchScript program"
        else:
            assert archive is not None  # by its kind
            exported = read_exported(archive)
            network, batch, least = exported.network, exported.batch, exported.least
            description = "a program of torch.export" + (f" for batches of {batch}" if batch is not None else "")
        call = TorchPredictor(network.to(device).eval())
    predictor = FilePredictor(shown(path), call, preprocessing, batch, least, classes)
    return ExternalModel(predictor, digest, kind, f"{shown(path.name)}: {description}.")


_NAMES: dict[Kind, str] = {
    "safetensors": "safetensors",
    "state_dict": "torch.save",
    "torch.export": "torch.export",
    "torchscript": "TorchScript",
    "onnx": "ONNX",
}


def _from_weights(
    content: bytes, archive: Archive | None, factory: Factory | None, classes: int | None, base: Path
) -> tuple[nn.Module, str]:
    state: dict[str, Tensor]
    state, where = state_of_safetensors(content) if archive is None else state_of_torch_file(archive)
    if factory is None:
        raise ConfigError(
            f"expected a factory for weights alone ({where} of {len(state)} tensors), got none; name the function that "
            "makes the network (--model package.module:function or torchvision:NAME)"
        )
    network = make_network(factory, state, classes, base)
    fit_state(network, state, name_of(factory))
    return network, f"weights from {where}, network made by {name_of(factory)}"


def _from_checkpoint(path: Path, digest: str, device: torch.device) -> tuple[nn.Module, str]:
    network, header = load_checkpoint(path, device)
    if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        raise DataError("expected a file that stays as it is, it changed while it was read; try again")
    return network, f"a checkpoint of vestige ({shown(header.recipe.architecture)}, {header.role})"


def _digest_of_all(digest: str, files: Mapping[str, bytes]) -> str:
    """See ``ExternalModel.digest``."""
    if not files:
        return digest
    parts = {"": digest} | {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return hashlib.sha256("".join(f"{name} {parts[name]}\n" for name in sorted(parts)).encode()).hexdigest()


def _described(model: OnnxModel, files: Mapping[str, bytes]) -> str:
    layout = f", {model.layout.replace('_', ' ')}" if model.layout else ""
    return f"an ONNX model{layout}" + (f", weights beside it in {shown(', '.join(files))}" if files else "")
