"""One folder a bank, one folder a model in it; a model's folder is whole or absent."""

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.shadows.work import ShadowOutputs
from vestige.learners.errors import DataError
from vestige.learners.files.io import canonical_json, digest, write_atomically

FIELDS = ("accuracy_in", "accuracy_out", "seconds", "flops")
_PART = re.compile(r"\.shadow-(\d+)\.(\d+)(\.old)?\.part")


@dataclass(frozen=True)
class ShadowStore:
    """The folder of the models of one design (or of one method's models made from them). key: of the design, written
    into every model; description: a file with them, for people."""

    folder: Path
    key: str
    description: dict[str, Any]

    def place(self, model: int) -> Path:
        """The folder of a model."""
        return self.folder / f"shadow-{model:05d}"

    def weights(self, model: int) -> Path:
        """Where its weights are, or would be."""
        return self.place(model) / "weights.safetensors"

    def has(self, model: int) -> bool:
        """Whether the model is finished."""
        return (self.place(model) / "answers.json").is_file()

    def sound(self, model: int, shape: tuple[int, int, int], *, weights: bool = False) -> bool:
        """Whether it is finished and its files are as they were written; weights: among them."""
        try:
            self.read(model, shape)
            return not weights or self.read_weights(model) is not None
        except DataError:
            return False

    def pairs(self) -> int:
        """How many models from number 0 on are finished, in whole pairs."""
        count = 0
        while self.has(count) and self.has(count + 1):
            count += 2
        return count

    def clear_remains(self) -> None:
        """Remove what killed runs left half done; what another process is writing stays."""
        for path in self.folder.glob(".shadow-*.part"):
            name = _PART.fullmatch(path.name)
            if name is not None and _alive(int(name[2])):
                continue
            if name is not None and name[3] and not self.has(int(name[1])):
                path.rename(self.place(int(name[1])))  # killed while a model was being exchanged
            else:
                shutil.rmtree(path, ignore_errors=True)

    def write(self, model: int, outputs: ShadowOutputs) -> None:
        """Put a finished model in its place: under another name first, then renamed. What was there gives way."""
        part = self.folder / f".shadow-{model:05d}.{os.getpid()}.part"
        try:
            if not (self.folder / "design.json").is_file():
                text = json.dumps(self.description, indent=1, sort_keys=True) + "\n"
                write_atomically(self.folder / "design.json", text.encode())
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            digests = {}
            for name in ("phi", "logits"):
                np.save(part / f"{name}.npy", getattr(outputs, name), allow_pickle=False)
                digests[name] = digest((part / f"{name}.npy").read_bytes())
            if outputs.checkpoint is not None:
                (part / "weights.safetensors").write_bytes(outputs.checkpoint)
                digests["weights"] = digest(outputs.checkpoint)
            kept = {field: _number(getattr(outputs, field)) for field in FIELDS}
            text = canonical_json({"design": self.key, "model": model, "digests": digests, **kept})
            (part / "answers.json").write_text(text, encoding="utf-8")
            self._exchange(model, part)
        except OSError as error:
            shutil.rmtree(part, ignore_errors=True)
            raise DataError(f"{self.place(model)}: cannot keep it ({error.strerror}); free disk space") from None

    def read(
        self, model: int, shape: tuple[int, int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], dict[str, float]]:
        """phi ``[augmentations, m]`` and logits ``[augmentations, m, classes]``, mapped from the files, and the numbers
        kept with them.

        Raises DataError for files of another design or model, or not as they were written; nothing is unpickled."""
        place = self.place(model)
        try:
            numbers = self._numbers(model)
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
            raise self._refusal(place, error) from None
        return phi, logits, kept

    def training(self) -> str | None:
        """Key of what determined the weights, as the folder's description states it; None without one."""
        try:
            description = json.loads((self.folder / "design.json").read_bytes())
        except (OSError, ValueError):
            return None
        training = description.get("training") if isinstance(description, dict) else None
        return training if isinstance(training, str) else None

    def kept_seconds(self, model: int) -> float | None:
        """Seconds that it took to make a model whose weights were kept and are sound, None for any other."""
        try:
            return None if self.read_weights(model) is None else float(self._numbers(model)["seconds"])
        except (DataError, OSError, ValueError, KeyError, TypeError):  # not ours to repair
            return None

    def read_weights(self, model: int) -> bytes | None:
        """The checkpoint's bytes, None where none was kept; DataError where they are not what was written."""
        if not self.weights(model).is_file():
            return None
        try:
            content = self.weights(model).read_bytes()
            if digest(content) != self._numbers(model)["digests"]["weights"]:
                raise ValueError("weights.safetensors is not what was written")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._refusal(self.place(model), error) from None
        return content

    def _numbers(self, model: int) -> dict[str, Any]:
        numbers: dict[str, Any] = json.loads((self.place(model) / "answers.json").read_bytes())
        if (numbers["design"], numbers["model"]) != (self.key, model):
            raise ValueError(f"it holds model {numbers['model']} of design {numbers['design']}")
        return numbers

    def _refusal(self, place: Path, error: Exception) -> DataError:
        return DataError(f"{place}: not a whole shadow ({error}); vestige shadows makes it again")

    def _exchange(self, model: int, part: Path) -> None:
        """The new folder for the old one: a kill in between leaves one of them, and never half of one."""
        aside = part.with_name(f".shadow-{model:05d}.{os.getpid()}.old.part")
        shutil.rmtree(aside, ignore_errors=True)
        if self.place(model).exists():
            self.place(model).rename(aside)
        part.rename(self.place(model))
        shutil.rmtree(aside, ignore_errors=True)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _alive(process: int) -> bool:
    if os.name == "nt":  # there, the question would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's, or this system cannot say
        return True
    return process != os.getpid()
