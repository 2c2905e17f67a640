"""Examples from a Python function of the user's own."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from learners._errors import ConfigError, DataError, VestigeError
from learners._examples import Examples
from learners.sources._parts import as_images, as_labels, join


def load(module: str, function: str, name: str, base: Path) -> Examples:
    """What ``module.function()`` returns: Examples, or (images, labels) as in an ``npz`` source without a test part.

    Modules are looked for where Python does, and then in ``base``. Raises ConfigError where there is no such function,
    DataError where it fails or returns something else.
    """
    with _also_from(base):
        call = _find(module, function, name)
        try:
            result = call()
        except VestigeError:
            raise
        except (Exception, SystemExit) as error:  # the user's own code may raise anything
            raise DataError(
                f"{name}: expected it to return examples, it raised {type(error).__name__}: {error}"
            ) from error
    if isinstance(result, Examples):
        return result
    if isinstance(result, (tuple, list)) and len(result) == 2:
        images = as_images(name, result[0])
        return join(name, None, (images, as_labels(name, result[1], len(images))))
    raise DataError(f"{name}: expected it to return Examples or (images, labels), got {type(result).__name__}")


def _find(module: str, function: str, name: str) -> Any:
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"data.source: expected a function {name}, but {error}; check its name and its folder"
        ) from error
    except (Exception, SystemExit) as error:  # importing runs the user's own code
        raise DataError(
            f"{name}: expected a module that can be imported, got {type(error).__name__}: {error}"
        ) from error
    if not callable(found):
        raise ConfigError(f"data.source: expected {name} to be a function, got {type(found).__name__}")
    return found


@contextmanager
def _also_from(folder: Path) -> Iterator[None]:
    """Put last, so that a file there never takes the place of an installed module; removed again afterwards."""
    entry = str(folder.resolve())
    if entry in sys.path:
        yield
        return
    sys.path.append(entry)
    try:
        yield
    finally:
        sys.path.remove(entry)
