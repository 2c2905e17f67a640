"""TOML from a file that somebody else may have written."""

import tomllib
from pathlib import Path
from typing import Any

from learners import ConfigError, read_bounded

MOST_BYTES = 2**20


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The content of a TOML file of at most 1 MiB. DataError (expected ``what``) for a file that cannot be read,
    ConfigError for one that is not TOML."""
    content = read_bounded(path, MOST_BYTES, what)
    try:
        return tomllib.loads(content.decode("utf-8"))
    except RecursionError:
        raise ConfigError(f"{path}: expected TOML, got brackets nested too deeply; correct the file") from None
    except ValueError as error:  # syntax, text that is not UTF-8, a number with thousands of digits, no such day
        raise ConfigError(f"{path}: expected TOML, got {str(error)[:200]}; correct the file") from None
