"""Untrusted files: regular ones only, inside their folder, no larger than expected; and their words in messages."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vestige.learners.errors import DataError, VestigeError

LONGEST_NAME = 1000
"""Characters of a file name, a data subject, a group or a class; an array of names takes four bytes for each."""

_CGROUP = Path("/sys/fs/cgroup/memory.max")


def most_bytes() -> int:
    """Half of the memory that this process may use: what one array out of a file may take."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        memory = min(memory, int(_CGROUP.read_text()))
    except (OSError, ValueError):  # no such limit
        pass
    return memory // 2


def shown(text: object, most: int = 160) -> str:
    """``text`` as one short, printable piece of a sentence: what cannot be printed is escaped, the rest cut off."""
    safe = _printable(str(text)[: most + 1])
    return safe if len(safe) <= most else safe[:most] + "..."


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def first_names(names: Sequence[str], most: int = 5) -> str:
    """The first few of ``names`` for a sentence."""
    return ", ".join(repr(shown(name, 60)) for name in names[:most]) + (", ..." if len(names) > most else "")


def reason(error: BaseException) -> str:
    """What an error of some library says, as a short piece of a sentence."""
    text = shown(" ".join(str(error).split()), 300)
    return f"{type(error).__name__}: {text}" if isinstance(error, KeyError) or not text else text


@contextmanager
def readable(expected: str, hint: str, *errors: type[Exception], where: str = "") -> Iterator[None]:
    """DataError for what reading a damaged file raises inside: any of ``errors``, or any exception but vestige's own.

    expected, hint: what should be there, and what to do; where: what the sentence begins with."""
    caught = errors or (Exception,)
    try:
        yield
    except VestigeError:
        raise
    except caught as error:
        place = f"{where}: " if where else ""
        raise DataError(f"{place}expected {expected}, could not be read ({reason(error)}); {hint}") from error


def check_regular(path: Path, *, largest: int | None = None) -> int:
    """Size in bytes of a regular file; DataError for none, a folder, a pipe, a device, or more than ``largest``."""
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{shown_path(path)}: expected a file, got none ({_cause(error)}); check the path") from None
    if kind := _unusual(status.st_mode):
        raise DataError(f"{shown_path(path)}: expected a regular file, got {kind}; check the path")
    if largest is not None and status.st_size > largest:
        raise DataError(
            f"{shown_path(path)}: expected at most {largest / 2**20:.4g} MiB, got {status.st_size / 2**20:.4g} MiB"
        )
    return status.st_size


def _unusual(mode: int) -> str:
    """What stands in place of a regular file; empty where it is one."""
    return "" if stat.S_ISREG(mode) else "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"


def shown_path(path: Path) -> str:
    """A path for a sentence: printable, and cut in the middle where it is very long."""
    text = _printable(str(path)[:4096])
    return text if len(text) <= 300 else f"{text[:140]}...{text[-140:]}"


def _cause(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


class Folder:
    """The files of one folder by their relative names; what leads out of it is refused."""

    def __init__(self, root: Path) -> None:
        try:
            self._real = os.path.realpath(root, strict=True)
        except (OSError, ValueError) as error:
            raise DataError(f"{shown_path(root)}: expected a folder, {_cause(error)}; check the path") from None
        if not os.path.isdir(self._real):
            raise DataError(f"{shown_path(root)}: expected a folder, got a file; check the path")
        self.root = root
        self._known = {""}  # sub-folders that were found to lie inside

    def file(self, name: str, *, where: str | None = None) -> Path:
        """The regular file ``name`` (forward slashes), which lies inside the folder after all links are followed.

        where: what names the file, to begin a DataError with.
        """
        origin = shown_path(self.root) if where is None else where
        steps = name.split("/")
        if not name or "\0" in name or os.path.isabs(name) or ".." in steps:
            raise DataError(
                f"{origin}: expected a file name relative to the folder, without '..', got {shown(name)!r}; "
                "write names as the folder has them"
            )
        parent = name.rpartition("/")[0]
        path = self.root / name
        try:
            if parent not in self._known:
                self._inside(origin, name, os.path.realpath(self.root / parent, strict=True))
                self._known.add(parent)
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                self._inside(origin, name, os.path.realpath(path, strict=True))
                status = os.stat(path)
        except (OSError, ValueError) as error:
            raise DataError(
                f"{origin}: expected the file {shown(name)!r} in {shown_path(self.root)}, {_cause(error)}; "
                "check the name"
            ) from None
        if kind := _unusual(status.st_mode):
            raise DataError(f"{origin}: expected {shown(name)!r} to be a regular file, got {kind}; remove it")
        return path

    def _inside(self, origin: str, name: str, real: str) -> None:
        if real != self._real and not real.startswith(self._real.rstrip(os.sep) + os.sep):
            raise DataError(
                f"{origin}: expected files inside {shown_path(self.root)}, got {shown(name)!r}, a link that leads out "
                "of it; copy the file there"
            )


def as_names(where: str, values: Sequence[str]) -> NDArray[np.str_]:
    """Texts ``[n]`` as an array; DataError for very long ones, for NUL characters, which NumPy would drop, and for what
    no report could be written with: halves of letters, as names of files have them that are not in UTF-8."""
    longest = max(map(len, values), default=0)
    if longest > LONGEST_NAME:
        text = next(value for value in values if len(value) == longest)
        raise DataError(
            f"{where}: expected names of at most {LONGEST_NAME} characters, got {shown(text)!r} with {longest}"
        )
    if 4 * longest * len(values) > most_bytes():
        raise DataError(f"{where}: expected names that fit in memory, got {len(values)} of up to {longest} characters")
    for value in values:
        if "\0" in value:
            raise DataError(f"{where}: expected names without NUL characters, got {shown(value)!r}")
        if not value.isascii() and value.encode(errors="replace").decode() != value:
            raise DataError(f"{where}: expected names in UTF-8, got {shown(value)!r}; rename it")
    return np.array(values, dtype=np.str_)
