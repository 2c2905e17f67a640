"""TOML from a file that somebody else may have written."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ConfigDict

from vestige.learners.errors import ConfigError
from vestige.learners.files.io import read_bounded

MOST_BYTES = 2**20
MOST_DOTS = 500
"""In one line: the parser takes the square of the parts of a dotted key, minutes for those of a file of 100 KiB."""


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The content of a TOML file of at most 1 MiB. DataError (expected ``what``) for a file that cannot be read,
    ConfigError for one that is not TOML."""
    content = read_bounded(path, MOST_BYTES, what)
    if any(line.count(b".") > MOST_DOTS for line in content.splitlines()):
        raise ConfigError(
            f"{path}: expected at most {MOST_DOTS} dots in a line, got more; break the line or correct it"
        )
    try:
        return tomllib.loads(content.decode("utf-8"))
    except RecursionError:
        raise ConfigError(f"{path}: expected TOML, got brackets nested too deeply; correct the file") from None
    except ValueError as error:  # syntax, text that is not UTF-8, a number with thousands of digits, no such day
        raise ConfigError(f"{path}: expected TOML, got {str(error)[:200]}; correct the file") from None


STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)
