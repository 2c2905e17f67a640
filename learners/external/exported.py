"""Programs of ``torch.export`` (``.pt2``), read and run without torch's own loader.

``torch.export.load`` (torch 2.13) unpickles the sample inputs and any tensor that asks for it, hands size expressions
to ``sympy.sympify``, which evaluates them as Python, and compiles guards and the graph as Python source made from names
in the file. So none of it is used: the graph is JSON, the weights are bytes, and a small interpreter calls the listed
operators one by one.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vestige.learners.errors import DataError
from vestige.learners.external.archives import Archive, open_archive
from vestige.learners.external.claims import Storage, claim_tensor, tensor_maker
from vestige.learners.external.graph import DTYPES, Graph, Step, one_entry, read_steps, text
from vestige.learners.external.state import state_of_torch_file
from vestige.learners.files.untrusted import readable, shown

SCHEMA = 8
"""Major version of the format that is read here; torch 2.13 writes 8.20."""

_PROGRAM = re.compile(r"models/[^/]+\.json")
_FILE = re.compile(r"[A-Za-z0-9_.-]+")
_MALFORMED = (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, OverflowError)


@dataclass(frozen=True)
class Exported:
    """A program and its weights. batch: rows of every call, where the program was exported for a fixed number."""

    network: nn.Module
    batch: int | None
    least: int


class _Program(nn.Module):
    def __init__(self, graph: Graph, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._graph = graph
        self._names = {name: f"weight_{number}" for number, name in enumerate(weights)}
        for name, tensor in weights.items():
            self.register_buffer(self._names[name], tensor)

    def forward(self, x: Tensor) -> Tensor:
        return self._graph.run({name: getattr(self, own) for name, own in self._names.items()}, x)


def read_exported(archive: Archive) -> Exported:
    """The program of an archive of ``torch.export.save``.

    Raises DataError for pickled members that would be needed, operators outside of the stated set, programs with more
    than one input or output, or that change their own buffers, and for damage."""
    programs = [name for name in archive.names if _PROGRAM.fullmatch(name)]
    if len(programs) != 1:
        raise DataError(f"expected one exported program, got {len(programs)}; save one model with torch.export.save")
    with readable("a program of torch.export", "export it again", *_MALFORMED):
        return _read(archive, programs[0])


def _read(archive: Archive, member: str) -> Exported:
    program = json.loads(archive.read(member))
    version = program["schema_version"]["major"]
    if version != SCHEMA:
        raise DataError(
            f"expected version {SCHEMA} of the format of torch.export, got {shown(version)}; export it again"
        )
    stem = member.removeprefix("models/").removesuffix(".json")
    stored = {**_tensors(archive, "data/weights", stem), **_tensors(archive, "data/constants", stem)}
    module = program["graph_module"]
    weights, inputs = _inputs(module["signature"]["input_specs"], stored)
    output = _output(module["signature"]["output_specs"])
    if len(inputs) != 1:
        raise DataError(f"expected a program of one input, got {len(inputs)}; export a model that takes images alone")
    steps: tuple[Step, ...] = read_steps(module["graph"], {*weights, *inputs}, output)
    first = module["graph"]["tensor_values"][inputs[0]]["sizes"][0]
    batch = first.get("as_int")
    if batch is not None and (type(batch) is not int or not 1 <= batch <= 2**16):
        raise DataError(f"expected a program for batches of 1 to {2**16}, got {shown(batch)}; export it again")
    least = max([1, *(limits.get("min_val") or 1 for limits in program.get("range_constraints", {}).values())])
    return Exported(_Program(Graph(steps, inputs[0], output), weights), batch, min(least, 2**10))


def _tensors(archive: Archive, folder: str, stem: str) -> dict[str, Tensor]:
    earlier = f"{folder}/{stem}.pt"
    if archive.size(earlier) >= 0:  # all tensors in one torch.save file, which is read as such files are here
        return state_of_torch_file(open_archive(archive.read(earlier)))[0]
    config = f"{stem}_{folder.removeprefix('data/')}_config.json"
    if archive.size(f"{folder}/{config}") < 0:
        return {}
    made: dict[str, Tensor] = {}
    make = tensor_maker(archive)
    for name, entry in json.loads(archive.read(f"{folder}/{config}"))["config"].items():
        file, meta = text(entry["path_name"]), entry["tensor_meta"]
        if entry["use_pickle"] or meta is None:
            raise DataError(
                f"expected plain tensors, {shown(name)} is a pickled object, and opening it would run code; "
                "export a model of plain tensors"
            )
        member = f"{folder}/{file}"
        if not _FILE.fullmatch(file) or archive.size(member) < 0:
            raise DataError(f"expected the tensor {shown(name)} in the archive, got none; export it again")
        storage = Storage(member, torch.uint8, archive.size(member))
        shape, stride = (tuple(size["as_int"] for size in meta[key]) for key in ("sizes", "strides"))
        claim = claim_tensor(storage, meta["storage_offset"]["as_int"], shape, stride, DTYPES[meta["dtype"]])
        made[name] = make(claim)
    return made


def _inputs(specs: Iterable[Mapping[str, Any]], stored: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Weights by the graph's own names, and the graph's names of what the user gives."""
    weights: dict[str, Tensor] = {}
    given: list[str] = []
    for spec in specs:
        kind, entry = one_entry(spec)
        if kind == "user_input":
            given.append(text(entry["arg"]["as_tensor"]["name"]))
            continue
        if kind not in ("parameter", "buffer", "tensor_constant"):
            raise DataError(f"expected weights and one input, the program takes a {shown(kind)}; export it otherwise")
        name = entry[f"{kind}_name"]
        if name not in stored:
            raise DataError(f"expected the tensor {shown(name)} in the archive, got none; export it again")
        weights[text(entry["arg"]["name"])] = stored[name]
    return weights, given


def _output(specs: list[Mapping[str, Any]]) -> str:
    kinds = [one_entry(spec)[0] for spec in specs]
    if kinds != ["user_output"]:
        what = ", ".join(shown(kind, 30) for kind in kinds[:4])
        raise DataError(
            f"expected a program that returns logits and changes nothing, got {what}; "
            "export the model in eval mode, with the logits as its only output"
        )
    return text(specs[0]["user_output"]["arg"]["as_tensor"]["name"])
