"""TorchScript archives: their texts and pickles are looked through before torch reads them, their graphs before a run.

``torch.jit.load`` executes no Python, but it does run ``__setstate__`` methods of the program while loading, makes
objects of compiled classes, and believes the sizes that the file claims. So the archive is written anew, in memory,
from members that were checked, and refused where it has any of these. torch's parser can be brought down by
a text of deep brackets, so another process reads the copy first.
"""

import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from vestige.learners.errors import DataError
from vestige.learners.external.archives import Archive
from vestige.learners.external.claims import STORAGES, call_of_torch, claim_storage
from vestige.learners.external.opcodes import Made, Name, read_pickle
from vestige.learners.external.operators import CONTROL, SCALAR, TENSOR
from vestige.learners.external.state import code_error
from vestige.learners.external.trial import read_elsewhere
from vestige.learners.files.untrusted import readable, shown

_CODE = re.compile(r"code/[\w./-]+\.py")
_KEPT = re.compile(r"(data|constants)/\w+|data\.pkl|constants\.pkl|version|byteorder|\.data/(version|serialization_id)")
_FORBIDDEN = ("__setstate__", "torch.classes")
_TORCH = {("torch", name) for name in (*STORAGES, "device", "Size")} | {
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("collections", "OrderedDict"),
}
_LISTS = {"build_intlist", "build_doublelist", "build_boollist", "build_tensorlist", "restore_type_tag"}


def read_torchscript(archive: Archive, device: torch.device) -> nn.Module:
    """The program of an archive of ``torch.jit.save``, on ``device``, in eval mode.

    Raises DataError for code that would run while loading, compiled classes, names outside of the program, operators
    outside of the stated set, sizes that do not fit, and for damage."""
    for name in archive.names:
        if _CODE.fullmatch(name):
            source = archive.read(name).decode("utf-8", "replace")
            found = next((word for word in _FORBIDDEN if word in source), None)
            if found is not None:
                raise DataError(
                    f"expected a program of plain layers, {shown(name)} has {found}, which runs code of the file while "
                    "it is loaded; give the weights (state_dict) and your own code instead"
                )
    for member, folder in (("data.pkl", "data"), ("constants.pkl", "constants")):
        if archive.size(member) >= 0:
            _check_pickle(archive, member, folder)
    copy = _written_anew(archive)
    read_elsewhere(copy.getvalue())
    with readable("a whole TorchScript program", "save it again"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch prefers torch.export; the file is what it is
        program: nn.Module = torch.jit.load(copy, map_location=device)  # type: ignore[no-untyped-call]
    _check_operators(program)
    return program.eval()


def _check_pickle(archive: Archive, member: str, folder: str) -> None:
    def admit(name: Name) -> Name:
        own = name.module.startswith("__torch__") and "torch.classes" not in f"{name.module}.{name.name}"
        listed = (name.module, name.name) in _TORCH or (name.module == "torch.jit._pickle" and name.name in _LISTS)
        if not (own or listed):
            raise code_error(str(name))
        return name

    def call(name: Name, arguments: tuple[Any, ...]) -> Any:
        if name.module == "torch.jit._pickle":
            return arguments[0] if arguments else None
        return Made(name) if name.module.startswith("__torch__") else call_of_torch(name, arguments)

    read_pickle(
        archive.read(member),
        admit=admit,
        call=call,
        persistent=lambda identifier: claim_storage(archive, identifier, folder),
    )


def _written_anew(archive: Archive) -> io.BytesIO:
    """What was checked, and nothing else: torch's own reader may see another directory in the same bytes."""
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_STORED) as file:
        for name in archive.names:
            if _KEPT.fullmatch(name) or _CODE.fullmatch(name):
                file.writestr(f"archive/{name}", archive.read(name))
    copy.seek(0)
    return copy


def _check_operators(program: Any) -> None:
    forward = getattr(program, "forward", None)
    if forward is None or not hasattr(program, "inlined_graph"):
        raise DataError("expected a TorchScript program with a method forward, got none; save it again")
    with readable("a TorchScript program with a graph", "save it again", RuntimeError):
        graph = program.inlined_graph
    for kind in _kinds(graph):
        space, _, name = kind.partition("::")
        if not (space == "aten" and name in TENSOR | SCALAR) and not (space == "prim" and name in CONTROL):
            raise DataError(
                f"expected operators of a classification network, the program uses {shown(kind)}, which is not run; "
                "give the weights (state_dict) and your own code instead"
            )


def _kinds(graph: Any) -> Iterator[str]:
    pending = [graph]
    while pending:
        for node in pending.pop().nodes():
            yield node.kind()
            for block in node.blocks():
                pending.append(block)
            for attribute in node.attributeNames():
                if node.kindOf(attribute) in ("g", "gs"):
                    yield f"{node.kind()} with a graph in it"
