"""Which source decided about a result: part of every artefact's name, so that old bits never pass for new ones."""

import ast
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from vestige.learners.files.io import digest

PROJECT = "vestige"


@cache  # of the code as this process imported it: an edit while it runs must not name what the old code made
def source_version(*entries: str, aside: tuple[str, ...] = (), libraries: tuple[str, ...] = ()) -> str:
    """Digest of the source of all modules of this project that ``entries`` reach by imports, and of the versions of
    ``libraries``. A comment counts as much as code: what is edited is made again.

    entries, aside: as for ``reached_modules``."""
    sources = (module_file(name).read_bytes() for name in reached_modules(*entries, aside=aside))
    return digest(*map(version, libraries), *sources)


@cache
def reached_modules(*entries: str, aside: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The modules of this project that ``entries`` reach by imports, sorted; imports inside functions count.

    entries: modules, or packages, which stand for all modules below them. aside: modules or packages that decide
    nothing about the result; they and what they alone import are left out. ModuleNotFoundError for a name, also of
    ``aside``, that stands for no module: a list that a move has overtaken must not pass for one that was followed."""
    left_out = {module for name in aside for module in _below(name)}
    reached = set[str]()
    waiting = [module for entry in entries for module in _below(entry)]
    while waiting:
        module = waiting.pop()
        if module not in reached | left_out:
            reached.add(module)
            waiting += imported_modules(module)
    return tuple(sorted(reached))


@cache
def imported_modules(module: str) -> tuple[str, ...]:
    """The modules of this project that one module imports, wherever in its text."""
    tree = ast.parse(module_file(module).read_bytes())
    found = [name for node in ast.walk(tree) for name in _imports(node)]
    return tuple(dict.fromkeys(part for name in found for part in _below(name)))


def module_file(module: str) -> Path:
    """Where the source of a module is; a package's is its ``__init__.py``. ModuleNotFoundError where there is none."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"expected a module of {PROJECT}, got {module!r}", name=module)
    return Path(spec.origin)


def _imports(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if _ours(alias.name))
    elif isinstance(node, ast.ImportFrom) and node.module and _ours(node.module):
        for alias in node.names:  # a module of a package, or a name in a module
            inner = f"{node.module}.{alias.name}"
            yield inner if _is_package(node.module) and find_spec(inner) is not None else node.module


def _ours(module: str) -> bool:
    return module.split(".")[0] == PROJECT


def _is_package(module: str) -> bool:
    return module_file(module).name == "__init__.py"


@cache
def _below(module: str) -> tuple[str, ...]:
    """The module; of a package, every module below it."""
    file = module_file(module)
    if file.name != "__init__.py":
        return (module,)
    paths = (path.relative_to(file.parent).with_suffix("").parts for path in sorted(file.parent.rglob("*.py")))
    names = (".".join((module, *parts)) for parts in paths)
    return tuple(name.removesuffix(".__init__") for name in names)
