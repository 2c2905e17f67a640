"""Weights out of ``torch.save`` and safetensors files."""

import json
from collections.abc import Mapping
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from vestige.learners.errors import DataError
from vestige.learners.external.archives import Archive
from vestige.learners.external.claims import STORAGES, TensorClaim, call_of_torch, claim_storage, tensor_maker
from vestige.learners.external.opcodes import Made, Name, read_pickle
from vestige.learners.files.untrusted import readable, shown

WRAPPERS = (
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "weights",
    "params",
    "module",
    "ema",
    "model_ema",
    "state_dict_ema",
    "ema_state_dict",
)
"""Entries under which training scripts keep the weights; the first that holds some is taken."""

MOST_HEADER = 100_000_000
"""Bytes of a safetensors header; the limit of the format."""

_TENSORS = {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"}
_KNOWN = (
    {("torch._utils", name) for name in (*_TENSORS, "_rebuild_parameter", "_rebuild_parameter_with_state")}
    | {("torch", name) for name in (*STORAGES, "Size", "device")}
    | {("torch.storage", "UntypedStorage"), ("collections", "OrderedDict")}
    | {("torch", name) for name in dir(torch) if isinstance(getattr(torch, name), torch.dtype)}
)
# Settings and counters that training scripts keep beside the weights. They are read as nothing.
_BESIDE = {
    ("argparse", "Namespace"),
    ("collections", "defaultdict"),
    ("collections", "Counter"),
    ("builtins", "dict"),
    ("builtins", "set"),
    ("builtins", "complex"),
    ("pathlib", "PosixPath"),
    ("pathlib", "Path"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("_codecs", "encode"),
    ("lightning.fabric.utilities.data", "AttributeDict"),
    ("pytorch_lightning.utilities.parsing", "AttributeDict"),
    ("lightning_fabric.utilities.data", "AttributeDict"),
}


def state_of_torch_file(archive: Archive) -> tuple[dict[str, Tensor], str]:
    """The weights in an archive of ``torch.save``, and where in it they were, in words.

    Nothing is unpickled: the description of the tensors is read by ``read_pickle``, which makes texts, numbers and
    containers alone, and the tensors are then made from the archive's bytes. What is kept beside them (settings,
    optimiser) is skipped. Raises DataError for names of code outside of a stated set, and for damage.
    """
    tree = read_pickle(
        archive.read("data.pkl"),
        admit=_admit,
        call=_call,
        persistent=lambda identifier: claim_storage(archive, identifier),
    )
    claims, where = _find_state(tree)
    make = tensor_maker(archive)
    return {name: make(claim) for name, claim in claims.items()}, where


def code_error(named: str) -> DataError:
    """For a file whose loading would run code."""
    return DataError(
        f"expected weights alone (a state_dict), got a pickle that names {named}, and opening it would run code; "
        "save torch.save(model.state_dict(), path) where you trust the file"
    )


def _admit(name: Name) -> Name:
    if (name.module, name.name) not in _KNOWN | _BESIDE:
        raise code_error(str(name))
    return name


def _call(name: Name, arguments: tuple[Any, ...]) -> Any:
    if (name.module, name.name) in _BESIDE:
        return Made(name)
    return call_of_torch(name, arguments)


def _find_state(tree: Any) -> tuple[dict[str, TensorClaim], str]:
    if isinstance(tree, TensorClaim):
        raise DataError("expected a state_dict, got a single tensor; save torch.save(model.state_dict(), path)")
    if not isinstance(tree, dict):
        raise DataError(f"expected a state_dict, got {_kind(tree)}; save torch.save(model.state_dict(), path)")
    found = _tensors(tree)
    if found:
        return found, "a state_dict"
    candidates = [key for key in WRAPPERS if isinstance(tree.get(key), dict)]
    for key in candidates:
        inner = tree[key]
        for path, state in [(key, inner), *((f"{key}.{name}", inner.get(name)) for name in WRAPPERS)]:
            found = _tensors(state) if isinstance(state, dict) else {}
            if found:
                others = [other for other in candidates if other != key and _tensors(tree[other])]
                beside = f"; {', '.join(others)} in it not used" if others else ""
                return found, f"the entry {path} of a checkpoint{beside}"
    keys = ", ".join(shown(key, 40) for key in list(tree)[:6]) or "nothing"
    raise DataError(
        f"expected a state_dict, alone or as one of {', '.join(WRAPPERS)}, got a dictionary of {keys}; "
        "save torch.save(model.state_dict(), path)"
    )


def _tensors(state: Mapping[Any, Any]) -> dict[str, TensorClaim]:
    """The state if it is one: names and tensors only, apart from extra states, which are left out."""
    kept = {name: value for name, value in state.items() if not str(name).endswith("_extra_state")}
    if kept and all(isinstance(name, str) and isinstance(value, TensorClaim) for name, value in kept.items()):
        return kept
    return {}


def _kind(value: Any) -> str:
    return f"an object of {value.of}" if isinstance(value, Made) else f"a {type(value).__name__}"


def state_of_safetensors(content: bytes) -> tuple[dict[str, Tensor], str]:
    """The tensors of a safetensors file; its header is bounded first, and the library checks that all offsets fit."""
    safetensors_metadata(content)
    damage = (SafetensorError, ValueError, TypeError, KeyError, RuntimeError, MemoryError)
    with readable("a whole safetensors file", "copy it again", *damage):
        return safetensors.torch.load(content), "a safetensors file"


def safetensors_metadata(content: bytes) -> Mapping[str, Any]:
    """The free entries of the header."""
    length = int.from_bytes(content[:8], "little")
    if length > min(len(content) - 8, MOST_HEADER):
        raise DataError(
            f"expected a header within the file's {len(content):,} bytes, it claims {length:,}; copy it again"
        )
    with readable("a safetensors header", "copy it again", ValueError, AttributeError, RecursionError):
        metadata = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    return metadata if isinstance(metadata, dict) else {}
