"""One sentence out of a pydantic complaint: the key's path, what was expected, what was given."""

from collections.abc import Iterable

from pydantic import ValidationError

UNKNOWN_KEY = ("unexpected_keyword_argument", "extra_forbidden")


def refusal(error: ValidationError, where: str, known: Iterable[str]) -> str:
    """The first thing wrong with the table called ``where``, whose keys are ``known``; ``where`` may be empty."""
    first = error.errors(include_url=False)[0]
    path = ".".join(part for part in [where, *(str(step)[:80] for step in first["loc"])] if part)
    if first["type"] in UNKNOWN_KEY:
        keys = ", ".join(known) or "(none)"
        return f"{path}: expected one of the keys {keys}, got an unknown key; correct or remove it"
    if first["type"] in ("missing", "missing_argument"):
        return f"{path}: expected a value, got none; add the key"
    expected = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    if first["type"] == "dataclass_type":  # pydantic speaks of an instance of a class, which no file can hold
        expected = "a table of keys and values"
    if not isinstance(first["input"], (str, int, float, list, dict)):  # a whole table, refused for what it combines
        return f"{path}: expected {expected}; correct the table"
    return f"{path}: expected {expected}, got {_short(first['input'])}; correct the value"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
