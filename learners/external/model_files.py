"""A model from a file that somebody else made. What kind of file it is, its content decides, not its name."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vestige.learners.errors import ConfigError, DataError, VestigeError
from vestige.learners.external.archives import Archive, open_archive
from vestige.learners.external.exported import read_exported
from vestige.learners.external.factory import Factory, make_network, name_of
from vestige.learners.external.fit import fit_state
from vestige.learners.external.kinds import Kind, kind_of, pickle_refusal
from vestige.learners.external.onnx import read_onnx
from vestige.learners.external.predictors import Predictor, Prepare, TorchPredictor, as_array, as_tensor, prepared
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

    predictor: Predictor
    digest: str
    kind: Kind
    description: str

    def prepared_by(self, own: Preprocessing) -> "ExternalModel":
        """The same model, its images prepared in another way; the layout stays unless ``own`` names one."""
        return replace(self, predictor=_prepared_by(self.predictor, own))


@dataclass(frozen=True)
class _Counted:
    """Refuses another number of classes than the data have."""

    predictor: Predictor
    classes: int
    name: str

    def __call__(self, inputs: NDArray[Any], /) -> NDArray[Any]:
        logits = self.predictor(inputs)
        if logits.ndim == 2 and logits.shape[1] != self.classes:
            raise DataError(
                f"{self.name}: expected {self.classes} classes as in the data, the model has {logits.shape[1]}; "
                "give the model of these data"
            )
        return logits


@dataclass(frozen=True)
class _Fixed:
    """A program that takes a fixed number of rows, or at least some: the last row is repeated to fill a call."""

    call: Callable[[Any], Any]
    preprocessing: Prepare
    batch: int | None
    least: int

    def __call__(self, inputs: NDArray[Any], /) -> NDArray[Any]:
        rows = self.batch or max(len(inputs), self.least)
        logits = []
        for start in range(0, len(inputs), rows):
            part = inputs[start : start + rows]
            filled = np.concatenate([part, np.repeat(part[-1:], rows - len(part), axis=0)])
            logits.append(as_array(self.call(prepared(filled, self.preprocessing)))[: len(part)])
        return np.concatenate(logits)


def _prepared_by(predictor: Predictor, own: Preprocessing) -> Predictor:
    if isinstance(predictor, _Counted):
        return replace(predictor, predictor=_prepared_by(predictor.predictor, own))
    if not isinstance(predictor, (TorchPredictor, _Fixed)):
        raise TypeError(f"expected a predictor of load_model, got {type(predictor).__name__}")
    before = predictor.preprocessing
    if own.layout is None and isinstance(before, Preprocessing):
        own = replace(own, layout=before.layout)
    return replace(predictor, preprocessing=own)


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
        content = _bytes_of(path)
        return _load(path, content, factory, device or torch.device("cpu"), settings, expected_classes, base)
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
    path: Path,
    content: bytes,
    factory: Factory | None,
    device: torch.device,
    preprocessing: Prepare,
    classes: int | None,
    base: Path,
) -> ExternalModel:
    archive = open_archive(content) if content[:4] == b"PK\x03\x04" else None
    kind = kind_of(content, None if archive is None else archive.names)
    if kind == "pickle":
        raise pickle_refusal(content)
    digest = hashlib.sha256(content).hexdigest()
    own = kind == "safetensors" and factory is None and _VESTIGE in safetensors_metadata(content)
    if kind in ("safetensors", "state_dict") and not own:
        network, description = _from_weights(content, archive, factory, classes, base)
        predictor: Predictor = TorchPredictor(network.to(device).eval(), preprocessing)
    elif factory is not None:
        raise ConfigError(
            f"expected no factory for a file that holds the whole network ({_NAMES[kind]}), got {name_of(factory)}; "
            "leave it out"
        )
    elif own:
        own_network, header = load_checkpoint(path, device)
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise DataError("expected a file that stays as it is, it changed while it was read; try again")
        predictor = TorchPredictor(own_network, preprocessing)
        description = f"a checkpoint of vestige ({shown(header.recipe.architecture)}, {header.role})"
    elif kind == "onnx":
        predictor, digest, description = _from_onnx(path, content, digest, preprocessing)
    else:
        assert archive is not None
        predictor, description = _from_program(archive, kind, device, preprocessing)
    if classes is not None:
        predictor = _Counted(predictor, classes, shown(path))
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


def _from_program(archive: Archive, kind: Kind, device: torch.device, preprocessing: Prepare) -> tuple[Predictor, str]:
    if kind == "torchscript":
        return TorchPredictor(read_torchscript(archive, device), preprocessing), "a TorchScript program"
    exported = read_exported(archive)
    network = TorchPredictor(exported.network.to(device).eval())
    predictor = _Fixed(network, preprocessing, exported.batch, exported.least)
    fixed = f" for batches of {exported.batch}" if exported.batch is not None else ""
    return predictor, f"a program of torch.export{fixed}"


def _from_onnx(path: Path, content: bytes, digest: str, preprocessing: Prepare) -> tuple[Predictor, str, str]:
    model, files = read_onnx(content, path.parent)
    if isinstance(preprocessing, Preprocessing) and preprocessing.layout is None and model.layout is not None:
        preprocessing = replace(preprocessing, layout=model.layout)
    if files:
        parts = {"": digest} | {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        digest = hashlib.sha256("".join(f"{name} {parts[name]}\n" for name in sorted(parts)).encode()).hexdigest()
    layout = f", {model.layout.replace('_', ' ')}" if model.layout else ""
    beside = f", weights beside it in {shown(', '.join(files))}" if files else ""
    predictor = _Fixed(lambda x: model(as_tensor(x).cpu().numpy()), preprocessing, model.batch, 1)
    return predictor, digest, f"an ONNX model{layout}{beside}"
