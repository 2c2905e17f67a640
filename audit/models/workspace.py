"""The workspace: one folder per audit, every artefact named by the content that determines it."""

import io
import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vestige.learners.arrays import Indices
from vestige.learners.errors import DataError
from vestige.learners.files.io import canonical_json, digest, read_bounded, write_atomically
from vestige.learners.training.architectures import Classifier
from vestige.learners.training.checkpoints import Checkpoint, load_checkpoint
from vestige.learners.training.code_version import code_version
from vestige.learners.training.recipe import Recipe

SHADOWS = "shadows"
"""The folder of a workspace that holds the audit's shadow banks."""


@dataclass(frozen=True)
class ModelKey:
    """What determines a model's weights.

    role: original, retrain or candidate. data: fingerprint of the examples. indices: digest of the examples trained on
    (for a candidate: of the whole split). made_from: key of the model that an unlearning method started from.
    """

    role: str
    recipe: Recipe
    data: str
    indices: str
    seed: int
    device: str
    code: str
    method: str | None = None
    parameters: str | None = None
    made_from: str | None = None

    @property
    def name(self) -> str:
        """File name stem: the role and the first 16 digits of the digest."""
        return f"{self.role}-{digest(canonical_json(asdict(self)))[:16]}"


FORMAT = 2
"""Which sources a workspace's files are named after; before 2 the modules had no common import root."""


@dataclass(frozen=True)
class Workspace:
    """A folder that holds an audit's models, outputs and report; whatever is in it is whole.

    DataError for a workspace that another version wrote under other names: its models would not be found, and silently
    made again."""

    root: Path

    def __post_init__(self) -> None:
        names = (f"models/*-{16 * '?'}.safetensors", f"outputs/{24 * '?'}.npy", f"{SHADOWS}/{16 * '?'}*")
        if self._marker.exists() or any(any(self.root.glob(name)) for name in names):
            self._check_format()

    @property
    def _marker(self) -> Path:
        return self.root / "workspace.json"

    def _check_format(self) -> None:
        found = None
        if self._marker.exists():
            with suppress(ValueError, AttributeError, RecursionError):
                found = json.loads(read_bounded(self._marker, 2**16, "the format of a workspace")).get("format")
        if found != FORMAT:
            raise DataError(
                f"{self.root}: expected a workspace of this version of vestige, got one of an earlier or later version "
                "whose models have other names; choose another --workspace (its report can be read as before)"
            )

    def model_path(self, key: ModelKey) -> Path:
        """Where the model with this key is, or will be."""
        return self.root / "models" / f"{key.name}.safetensors"

    def clear_remains(self) -> None:
        """Remove temporary files and folders that a killed run left behind."""
        for path in list(self.root.rglob(".*.part")):
            if path.parent.is_relative_to(self.root / SHADOWS):
                continue  # a bank knows which of its own are being worked on
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def has(self, key: ModelKey) -> bool:
        """Whether the model exists."""
        return self.model_path(key).is_file()

    def write_model(self, key: ModelKey, content: bytes) -> None:
        """Put a finished checkpoint in its place."""
        self.mark()
        write_atomically(self.model_path(key), content)

    def mark(self) -> None:
        """Say which format this workspace has, before anything is put into it."""
        if not self._marker.exists():
            write_atomically(self._marker, (canonical_json({"format": FORMAT}) + "\n").encode())

    def refuse(self, key: ModelKey, code: str, sentence: str) -> None:
        """Write down that a method refuses to make the model with this key, and why.

        code: digest of the source that gives the method what it works on; the key covers the method's own."""
        self.record(f"refusals/{key.name}.json", {"code": code, "method": key.method, "refusal": sentence})

    def refusal(self, key: ModelKey, code: str) -> str | None:
        """Why a method refused to make the model with this key; None where nothing of this ``code`` is written down."""
        path = self.root / "refusals" / f"{key.name}.json"
        if not path.is_file():
            return None
        try:
            content = json.loads(path.read_bytes())
            return str(content["refusal"]) if content["code"] == code else None
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{path}: expected a refusal, got something else; delete it") from None

    def load(self, key: ModelKey, device: torch.device) -> tuple[Classifier, Checkpoint]:
        """The model and its header; a damaged file is refused, never silently replaced (DataError)."""
        path = self.model_path(key)
        again = f"delete {path} to have it made again"
        try:
            model, header = load_checkpoint(path, device, data=key.data)
        except DataError as error:
            raise DataError(f"{error} ({again})") from None
        stated = (header.role, header.recipe, header.indices, header.seed, header.method)
        if stated != (key.role, key.recipe, key.indices, key.seed, key.method):
            raise DataError(f"{path}: holds another model than its name says; {again}")
        return model, header

    def logits(
        self, key: ModelKey, weights: str, indices: Indices, compute: Callable[[], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """Logits of the model with this key and weights digest on the examples at ``indices``, from the folder or
        computed and kept. The data's fingerprint counts too: a model may never have read the pixels that it
        predicts here, so its weights do not show when they change."""
        name = digest(weights, key.data, key.device, code_version(), np.ascontiguousarray(indices).tobytes())[:24]
        path = self.root / "outputs" / f"{name}.npy"
        if path.is_file():
            try:
                logits = np.asarray(np.load(io.BytesIO(path.read_bytes()), allow_pickle=False), dtype=np.float32)
            except (ValueError, EOFError, OSError) as error:
                raise DataError(f"{path}: not a whole array ({error}); delete it to have it made again") from None
            if logits.ndim != 2 or len(logits) != len(indices):
                raise DataError(f"{path}: expected {len(indices)} rows of logits, got {list(logits.shape)}; delete it")
            return logits
        values = compute()
        self.mark()
        buffer = io.BytesIO()
        np.save(buffer, values, allow_pickle=False)
        write_atomically(path, buffer.getvalue())
        return values

    def record(self, name: str, content: Mapping[str, Any]) -> None:
        """Write a small JSON file for the reader of the folder."""
        self.mark()
        write_atomically(self.root / name, (canonical_json(content) + "\n").encode())


def digest_indices(*sets: Indices) -> str:
    """SHA-256 over index sets, in order."""
    return digest(*(np.ascontiguousarray(indices, dtype=np.int64).tobytes() for indices in sets))
