"""Code of the user's own, named as ``package.module:function``: found, and nothing else done with it."""

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from learners._errors import ConfigError, DataError

FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
"""What such a name looks like as a whole."""


def find_function(module: str, function: str, name: str, setting: str) -> Any:
    """What ``module`` calls ``function`` (a function or a class). setting: what the user set it with, for the sentence.

    Raises ConfigError where there is no such function, DataError where its module cannot be imported."""
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{setting}: expected a function {name}, but {error}; check its name and its folder"
        ) from error
    except (Exception, SystemExit) as error:  # importing runs the user's own code
        raise DataError(
            f"{name}: expected a module that can be imported, got {type(error).__name__}: {error}"
        ) from error
    if not callable(found):
        raise ConfigError(f"{setting}: expected {name} to be a function, got {type(found).__name__}")
    return found


@contextmanager
def also_from(folder: Path) -> Iterator[None]:
    """``folder`` and then the current one, put last, so that a file there never takes the place of an installed module;
    removed again afterwards."""
    entries = dict.fromkeys((str(folder.resolve()), str(Path.cwd())))
    added = [entry for entry in entries if entry not in sys.path]
    sys.path += added
    try:
        yield
    finally:
        for entry in added:
            if entry in sys.path:  # the user's own code may have taken it out
                sys.path.remove(entry)
