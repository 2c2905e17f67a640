"""Weights of a file into the network that a factory made."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vestige.learners.errors import DataError
from vestige.learners.files.untrusted import reason, shown

PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
"""What DataParallel, torch.compile and training frameworks put before every name."""

_Shapes = Mapping[str, tuple[int, ...]]


def without_prefix(names: Iterable[str], expected: Iterable[str]) -> Callable[[str], str]:
    """How to call the names so that they fit best: prefixes are removed only where every name has them, and only if
    more of the names are then expected ones."""
    stored, wanted = list(names), set(expected)
    best, best_hits, start = 0, len(wanted.intersection(stored)), 0
    while True:
        prefix = next((p for p in PREFIXES if stored and all(name.startswith(p, start) for name in stored)), None)
        if prefix is None:
            return lambda name: name[best:]
        start += len(prefix)
        hits = len(wanted.intersection(name[start:] for name in stored))
        if hits > best_hits:
            best, best_hits = start, hits


def fit_state(model: nn.Module, state: Mapping[str, Tensor], factory: str) -> None:
    """Put ``state`` into ``model``. factory: who made the model, for the sentence.

    Raises DataError where names or shapes differ. Counters of batch normalisation, which evaluation does not read, may
    be missing.
    """
    own = model.state_dict()
    call = without_prefix(state, own)
    given = {call(name): tensor for name, tensor in state.items()}
    expected = {name: tuple(value.shape) for name, value in own.items() if isinstance(value, Tensor)}
    found = {name: tuple(tensor.shape) for name, tensor in given.items()}
    counters = [name for name in expected if name.endswith("num_batches_tracked") and name not in found]
    _compare({name: shape for name, shape in expected.items() if name not in counters}, found, factory)
    own.update(given)  # in place: the state carries the version of its format
    try:
        with torch.no_grad():
            model.load_state_dict(own)
    except Exception as error:  # the user's network may have its own way of loading
        raise DataError(f"expected weights for {factory}, they could not be loaded: {reason(error)}") from error


def _compare(expected: _Shapes, found: _Shapes, factory: str) -> None:
    missing = [name for name in expected if name not in found]
    unexpected = [name for name in found if name not in expected]
    other = [name for name in expected if name in found and expected[name] != found[name]]
    if not (missing or unexpected or other):
        return
    classes = _class_mismatch(expected, found) if not missing and not unexpected else None
    if classes is not None:
        name, made, stored = classes
        raise DataError(
            f"the factory {factory} makes {made} classes and the checkpoint has {stored} ({shown(name)}); "
            f"make the network with {stored} classes"
        )
    parts = []
    if missing:
        parts.append(f"{len(missing)} missing (first {shown(missing[0])})")
    if unexpected:
        parts.append(f"{len(unexpected)} unexpected (first {shown(unexpected[0])})")
    if other:
        first = other[0]
        parts.append(
            f"{len(other)} of another shape (first {shown(first)}: network {list(expected[first])}, "
            f"file {shown(list(found[first]))})"
        )
    raise DataError(
        f"expected the {len(expected)} tensors of the network of {factory}, got {len(found)}: {', '.join(parts)}; "
        "name the factory that made the saved network"
    )


def _class_mismatch(expected: _Shapes, found: _Shapes) -> tuple[str, int, int] | None:
    """Name, made and stored classes, if the only thing that differs is the number of rows of the last layer."""
    last = last_layer(expected)
    if last is None or expected[last][1:] != found[last][1:] or expected[last][0] == found[last][0]:
        return None
    layer = last.rpartition(".")[0]
    others = [name for name in expected if expected[name] != found[name] and name.rpartition(".")[0] != layer]
    return None if others else (last, expected[last][0], found[last][0])


def last_layer(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """The name of the last weight matrix (or kernel)."""
    weights = [name for name, shape in shapes.items() if name.endswith("weight") and len(shape) >= 2]
    return weights[-1] if weights else None


def shapes_of(state: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Shapes by name, in the state's order."""
    return {name: tuple(tensor.shape) for name, tensor in state.items()}
