"""Which methods there are."""

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from importlib import import_module
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import ValidationError

from vestige.learners.data.split import Setting
from vestige.learners.errors import ConfigError
from vestige.learners.files.validation import refusal
from vestige.unlearners.core.unlearner import Entry, Needs, Reads, Unlearner

Method = TypeVar("Method", bound=type[Any])

_ENTRIES: dict[str, Entry] = {}


def register(
    name: str,
    *,
    description: str,
    citation: str,
    settings: tuple[Setting, ...],
    reads: tuple[Reads, ...],
    needs: tuple[Needs, ...] = (),
    control: bool = False,
) -> Callable[[Method], Method]:
    """Class decorator that puts a method into the registry; raises ValueError for a name that is taken and TypeError
    for a class that is no Unlearner."""

    def add(method: Method) -> Method:
        if not issubclass(method, Unlearner):
            raise TypeError(f"expected a subclass of Unlearner, got {method.__name__}")
        if name in _ENTRIES:
            raise ValueError(f"expected a new name, got {name!r}, which is {_ENTRIES[name].method.__name__}")
        method.entry = Entry(
            name=name,
            description=description,
            citation=citation,
            settings=settings,
            reads=reads,
            control=control,
            method=method,
            needs=needs,
        )
        _ENTRIES[name] = method.entry
        return method

    return add


@cache
def _load() -> None:
    """Imports every method: each is a module of ``vestige.unlearners`` itself, the folders in it are shared."""
    for module in pkgutil.iter_modules(import_module("vestige.unlearners").__path__):
        if not module.ispkg:
            import_module(f"vestige.unlearners.{module.name}")


def names(*, control: bool | None = None) -> tuple[str, ...]:
    """The names of all methods by name, the controls last; with ``control`` only the controls or only the others."""
    _load()
    ordered = sorted(_ENTRIES.values(), key=lambda entry: (entry.control, entry.name))
    return tuple(entry.name for entry in ordered if control is None or entry.control == control)


def entry(name: str) -> Entry:
    """The registry's entry of a method; raises ConfigError for a name that does not exist."""
    _load()
    if name not in _ENTRIES:
        raise ConfigError(f"unlearner: expected one of {', '.join(names())}, got {name!r}; see vestige methods")
    return _ENTRIES[name]


def get(name: str) -> type[Unlearner]:
    """The class of a method; raises ConfigError for a name that does not exist."""
    return entry(name).method


def create(name: str, parameters: Mapping[str, Any], where: str | None = None) -> Unlearner:
    """The method with these hyper-parameters; raises ConfigError that names the first one it cannot use, under the path
    ``where`` (by default the method's name)."""
    method = get(name)
    try:
        return method(**parameters)
    except ValidationError as error:
        location = error.errors(include_url=False)[0]["loc"]
        raise ConfigError(refusal(error, where or name, _keys(method, location[:-1]))) from None


def _keys(table: type[Any], path: Sequence[int | str]) -> list[str]:
    """The keys of a table of hyper-parameters, or of the table nested in it at ``path``."""
    for step in path:
        kind = get_type_hints(table).get(str(step))
        nested = [hint for hint in (kind, *get_args(kind)) if isinstance(hint, type) and is_dataclass(hint)]
        if not nested:
            break
        table = nested[0]
    return [field.name for field in fields(table)]
