"""Models from the user's own training function, and files of their weights that say what they were made from."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from vestige.learners.arrays import Array, Indices
from vestige.learners.errors import DataError
from vestige.learners.external.predictors import as_array
from vestige.learners.files.untrusted import readable
from vestige.learners.files.user_code import find_function

_KEY = "vestige_retrain"  # of the header; not the key of the project's own checkpoints


def find_training(text: str, *, base: Path = Path(".")) -> Callable[[Indices, int], Any]:
    """The function ``package.module:train``, from the indices to train on and a seed to a model, looked for where
    Python does and then in ``base``. Raises ConfigError where there is none."""
    found: Callable[[Indices, int], Any] = find_function(text, "train", base=base)
    return found


def weights_of(model: object, name: str) -> dict[str, Array] | None:
    """The weights and buffers of a torch network as arrays of their own memory; None for anything else.

    name: of the training function, for the DataError about a state_dict that holds more than tensors."""
    if not isinstance(model, nn.Module):
        return None
    errors = (RuntimeError, TypeError, ValueError, NotImplementedError)  # lazy, sparse, on no device
    with readable("a network whose weights are plain tensors", "return it on the CPU", *errors, where=name):
        state = model.state_dict()
        wrong = next((key for key, value in state.items() if not isinstance(value, torch.Tensor)), None)
        if wrong is not None:
            raise DataError(f"{name}: expected a state_dict of tensors, got something else as {wrong!r}")
        return {key: as_array(value).copy() for key, value in state.items()}


def weights_bytes(weights: Mapping[str, Array], note: str) -> bytes:
    """A safetensors file of the weights; ``note`` goes into its header."""
    return save({name: torch.from_numpy(values) for name, values in weights.items()}, metadata={_KEY: note})


def weights_note(path: Path) -> str | None:
    """The note of such a file; None for any other."""
    try:
        with safe_open(path, framework="np") as file:
            return (file.metadata() or {}).get(_KEY)
    except (SafetensorError, OSError, ValueError):
        return None
