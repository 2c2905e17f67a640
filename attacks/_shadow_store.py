"""One folder a bank, one folder a model in it; a model's folder is whole or absent."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attacks._shadow_work import Answers
from learners import DataError, canonical_json, digest, write_atomically

FIELDS = ("accuracy_in", "accuracy_out", "seconds", "flops")


@dataclass(frozen=True)
class ShadowStore:
    """The folder of the models of one design (or of one method's models made from them); ``description`` is written
    beside them for people, the folder's name holds its digest."""

    folder: Path
    description: dict[str, Any]

    def place(self, model: int) -> Path:
        """The folder of a model."""
        return self.folder / f"shadow-{model:05d}"

    def has(self, model: int) -> bool:
        """Whether the model is finished."""
        return (self.place(model) / "answers.json").is_file()

    def has_weights(self, model: int) -> bool:
        """Whether its weights were kept."""
        return self.weights(model).is_file()

    def weights(self, model: int) -> Path:
        """Where its weights are, or would be."""
        return self.place(model) / "weights.safetensors"

    def finished(self) -> list[int]:
        """Numbers of the finished models, rising."""
        found = [int(path.name.removeprefix("shadow-")) for path in self.folder.glob("shadow-[0-9]*")]
        return sorted(model for model in found if self.has(model))

    def clear_remains(self) -> None:
        """Remove what a killed run left half done."""
        for path in self.folder.glob(".shadow-*.part"):
            shutil.rmtree(path)

    def write(self, model: int, answers: Answers) -> None:
        """Put a finished model in its place: under another name first, then renamed. What was there gives way."""
        if not (self.folder / "design.json").is_file():
            text = json.dumps(self.description, indent=1, sort_keys=True) + "\n"
            write_atomically(self.folder / "design.json", text.encode())
        part = self.folder / f".shadow-{model:05d}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        try:
            digests = {}
            for name in ("phi", "logits"):
                np.save(part / f"{name}.npy", getattr(answers, name), allow_pickle=False)
                digests[name] = digest((part / f"{name}.npy").read_bytes())
            if answers.checkpoint is not None:
                (part / "weights.safetensors").write_bytes(answers.checkpoint)
            kept = {field: _number(getattr(answers, field)) for field in FIELDS}
            (part / "answers.json").write_text(canonical_json({**kept, "digests": digests}), encoding="utf-8")
        except OSError as error:
            shutil.rmtree(part, ignore_errors=True)
            raise DataError(f"{self.place(model)}: cannot keep it ({error.strerror}); free disk space") from None
        shutil.rmtree(self.place(model), ignore_errors=True)
        part.rename(self.place(model))

    def read(self, model: int, shape: tuple[int, int, int]) -> tuple[NDArray[Any], NDArray[Any], dict[str, float]]:
        """phi ``[views, m]`` and logits ``[views, m, classes]``, mapped from the files, and the numbers kept with them.

        Raises DataError for files that are not as they were written; nothing is unpickled."""
        place = self.place(model)
        try:
            numbers = json.loads((place / "answers.json").read_bytes())
            for name in ("phi", "logits"):
                if digest((place / f"{name}.npy").read_bytes()) != numbers["digests"][name]:
                    raise ValueError(f"{name}.npy is not what was written")
            phi, logits = (
                np.load(place / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ("phi", "logits")
            )
            if logits.shape != shape or phi.shape != shape[:2]:
                raise ValueError(f"outputs of shape {list(logits.shape)} in place of {list(shape)}")
            kept = {field: float("nan") if numbers[field] is None else float(numbers[field]) for field in FIELDS}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{place}: not a whole shadow ({error}); delete it to have it made again") from None
        return phi, logits, kept


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
