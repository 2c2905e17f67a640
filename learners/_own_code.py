"""Code of the user's own, named as ``package.module:function``: found, and nothing else done with it."""

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from learners._errors import ConfigError, DataError

FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
"""What such a name looks like as a whole."""
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_MOST_MODULES = 2000


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


def own_sources(function: Any) -> tuple[str, ...]:
    """Texts of the module that holds ``function`` and of those beside it that it imports, directly or through others:
    an edit of any of them may change what the function does. Installed packages are not followed. Empty where there is
    no text, as of a function typed into a session."""
    module = inspect.getmodule(function)
    file = None if module is None else getattr(module, "__file__", None)
    if module is None or file is None or not file.endswith(".py"):
        return ()
    start = Path(file)
    parts = module.__name__.split(".")
    depth = len(parts) - (start.name != "__init__.py")
    root = start.parents[min(depth, len(start.parents) - 1)] if module.__name__ != "__main__" else start.parent
    installed = bool(_INSTALLED.intersection(root.parts))
    found: dict[Path, str] = {}
    waiting = [start]
    while waiting and len(found) < _MOST_MODULES:
        path = waiting.pop()
        found[path] = path.read_text(encoding="utf-8", errors="replace")
        try:
            tree = ast.parse(found[path])
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # a file that was cut short, say
            continue
        package = path.relative_to(root).parent.parts
        for name in _imported(tree, package):
            if not installed or name[0] == parts[0]:
                waiting += [one for one in _files_of(root, name) if one not in found and one not in waiting]
    return tuple(found[path] for path in sorted(found))


def _imported(tree: ast.Module, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Dotted names that may be modules, as steps from the root; of ``from a import b`` both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (tuple(one.name.split(".")) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            start = (*above, *(node.module.split(".") if node.module else ()))
            yield from ([start] if start else [])
            yield from ((*start, one.name) for one in node.names)


def _files_of(root: Path, name: tuple[str, ...]) -> Iterator[Path]:
    """The files that importing ``name`` runs, where they lie below ``root``."""
    for length in range(1, len(name) + 1):
        place = root.joinpath(*name[:length])
        yield from (one for one in (place.with_suffix(".py"), place / "__init__.py") if one.is_file())


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
