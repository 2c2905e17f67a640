"""Checkpoints: safetensors with the recipe and the fingerprints of the data in the header."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from vestige.learners.data.examples import LabelNoise
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.io import canonical_json, digest, write_atomically
from vestige.learners.training.architectures import Classifier, build_classifier
from vestige.learners.training.recipe import Recipe

Pixels = Annotated[int, Field(ge=1, le=16_384)]

_KEY = "vestige"  # one key: the order of several would not be reproducible


@dataclass(frozen=True)
class Checkpoint:
    """What is known about the weights in a file.

    role: original, retrain, candidate or shadow. shape: height, width, channels of the images. seed: of the training or
    unlearning. data: fingerprint of the examples, made with label_noise if there is any. indices: digest of the
    training indices (of a candidate: of the whole split). method, parameters, cost: of the unlearning run, None for a
    trained model.
    """

    role: str
    recipe: Recipe
    shape: tuple[Pixels, Pixels, Annotated[int, Field(ge=1, le=64)]]
    classes: Annotated[int, Field(ge=1, le=65_536)]
    seed: int
    data: str
    indices: str
    label_noise: LabelNoise | None = None
    method: str | None = None
    parameters: dict[str, Any] | None = None
    cost: dict[str, Any] | None = None


def checkpoint_bytes(model: nn.Module, header: Checkpoint) -> bytes:
    """The file's content; the same weights and header give the same bytes."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    return save(state, metadata={_KEY: canonical_json(asdict(header))})


def save_checkpoint(path: Path, model: nn.Module, header: Checkpoint) -> None:
    """Write weights and header; ``path`` is afterwards whole, or as it was before."""
    write_atomically(path, checkpoint_bytes(model, header))


def read_header(path: Path) -> Checkpoint:
    """The header alone. Raises DataError for a missing, damaged or foreign file."""
    return _read(path)[0]


def load_checkpoint(path: Path, device: torch.device, *, data: str | None = None) -> tuple[Classifier, Checkpoint]:
    """The model (eval mode, on ``device``) and its header.

    Raises DataError for a missing, damaged or foreign file, for weights that do not fit the header's recipe, and when
    ``data`` is given and the checkpoint was made from other examples."""
    header, state = _read(path)
    if data is not None and header.data != data:
        raise DataError(
            f"{path}: trained on other data (fingerprint {header.data[:12]}, expected {data[:12]}); "
            "give the data section that the checkpoint was made with"
        )
    if not header.recipe.architecture.startswith("torchvision:"):  # which have sizes of their own
        _check_fit(path, header, _build(path, header, torch.device("meta")), state)  # no memory for a mere claim
    model = _build(path, header, torch.device("cpu"))
    _check_fit(path, header, model, state)
    model.load_state_dict(state)
    model = model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.eval(), header


def _build(path: Path, header: Checkpoint, device: torch.device) -> Classifier:
    try:
        with device:
            return build_classifier(header.recipe, header.shape, header.classes, seed=0)
    except (ConfigError, RuntimeError, MemoryError) as error:
        raise DataError(f"{path}: its header names a network that cannot be built ({error}); make it again") from error


def _check_fit(path: Path, header: Checkpoint, model: nn.Module, state: dict[str, torch.Tensor]) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    if expected != found:
        wrong = sorted(name for name in expected | found if expected.get(name) != found.get(name))
        raise DataError(
            f"{path}: weights do not fit the header's recipe ({header.recipe.architecture}); "
            f"{len(wrong)} tensors differ, {wrong[0]}: expected {expected.get(wrong[0])}, got {found.get(wrong[0])}"
        )


def weights_digest(model: nn.Module) -> str:
    """SHA-256 over names, shapes, types and bytes of all weights and buffers."""
    parts: list[str | bytes] = []
    for name, tensor in sorted(model.state_dict().items()):
        array = tensor.detach().cpu().contiguous()
        parts += [f"{name} {array.dtype} {tuple(array.shape)}", array.reshape(-1).view(torch.uint8).numpy().tobytes()]
    return digest(*parts)


def _read(path: Path) -> tuple[Checkpoint, dict[str, torch.Tensor]]:
    if not path.is_file():
        raise DataError(f"{path}: expected a checkpoint file, found none; check the path")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"{path}: not a whole safetensors file ({error}); copy or make it again") from error
    if _KEY not in metadata:
        raise DataError(f"{path}: expected a checkpoint written by vestige, its header has no {_KEY!r} entry")
    try:
        header = TypeAdapter(Checkpoint).validate_json(metadata[_KEY])
    except ValidationError as error:
        first = error.errors()[0]["msg"]
        raise DataError(f"{path}: its header cannot be read ({first}); make the checkpoint again") from error
    return header, state
