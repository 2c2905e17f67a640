"""One model's outputs as a NumPy file: ``.npy`` of logits, or ``.npz`` with labels and the like in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs.outputs import as_text
from vestige.attacks.outputs.tables.columns import DEFAULTS, Columns
from vestige.attacks.outputs.tables.sheet import Coder, Sheet, check_text, need_file
from vestige.learners.errors import DataError
from vestige.learners.files import npz

LOGITS = ("logits", "candidate", "original", "arr_0")
"""Names of the one array ``[n, classes]`` in an ``.npz``; arr_0 is what numpy.savez calls an array without a name."""
_FACTS = ("label", "role", "id", "group", "subject")


@dataclass(frozen=True)
class ArrayFile:
    """A NumPy file as a table: its arrays ``[n]`` are columns, the one of logits ``[n, classes]`` is a list column."""

    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    known: tuple[str, ...]
    max_bytes: int

    @classmethod
    def open(cls, path: Path, columns: Columns, *, max_bytes: int) -> "ArrayFile":
        """The file at ``path``; nothing is unpickled, and shapes are judged by the headers. DataError on any fault."""
        need_file(path)
        named = columns.given().values()
        known = tuple(dict.fromkeys((*LOGITS, *(name for part in _FACTS for name in DEFAULTS[part]), *named)))
        try:
            if path.suffix.lower() == ".npy":
                values = _npy(path)
                kinds = {"logits": (values.shape, values.dtype)}
            else:
                with npz.open_archive(path) as archive:
                    headers = npz.read_headers(archive, known=known, max_bytes=max_bytes)
                    kinds = {name: (header.shape, header.dtype) for name, header in headers.items()}
            for name, (shape, dtype) in kinds.items():
                _check(name, shape, dtype)
            shapes = {name: shape for name, (shape, _) in kinds.items()}
            if sum(len(shape) == 2 for shape in shapes.values()) > 1:
                raise DataError(f"expected one array [n, classes], got {_listed(shapes)}; keep one model a file")
            if len({shape[0] for shape in shapes.values()}) != 1:
                raise DataError(f"expected arrays of the same examples, got {_listed(shapes) or 'none'}")
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        return cls(path, shapes, known, max_bytes)

    @property
    def names(self) -> Sequence[str]:
        """Names of the arrays."""
        return tuple(self.shapes)

    @property
    def lists(self) -> Sequence[str]:
        """The name of the array of logits."""
        return [name for name, shape in self.shapes.items() if len(shape) == 2]

    def read(self, texts: Sequence[str], numbers: Sequence[str], max_bytes: int, *, label: str | None = None) -> Sheet:
        """The arrays of these names."""
        try:
            arrays = self._load((*texts, *numbers))
            coded = {name: _coded(name, arrays[name]).texts() for name in texts}
        except DataError as error:
            raise DataError(f"{self.path}: {error}") from error
        rows = next(iter(self.shapes.values()))[0]
        values = arrays[numbers[0]] if numbers else np.empty((rows, 0), np.float32)
        _check_finite(self.path, values)
        return Sheet(self.path, rows, coded, values)

    def _load(self, wanted: Sequence[str]) -> Mapping[str, NDArray[Any]]:
        if self.path.suffix.lower() == ".npy":
            return {"logits": _npy(self.path)}
        with npz.open_archive(self.path) as archive:
            headers = npz.read_headers(archive, known=self.known, max_bytes=self.max_bytes)
            arrays = npz.read_arrays(archive, {name: headers[name] for name in wanted if name in headers})
        if {name: array.shape for name, array in arrays.items()} != {name: self.shapes[name] for name in wanted}:
            raise DataError("expected the same arrays when read again, got others; copy it first")
        return arrays


def _coded(name: str, values: NDArray[Any]) -> Coder:
    cells = as_text(name, values).astype(object)
    wrong = check_text(name, cells)
    if wrong is not None:
        raise DataError(f"row {wrong[0] + 1}: {wrong[1]}")
    coder = Coder(len(cells))
    coder.add(cells)
    return coder


def _npy(path: Path) -> NDArray[Any]:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # The header is parsed as Python text, which may end in any error of its parser.
        text = " ".join(str(error).split())[:200]
        raise DataError(f"expected an array as written by numpy.save, got something else ({text})") from error
    if not isinstance(values, np.ndarray):
        raise DataError("expected an array as written by numpy.save, got an archive; name it .npz")
    return values


def _check(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    logits = len(shape) == 2 and dtype.kind == "f" and dtype.itemsize <= 8
    if min(shape, default=0) < 1 or not (logits or (len(shape) == 1 and dtype.kind in "USiu" and name not in LOGITS)):
        wanted = "floats [n, classes]" if name in LOGITS else "texts or integers [n]"
        raise DataError(f"{name}: expected {wanted}, got {dtype} {list(shape)}; convert it before saving")


def _check_finite(path: Path, values: NDArray[Any]) -> None:
    step = max(1, 2**22 // max(1, values.shape[1]))
    for start in range(0, len(values), step):
        finite = np.isfinite(values[start : start + step])
        if not finite.all():
            row, column = np.argwhere(~finite)[0].tolist()
            raise DataError(
                f"{path}, row {start + row + 1}, column {column}: expected a finite number, "
                f"got {values[start + row, column]}; look at the model or the precision that made it"
            )


def _listed(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
