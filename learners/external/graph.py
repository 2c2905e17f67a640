"""A graph of named values and listed operators, and running it."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vestige.learners.errors import DataError
from vestige.learners.external.operators import PYTHON, TENSOR
from vestige.learners.files.untrusted import shown

MOST_STEPS = 200_000

# torch._export.serde.schema: ScalarType, MemoryFormat.
DTYPES: Mapping[int, torch.dtype] = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    10: torch.complex64,
    11: torch.complex128,
    12: torch.bool,
    13: torch.bfloat16,
}
_FORMATS = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d, 4: torch.preserve_format}
_OPERATOR = re.compile(r"torch\.ops\.aten\.(\w+)\.(\w+)")
_PYTHON = re.compile(r"_?operator\.(\w+)")
_PLAIN = {"as_int": int, "as_float": float, "as_string": str, "as_bool": bool}
_LISTS = {f"{kind}s": plain for kind, plain in _PLAIN.items()}
_SYMBOLS = ("as_sym_int", "as_sym_float", "as_sym_bool")
_NAMED = {"as_tensor", "as_tensors", "as_optional_tensor", "as_optional_tensors", *_SYMBOLS}
_NAMED |= {f"{symbol}s" for symbol in _SYMBOLS}

Values = dict[str, Any]
Read = Callable[[Values, torch.device], Any]


@dataclass(frozen=True)
class Step:
    """One call. drop: names that no later step reads."""

    call: Callable[..., Any]
    positional: tuple[Read, ...]
    named: tuple[tuple[str, Read], ...]
    outputs: tuple[str | None, ...]
    several: bool
    drop: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """Steps in order, the name of the input and that of the result."""

    steps: tuple[Step, ...]
    input: str
    output: str

    def run(self, weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
        """The result for one input. Raises DataError where a step changes a weight."""
        values: Values = {**weights, self.input: x}
        before = sum(tensor._version for tensor in weights.values())
        for step in self.steps:
            arguments = [read(values, x.device) for read in step.positional]
            made = step.call(*arguments, **{name: read(values, x.device) for name, read in step.named})
            for name, value in zip(step.outputs, made if step.several else (made,), strict=True):
                if name is not None:
                    values[name] = value
            for name in step.drop:
                values.pop(name, None)
        if sum(tensor._version for tensor in weights.values()) != before:
            raise DataError("expected a program that leaves its weights alone, it changes them; export it in eval mode")
        result: Tensor = values[self.output]
        return result


def read_steps(graph: Mapping[str, Any], known: set[str], output: str) -> tuple[Step, ...]:
    """The steps of a serialised graph; every operator is looked up in the stated set, every name must be defined.

    known: weights and input, which are kept; output: the name of the result."""
    nodes = graph["nodes"]
    if len(nodes) > MOST_STEPS:
        raise DataError(f"expected at most {MOST_STEPS:,} steps, got {len(nodes):,}; export a smaller model")
    defined, raw = set(known), []
    last: dict[str, int] = {}
    for position, node in enumerate(nodes):
        uses: list[str] = []
        call = _operator(text(node["target"]))
        arguments = [(entry["name"], _argument(entry["arg"], uses), entry.get("kind")) for entry in node["inputs"]]
        missing = set(uses) - defined
        if missing:
            raise ValueError(f"the value {sorted(missing)[0]} is used before it is made")
        outputs, several = _outputs(node["outputs"])
        defined.update(name for name in outputs if name is not None)
        last.update(dict.fromkeys([*uses, *(name for name in outputs if name is not None)], position))
        raw.append((call, arguments, outputs, several))
    if output not in defined:
        raise ValueError(f"the result {output} is never made")
    drops: dict[int, list[str]] = {}
    for name, position in last.items():
        if name not in known and name != output:
            drops.setdefault(position, []).append(name)
    return tuple(
        Step(
            call,
            tuple(read for _, read, kind in arguments if kind != 2),
            tuple((text(name), read) for name, read, kind in arguments if kind == 2),
            outputs,
            several,
            tuple(drops.get(position, ())),
        )
        for position, (call, arguments, outputs, several) in enumerate(raw)
    )


def one_entry(union: Mapping[str, Any]) -> tuple[str, Any]:
    """Kind and value of one of the format's unions, a dictionary of one entry."""
    ((kind, value),) = union.items()
    return kind, value


def text(value: Any) -> str:
    """The value, which must be text."""
    if not isinstance(value, str):
        raise ValueError(f"expected text, got a {type(value).__name__}")
    return value


def _operator(target: str) -> Callable[..., Any]:
    tensor, python = _OPERATOR.fullmatch(target), _PYTHON.fullmatch(target)
    if tensor and tensor[1] in TENSOR and not tensor[2].startswith("_"):
        packet = getattr(torch.ops.aten, tensor[1], None)
        if packet is not None and tensor[2] in packet.overloads():
            found: Callable[..., Any] = getattr(packet, tensor[2])
            return found
    if python and python[1] in PYTHON:
        plain: Callable[..., Any] = getattr(operator, python[1])
        return plain
    raise DataError(
        f"expected operators of a classification network, the program uses {shown(target)}, which is not run; "
        "give the weights (state_dict) and your own code instead"
    )


def _argument(argument: Mapping[str, Any], uses: list[str]) -> Read:
    """How to read one argument when the step is run; ``uses`` collects the names that it reads."""
    kind, value = one_entry(argument)
    if kind in _NAMED:
        if isinstance(value, list):
            parts = [_value(part, uses) for part in value]
            return lambda values, device: [part(values, device) for part in parts]
        return _value(value, uses)
    if kind == "as_device":
        return lambda values, device: device
    constant = _constant(kind, value)
    return lambda values, device: constant


def _value(entry: Mapping[str, Any], uses: list[str]) -> Read:
    """A name, or one of the numbers that stand among names."""
    kind, value = one_entry(entry)
    if kind == "as_tensor":
        kind, value = one_entry(value)
    if kind in ("name", "as_name"):
        name = text(value)
        uses.append(name)
        return lambda values, device: values[name]
    constant = None if kind == "as_none" else _constant(kind, value)
    return lambda values, device: constant


def _constant(kind: str, value: Any) -> Any:
    if kind == "as_none":
        return None
    if kind in _PLAIN:
        return _plain(value, _PLAIN[kind])
    if kind in _LISTS:
        return [_plain(item, _LISTS[kind]) for item in value]
    if kind == "as_scalar_type":
        return DTYPES[value]
    if kind == "as_memory_format":
        return _FORMATS[value]
    if kind == "as_layout" and value == 7:
        return torch.strided
    raise DataError(f"expected plain arguments, the program uses {shown(kind)}; give weights and your own code instead")


def _plain(value: Any, kind: type) -> Any:
    if kind is float and isinstance(value, (int, float, str)) and not isinstance(value, bool):
        return float(value)  # infinity is written as text
    if type(value) is not kind:
        raise ValueError(f"expected a {kind.__name__}, got a {type(value).__name__}")
    return value


def _outputs(outputs: list[Mapping[str, Any]]) -> tuple[tuple[str | None, ...], bool]:
    """Names of the results, and whether there is more than one."""
    names: list[str | None] = []
    for entry in outputs:
        kind, value = one_entry(entry)
        if kind == "as_tensors":
            if len(outputs) > 1:
                raise ValueError("a list of results among others")
            return tuple(text(item["name"]) for item in value), True
        if kind == "as_none":
            names.append(None)
        elif kind in ("as_tensor", *_SYMBOLS):
            names.append(text(value.get("name", value.get("as_name"))))
        else:
            raise ValueError(f"a result of kind {kind}")
    return (tuple(names), len(names) > 1) if names else ((None,), False)
