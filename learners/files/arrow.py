"""pyarrow, an extra: imported in one place, with one sentence for what it cannot read."""

import struct
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from types import ModuleType

from vestige.learners.errors import ConfigError
from vestige.learners.files.untrusted import readable, shown_path


def arrow_module(name: str, file: Path) -> ModuleType:
    """The module ``name`` of pyarrow, to read ``file`` with; ConfigError where pyarrow is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"{shown_path(file)}: expected pyarrow to read it, which is not installed; run pip install pyarrow"
        ) from error


def reading_arrow(file: Path, expected: str, hint: str) -> AbstractContextManager[None]:
    """``readable`` for whatever pyarrow and its texts raise inside, as it hands on much unchecked."""
    broken = arrow_module("pyarrow", file).ArrowException
    errors = (broken, OSError, EOFError, UnicodeDecodeError, MemoryError, struct.error, IndexError)
    return readable(expected, hint, *errors, where=shown_path(file))
