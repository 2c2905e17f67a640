"""The files at hand: outputs, checkpoints, registrations and plans, each with the digest that a report would cite."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os.path import realpath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from vestige.audit.planning.plan_file import PlanFile, read_plan
from vestige.audit.policy import Policy
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.io import digest

if TYPE_CHECKING:
    from vestige.learners.training.checkpoints import Checkpoint

MOST_FILES = 10_000
MOST_REGISTRATION = 2**20
Kind = Literal["outputs", "data", "weights", "registration", "plan"]


@dataclass(frozen=True)
class Registration:
    """What a registered policy was made for."""

    subject: str
    preconditions: dict[str, Any]


@dataclass(frozen=True)
class FileAtHand:
    """A file that a report may cite. digest: as a report cites it (of the content: weights, policy, plan). content:
    what else is known of it, None for outputs."""

    path: Path
    kind: Kind
    digest: str
    content: "Checkpoint | Registration | PlanFile | None" = None


@dataclass(frozen=True)
class AtHand:
    """Everything under the paths that were given. named: files that were given by themselves, not in a folder. ignored:
    files in folders that could not be read, each with the reason."""

    files: tuple[FileAtHand, ...] = ()
    named: tuple[Path, ...] = ()
    ignored: tuple[str, ...] = ()

    def of(self, kind: Kind) -> tuple[FileAtHand, ...]:
        """The files of one kind."""
        return tuple(file for file in self.files if file.kind == kind)


def collect(paths: Sequence[Path], plans: Sequence[Path] = (), beside: Sequence[Path] = ()) -> AtHand:
    """Read what is at ``paths``: files, and folders with all below them; ``plans``: plan files that were named;
    ``beside``: those that stand beside reports.

    DataError for a path that is missing, a named file that is damaged or of another kind, a damaged plan beside a
    report, and too many files.
    """
    files, named, ignored = [_plan(path) for path in (*plans, *beside)], [*plans], []
    for path, is_named in _paths(paths):
        if is_named:
            named.append(path)
        try:
            file = _read(path)
            if file is not None:
                files.append(file)
            elif is_named:
                raise DataError(
                    f"{path}: expected an outputs file (.npz), a checkpoint (.safetensors), a registration "
                    "(registration-*.json) or a plan (plan-*.json), got another kind of file; leave it out"
                )
        except DataError as error:
            if is_named:
                raise
            ignored.append(str(error))
    return AtHand(tuple(files), tuple(named), tuple(ignored))


def _paths(paths: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
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


def _read(path: Path) -> FileAtHand | None:
    """None for a file of a kind that no report cites."""
    if path.suffix == ".npz":
        return FileAtHand(path, "outputs", digest(path.read_bytes()))
    if path.suffix == ".safetensors":
        return _checkpoint(path)
    if path.suffix == ".json" and path.name.startswith("registration-"):
        return _registration(path)
    return _plan(path) if path.suffix == ".json" and path.name.startswith("plan-") else None


def _checkpoint(path: Path) -> FileAtHand:
    from vestige.learners.training.checkpoints import load_checkpoint, weights_digest
    from vestige.learners.training.device import pick_device

    model, header = load_checkpoint(path, pick_device("cpu"))
    return FileAtHand(path, "weights", weights_digest(model), header)


def _plan(path: Path) -> FileAtHand:
    plan = read_plan(path)
    return FileAtHand(path, "plan", plan.hash, plan)


def _registration(path: Path) -> FileAtHand:
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
    return FileAtHand(path, "registration", policy.hash, Registration(str(content.get("subject")), preconditions))
