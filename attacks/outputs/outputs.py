"""Logits of the models on the audited examples: every audit starts from them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs import checks
from vestige.attacks.signals.blocks import equal, predictions_of, row_slices, signal_tables
from vestige.learners.arrays import Floats, Labels, Logits, Mask
from vestige.learners.errors import DataError
from vestige.learners.files import npz
from vestige.learners.files.io import write_streamed
from vestige.learners.files.scratch import scratch_array

MAX_BYTES = 16 * 2**30


@dataclass(frozen=True, eq=False)
class Outputs:
    """Logits of named models on the audited examples.

    labels: int64 ``[n]`` in ``0 .. classes - 1``. role: str ``[n]`` of ``forget`` / ``unseen`` / ``retain``, the first
    two both present. candidate: float16, float32 or float64 ``[n, classes]``. retrain: ``[K, n, classes]``, K >= 0,
    where the readers demand K >= 1 by default. original: ``[n, classes]`` or None. shadow: ``[S, n,
    classes]`` of models trained on neither forget nor unseen examples, or None. group, subject, id: str ``[n]`` or
    None; ids are unique. saturated: number of (model, example) pairs whose label had probability 1, when the logits
    were recovered from probabilities; else 0.
    Logits may be mapped from a file: they are read in blocks. Anything else is refused with DataError.
    """

    labels: Labels
    role: NDArray[np.str_]
    candidate: Logits
    retrain: Logits
    original: Logits | None = None
    group: NDArray[np.str_] | None = None
    subject: NDArray[np.str_] | None = None
    id: NDArray[np.str_] | None = None
    saturated: int = 0
    shadow: Logits | None = None

    def __post_init__(self) -> None:
        arrays = self._arrays()
        shapes = {name: (values.shape, values.dtype) for name, values in arrays.items()}
        checks.check_shapes(shapes, least_retrains=0)
        for name, values in arrays.items():
            if name in checks.LOGITS and values.dtype not in (np.float16, np.float32, np.float64):
                raise DataError(
                    f"{name}: expected float16, float32 or float64, got {values.dtype}; use Outputs.from_arrays"
                )
            if name in checks.TEXTS and values.dtype.kind != "U":
                raise DataError(f"{name}: expected text, got {values.dtype}; use Outputs.from_arrays")
        if self.labels.dtype != np.int64:
            raise DataError(f"labels: expected int64, got {self.labels.dtype}; use Outputs.from_arrays")
        checks.check_labels(self.labels, self.classes)
        checks.check_roles(self.role)
        for name in checks.LOGITS:
            if name in arrays:
                checks.check_finite(name, arrays[name])
                checks.check_moderate(name, arrays[name])
        if self.id is not None:
            checks.check_unique(self.id)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.candidate.shape[1])

    def where(self, role: str) -> Mask:
        """Mask ``[n]`` of the examples with this role."""
        mask: Mask = self.role == role
        return mask

    @property
    def models(self) -> list[Logits]:
        """The logits ``[n, classes]`` of the retrains, the candidate and, where there is one, the original."""
        return [*self.retrain, self.candidate, *(() if self.original is None else (self.original,))]

    def signals(self, *names: str) -> dict[str, Floats]:
        """Signals ``[models, n]`` of ``vestige.attacks.signals.signals`` by name, models in the order of ``models``.

        The logits are read once, in blocks, for all names that are new.
        """
        if missing := [name for name in names if name not in self._signals]:
            self._signals.update(signal_tables(self.models, self.labels, missing))
        return {name: self._signals[name] for name in names}

    @cached_property
    def _signals(self) -> dict[str, Floats]:
        return {}

    @cached_property
    def predictions(self) -> Labels:
        """The class with the largest logit of each of the ``models``; of equal logits the first."""
        return predictions_of(self.models)

    def same(self, first: int, second: int) -> bool:
        """Whether two of the ``models`` gave the same logits, number by number."""
        phi = self.signals("logit")["logit"]
        return np.array_equal(phi[first], phi[second]) and equal(self.models[first], self.models[second])

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], *, probabilities: bool = False, without_retrains: bool = False
    ) -> "Outputs":
        """Outputs from arrays under the names of the fields, of any integer, text or float type (float16 included).

        probabilities: the arrays are softmax outputs; they become log-probabilities, which is lossy: a probability of 0
        counts as the smallest number of its type, and ``saturated`` says how often a label had probability 1.
        without_retrains: ``retrain`` may hold no model, or be absent, as an audit of a random draw allows.
        DataError when an array is missing, has another shape or type, or holds values that cannot be meant.
        """
        arrays = _with_retrain(arrays) if without_retrains else arrays
        shapes = {name: (values.shape, values.dtype) for name, values in arrays.items()}
        checks.check_shapes(shapes, least_retrains=0 if without_retrains else 1)
        raw_labels = arrays["labels"]
        # Before the cast: an unsigned label beyond int64 must not wrap around into a valid one.
        checks.check_labels(raw_labels, arrays["candidate"].shape[1])
        labels = raw_labels.astype(np.int64)
        tables = {name: arrays[name] for name in checks.LOGITS if name in arrays}
        saturated = int(arrays.get("saturated", np.int64(0)))
        if probabilities:
            logits = {name: _log_probabilities(name, values) for name, values in tables.items()}
            saturated = sum(checks.saturated_labels(values, labels) for values in tables.values())
        else:
            logits = {name: _as_logits(values) for name, values in tables.items()}
        texts = {name: as_text(name, arrays[name]) for name in checks.TEXTS if name in arrays}
        return cls(labels=labels, **logits, **texts, saturated=saturated)  # type: ignore[arg-type]

    @classmethod
    def read(
        cls,
        path: Path | str,
        *,
        probabilities: bool = False,
        without_retrains: bool = False,
        blind: bool = False,
        max_bytes: int = MAX_BYTES,
        map_from: int = npz.MAP_FROM,
    ) -> "Outputs":
        """Outputs from an ``.npz`` whose keys are the fields (all from original on optional).

        Nothing is unpickled, and shapes, types and size are judged by the headers before anything is allocated. Large
        arrays that are not compressed stay in the file (float16 to float64); it must not change while they are used.
        probabilities, without_retrains: see ``from_arrays``. blind: the candidate is not read and may be missing; one
        that gives every class the same logit stands in its place (``saturated``, which counts it too, is left out).
        max_bytes: limit on the unpacked size of what is compressed. map_from: bytes of an array from which on it is a
        large one. DataError on any fault of the file.
        """
        file = Path(path)
        try:
            with npz.open_archive(file) as archive:
                headers = npz.read_headers(archive, known=checks.KNOWN, max_bytes=max_bytes)
                if blind:
                    headers = {
                        name: header for name, header in headers.items() if name not in ("candidate", "saturated")
                    }
                shapes = {name: (header.shape, header.dtype) for name, header in headers.items()}
                if blind and "retrain" in shapes:
                    shapes["candidate"] = shapes["retrain"][0][1:], np.dtype(np.float32)
                if without_retrains and "retrain" not in shapes and len(shapes.get("candidate", ((),))[0]) == 2:
                    shapes["retrain"] = (0, *shapes["candidate"][0]), np.dtype(np.float32)
                checks.check_shapes(shapes, least_retrains=0 if without_retrains else 1)
                arrays = npz.read_arrays(archive, headers, map_from=map_from)
            if blind:
                shape = shapes["candidate"][0]
                arrays["candidate"] = np.broadcast_to(np.float32(1 / shape[1] if probabilities else 0.0), shape)
            if not probabilities:
                checks.check_not_probabilities(arrays)
            return cls.from_arrays(arrays, probabilities=probabilities, without_retrains=without_retrains)
        except DataError as error:
            raise DataError(f"{file}: {error}") from error

    def write(self, path: Path | str) -> None:
        """Write an ``.npz`` that ``read`` takes back bit for bit: whole or not at all, equal outputs as equal bytes."""
        arrays = self._arrays()
        if not len(self.retrain):
            del arrays["retrain"]  # a file of one model, which can be audited with others
        write_streamed(Path(path), lambda stream: npz.write_archive(stream, arrays))

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """The fields that are present, in order; ``saturated`` only where it says something."""
        present = {field.name: getattr(self, field.name) for field in fields(self)}
        if not self.saturated:
            del present["saturated"]
        return {name: _narrow(np.asarray(value)) for name, value in present.items() if value is not None}


def _with_retrain(arrays: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    """The arrays with a ``retrain`` of no model where there is none."""
    if "retrain" in arrays or "candidate" not in arrays or arrays["candidate"].ndim != 2:
        return arrays
    return {**arrays, "retrain": np.empty((0, *arrays["candidate"].shape), np.float32)}


def _narrow(values: NDArray[Any]) -> NDArray[Any]:
    """Texts in the narrowest type that holds them, so that equal texts are equal bytes; others as they are."""
    return np.array(values.tolist(), dtype=np.str_) if values.dtype.kind == "U" and values.size else values


def _as_logits(values: NDArray[Any]) -> Logits:
    """As float32 or float64; what is mapped stays where it is."""
    if isinstance(values, np.memmap) and values.dtype in (np.float16, np.float32, np.float64):
        return values
    return _converted(values, np.float32 if values.dtype.itemsize <= 4 else np.float64)


def _log_probabilities(name: str, values: NDArray[Any]) -> Logits:
    """As float64, or float32 where that is mapped: a logarithm keeps its relative precision there."""
    checks.check_probabilities(name, values)
    least = float(np.finfo(values.dtype).smallest_subnormal)
    mapped = isinstance(values, np.memmap)
    return _converted(
        values, np.float32 if mapped else np.float64, lambda block: np.log(np.clip(block.astype(np.float64), least, 1))
    )


def _converted(
    values: NDArray[Any], dtype: type[np.floating[Any]], change: Callable[[NDArray[Any]], NDArray[Any]] | None = None
) -> Logits:
    """A copy of logits ``[..., n, classes]``, made block by block."""
    copy = scratch_array(values.shape, dtype)
    for into, model in zip(copy, values, strict=True) if values.ndim > 2 else ((copy, values),):
        for rows in row_slices(model.shape):
            into[rows] = model[rows] if change is None else change(model[rows])
    return copy


def as_text(name: str, values: NDArray[Any]) -> NDArray[np.str_]:
    """Texts, or what stands for them, as str; bytes are UTF-8."""
    if values.dtype.kind != "S":
        return values.astype(np.str_)
    try:
        return np.char.decode(values, "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: expected UTF-8 text, got other bytes ({error}); save it as text") from error
