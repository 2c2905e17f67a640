"""Places of files: where a command may write, looked at before hours of work; how a page names one."""

import os
from pathlib import Path

from vestige.learners.errors import DataError


def check_output_path(path: Path) -> None:
    """Raise DataError when no file can be put at ``path``, with the folders that are missing."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise DataError(f"{path}: expected {folder} to be a folder, got a file; choose another place")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DataError(f"{path}: expected leave to write into {folder}, got none; choose another place")


def shown(path: Path) -> str:
    """A path as somebody else can use it: an absolute one by its name alone."""
    return path.name if path.is_absolute() else path.as_posix()
