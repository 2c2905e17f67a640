"""Code of the user's own, named as ``package.module:function``: found, and nothing else done with it."""

import ast
import importlib
import inspect
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from vestige.learners.errors import ConfigError, DataError, VestigeError
from vestige.learners.files.untrusted import shown

FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
"""What such a name looks like as a whole."""
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_MOST_MODULES = 2000
_LARGEST = 2**22


def find_function(name: str, setting: str, *, base: Path = Path("."), form: str = "package.module:function") -> Any:
    """The function or class ``package.module:function``, looked for where Python does and then in ``base``. setting,
    form: what the user set it with, and what can stand there, for the sentence.

    Raises ConfigError where there is no such function, DataError where its module cannot be imported."""
    if not FUNCTION.fullmatch(name):
        raise ConfigError(
            f"{setting}: expected {form} (after the colon without a dot), got {shown(name)!r}; name your function"
        )
    module, _, function = name.partition(":")
    try:
        with also_from(base):
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


def call_function(function: Callable[[], Any], name: str, expected: str) -> Any:
    """What the user's own function returns; DataError where it raises anything but an error of vestige. name, expected:
    how a sentence calls the function, and what it should return."""
    try:
        return function()
    except VestigeError:
        raise
    except (Exception, SystemExit) as error:
        raise DataError(
            f"{name}: expected it to return {expected}, it raised {type(error).__name__}: {error}"
        ) from error


def own_sources(name: str, function: Any, *, base: Path = Path(".")) -> tuple[str, ...]:
    """Texts of the user's own modules that ``function``, found as ``package.module:function``, depends on: the module
    of its name, that of what a decorator wraps, and what these import from beside themselves, from ``base`` or from the
    current folder, directly or through others. An edit of any of them may change what the function does. Installed
    packages are not followed."""
    roots = list(dict.fromkeys((base.resolve(), Path.cwd())))
    named, wrapped = sys.modules.get(name.partition(":")[0]), inspect.getmodule(inspect.unwrap(function))
    waiting = [] if named is None else _start(named)
    if wrapped is not None:
        waiting += [(path, root) for path, root in _start(wrapped) if not _is_installed(root)]
    found: dict[Path, str] = {}
    while waiting and len(found) < _MOST_MODULES:
        path, root = waiting.pop()
        if path in found or path.stat().st_size > _LARGEST:
            continue
        found[path] = path.read_text(encoding="utf-8", errors="replace")
        try:
            tree = ast.parse(found[path])
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # a file that was cut short, say
            continue
        steps = path.relative_to(root).parts
        installed = _is_installed(root)
        for imported in _imported(tree, steps[:-1]):
            if not installed or imported[0] == steps[0].removesuffix(".py"):
                places = [root] if installed else [root, *roots]
                waiting += [(file, place) for place in places for file in _files_of(place, imported)]
    return tuple(found[path] for path in sorted(found))


def own_line(error: BaseException, name: str) -> str:
    """Where an error was raised in the user's own code, for a sentence: the innermost line in the folder of the module
    of ``package.module:function``; empty where there is none."""
    file = getattr(sys.modules.get(name.partition(":")[0]), "__file__", None)
    if file is None:
        return ""
    lines = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    folder = Path(file).resolve().parent
    own = [(path, line) for path, line in lines if path.is_file() and path.resolve().is_relative_to(folder)]
    own = [(path, line) for path, line in own if not _INSTALLED.intersection(path.resolve().parts)]
    return f" ({own[-1][0].name}, line {own[-1][1]})" if own else ""


def _start(module: ModuleType) -> list[tuple[Path, Path]]:
    """The module's file and those of the packages that it lies in, with the folder that imports start from."""
    file = getattr(module, "__file__", None)
    if file is None or not file.endswith(".py"):
        return []
    path = Path(file).resolve()
    steps = () if module.__name__ == "__main__" else tuple(module.__name__.split("."))
    depth = max(0, len(steps) - (path.name != "__init__.py"))
    root = path.parents[min(depth, len(path.parents) - 1)]
    return [(path, root), *((package, root) for package in _files_of(root, steps))]


def _is_installed(root: Path) -> bool:
    return bool(_INSTALLED.intersection(root.parts)) or root == Path(sysconfig.get_path("stdlib")).resolve()


def _imported(tree: ast.Module, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Dotted names that may be modules, as steps from the root; of ``from a import b`` both a and a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            start = (*above, *(node.module.split(".") if node.module else ()))
            yield from ([start] if start else [])
            yield from ((*start, alias.name) for alias in node.names)


def _files_of(root: Path, name: tuple[str, ...]) -> Iterator[Path]:
    """The files that importing ``name`` runs, where they lie below ``root``."""
    for length in range(1, len(name) + 1):
        place = root.joinpath(*name[:length])
        yield from (file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file())


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
