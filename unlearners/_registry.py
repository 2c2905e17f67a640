"""Which methods there are."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from pydantic import ValidationError

from learners import ConfigError, Setting, refusal
from unlearners._base import Entry, Reads, Unlearner

Method = TypeVar("Method", bound=type[Any])

_ENTRIES: dict[str, Entry] = {}


def register(
    name: str,
    *,
    description: str,
    citation: str,
    settings: tuple[Setting, ...],
    reads: tuple[Reads, ...],
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
        )
        _ENTRIES[name] = method.entry
        return method

    return add


def names(*, control: bool | None = None) -> tuple[str, ...]:
    """The names of all methods by name, the controls last; with ``control`` only the controls or only the others."""
    ordered = sorted(_ENTRIES.values(), key=lambda entry: (entry.control, entry.name))
    return tuple(entry.name for entry in ordered if control is None or entry.control == control)


def entry(name: str) -> Entry:
    """The registry's entry of a method; raises ConfigError for a name that does not exist."""
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
        raise ConfigError(refusal(error, where or name, [field.name for field in fields(method)])) from None
