"""The files at hand: outputs, checkpoints and registrations, each with the digest that a report would cite."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os.path import realpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.planning.plan_file import PlanFile, read_plan
from vestige.audit.planning.registration import subject
from vestige.audit.policy import Policy
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.io import digest

if TYPE_CHECKING:
    from vestige.learners.training.checkpoints import Checkpoint

MOST_FILES = 10_000
MOST_REGISTRATION = 2**20
CPU = "cpu"


@dataclass(frozen=True)
class OutputsFile:
    """digest: as a report cites the file."""

    path: Path
    digest: str


@dataclass(frozen=True)
class CheckpointFile:
    """weights: as a report cites them. sha256: of the file itself, as other tools compute it."""

    path: Path
    header: "Checkpoint"
    weights: str
    sha256: str


@dataclass(frozen=True)
class RegistrationFile:
    """What was registered: hash of the policy (recomputed from its settings), subject, and the preconditions."""

    path: Path
    policy_hash: str
    subject: str
    preconditions: dict[str, Any]


@dataclass(frozen=True)
class PlanAtHand:
    """A plan file whose hash was recomputed."""

    path: Path
    plan: PlanFile


@dataclass(frozen=True)
class AtHand:
    """Everything under the paths that were given. named: files that were given by themselves, not in a folder. ignored:
    files in folders that could not be read, each with the reason."""

    outputs: tuple[OutputsFile, ...] = ()
    checkpoints: tuple[CheckpointFile, ...] = ()
    registrations: tuple[RegistrationFile, ...] = ()
    plans: tuple[PlanAtHand, ...] = ()
    named: tuple[Path, ...] = ()
    ignored: tuple[str, ...] = ()


def collect(paths: Sequence[Path], plans: Sequence[Path] = (), beside: Sequence[Path] = ()) -> AtHand:
    """Read what is at ``paths``: files, and folders with all below them; ``plans``: plan files that were named;
    ``beside``: those that stand beside reports.

    DataError for a path that is missing, a named file that is damaged or of another kind, a damaged plan beside a
    report, and too many files.
    """
    outputs, checkpoints, registrations, ignored = [], [], [], []
    planned, named = [PlanAtHand(path, read_plan(path)) for path in (*plans, *beside)], [*plans]
    for path, is_named in _files(paths):
        if is_named:
            named.append(path)
        try:
            if path.suffix == ".npz":
                outputs.append(OutputsFile(path, digest(path.read_bytes())))
            elif path.suffix == ".safetensors":
                checkpoints.append(_checkpoint(path))
            elif path.name.startswith("registration-") and path.suffix == ".json":
                registrations.append(_registration(path))
            elif path.name.startswith("plan-") and path.suffix == ".json":
                planned.append(PlanAtHand(path, read_plan(path)))
            elif is_named:
                raise DataError(
                    f"{path}: expected an outputs file (.npz), a checkpoint (.safetensors) or a registration "
                    "(registration-*.json), got another kind of file; leave it out"
                )
        except DataError as error:
            if is_named:
                raise
            ignored.append(str(error))
    return AtHand(
        tuple(outputs), tuple(checkpoints), tuple(registrations), tuple(planned), tuple(named), tuple(ignored)
    )


def _files(paths: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    seen: set[str] = set()
    for path in paths:
        if not path.exists():
            raise DataError(f"{path}: expected a file or folder of evidence, found none; check the path")
        if not path.is_dir() and not path.is_file():
            raise DataError(f"{path}: expected a file or folder of evidence, got a pipe or device; check the path")
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            place = realpath(file)
            if file.is_file() and place not in seen:
                seen.add(place)
                yield file, file == path
        if len(seen) > MOST_FILES:
            raise DataError(f"{path}: expected at most {MOST_FILES} files of evidence, got more; name a smaller folder")


def subjects_of(path: Path) -> frozenset[str]:
    """What a registration of this outputs file is made for, whichever way its numbers are read."""
    subjects = set()
    for probabilities in (False, True):
        try:
            subjects.add(subject(Outputs.read(path, probabilities=probabilities)))
        except DataError:
            continue  # the other way is right, or neither: then nothing is registered for it
    return frozenset(subjects)


def _checkpoint(path: Path) -> CheckpointFile:
    from vestige.learners.training.checkpoints import load_checkpoint, weights_digest  # torch
    from vestige.learners.training.device import pick_device

    model, header = load_checkpoint(path, pick_device(CPU))
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return CheckpointFile(path, header, weights_digest(model), sha256)


def _registration(path: Path) -> RegistrationFile:
    wrong = DataError(f"{path}: expected a registered policy with its hash; give the file as vestige wrote it")
    with path.open("rb") as stream:
        text = stream.read(MOST_REGISTRATION + 1)
    try:
        content: Any = json.loads(text) if len(text) <= MOST_REGISTRATION else None
    except (ValueError, RecursionError):
        raise wrong from None
    if not isinstance(content, dict) or not isinstance(content.get("policy"), dict):
        raise wrong
    try:
        policy = Policy.of(content["policy"], f"{path}: policy")
    except ConfigError as error:
        raise DataError(str(error)) from None
    preconditions = content.get("preconditions")
    if policy.hash != content.get("policy_hash") or not isinstance(preconditions, dict):
        raise wrong
    return RegistrationFile(path, policy.hash, str(content.get("subject")), preconditions)
