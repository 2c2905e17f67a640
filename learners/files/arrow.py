"""pyarrow, an extra: imported in one place, with one sentence for what it cannot read."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.untrusted import reason, shown_path


def arrow_module(name: str, file: Path) -> ModuleType:
    """The module ``name`` of pyarrow, to read ``file`` with; ConfigError where pyarrow is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"{shown_path(file)}: expected pyarrow to read it, which is not installed; run pip install "
            "'vestige[parquet]'"
        ) from error


@contextmanager
def reading_arrow(file: Path, what: str, hint: str) -> Iterator[None]:
    """DataError, expected ``what``, for whatever pyarrow and its texts raise inside, as it hands on much unchecked."""
    arrow = arrow_module("pyarrow", file).ArrowException
    try:
        yield
    except (arrow, OSError, EOFError, UnicodeDecodeError, MemoryError, struct.error, IndexError) as error:
        raise DataError(f"{shown_path(file)}: expected {what}, could not be read ({reason(error)}); {hint}") from error
