"""The unlearning methods as records: what the registry, the types and the docstrings say about each of them."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, fields
from inspect import cleandoc
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from vestige.unlearners.core import registry
from vestige.unlearners.core.unlearner import Unlearner

SIGNS = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}


def method_record(name: str) -> dict[str, Any]:
    """One method as plain values that JSON can hold: name, description, citation, settings, reads, needs, control,
    explanation, shared (explanations of parameters that it has in common with others), parameters."""
    entry = registry.entry(name)
    schema = TypeAdapter(entry.method).json_schema()
    tables: Mapping[str, Any] = schema.get("$defs", {})
    return {
        "name": name,
        "description": entry.description,
        "citation": entry.citation,
        "settings": list(entry.settings),
        "reads": list(entry.reads),
        "needs": list(entry.needs),
        "control": entry.control,
        "explanation": cleandoc(entry.method.__doc__ or ""),
        "shared": [*_inherited(entry.method), *(cleandoc(table.get("description", "")) for table in tables.values())],
        "parameters": [_parameter(entry.method, field.name, schema, tables) for field in fields(entry.method)],
    }


def _inherited(method: type[Unlearner]) -> Iterator[str]:
    """What the classes between ``Unlearner`` and the method say about the parameters that they declare."""
    for base in reversed(method.__mro__[1:]):
        if issubclass(base, Unlearner) and base is not Unlearner and base.__annotations__:
            yield cleandoc(base.__doc__ or "")


def _parameter(
    method: type[Unlearner], name: str, schema: Mapping[str, Any], tables: Mapping[str, Any]
) -> dict[str, Any]:
    accepted = schema["properties"][name]
    field = next(field for field in fields(method) if field.name == name)
    default = field.default if field.default_factory is MISSING else field.default_factory()
    grid = method.search.get(name)
    return {
        "name": name,
        "default": to_jsonable_python(default),
        "default_by_size": _sizes(method.by_size.get(name)),
        "default_by_size_of_class": _sizes(method.by_size_of_class.get(name)),
        "accepts": accepts(accepted, tables),
        "tries": None if grid is None else to_jsonable_python(asdict(grid)),
        "table": [
            {"name": key, "default": part.get("default"), "accepts": accepts(part, tables)}
            for key, part in _table_of(accepted, tables).items()
        ],
    }


def _sizes(table: Any) -> dict[str, Any] | None:
    """Defaults by class of size (xs to l); ``few_images`` replaces them on fewer than 10,000 training images."""
    if table is None:
        return None
    return {size: to_jsonable_python(value) for size, value in asdict(table).items() if value is not None}


def _table_of(schema: Mapping[str, Any], tables: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a parameter that is a table of its own; empty for a plain value."""
    for choice in (schema, *schema.get("anyOf", ())):
        if "$ref" in choice:
            return dict(tables[choice["$ref"].rpartition("/")[2]].get("properties", {}))
    return {}


def accepts(schema: Mapping[str, Any], tables: Mapping[str, Any] | None = None) -> str:
    """A JSON schema's type and range in words, e.g. ``number > 0``, ``'train' or 'frozen'`` or ``table of a, b``."""
    known = tables or {}
    if "anyOf" in schema:
        return " or ".join(accepts(choice, known) for choice in schema["anyOf"] if choice.get("type") != "null")
    if "enum" in schema or "const" in schema:
        return " or ".join(repr(value) for value in schema.get("enum", [schema.get("const")]))
    if "$ref" in schema:
        table = known[schema["$ref"].rpartition("/")[2]]
        return f"table of {', '.join(table['properties'])}" if "properties" in table else accepts(table, known)
    if schema.get("type") == "array":
        kinds = [accepts(item, known) for item in schema.get("prefixItems", [schema.get("items", {})])]
        return f"list of {', '.join(dict.fromkeys(kinds))}"
    limits = [f"{sign} {schema[key]:g}" for key, sign in SIGNS.items() if key in schema]
    return " ".join([str(schema.get("type", "any value")), ", ".join(limits)]).strip()
