"""What the gate says of values in a report."""

from vestige.audit.files.text import one_line


def shown(value: object) -> str:
    """A value of a report in a sentence: numbers short, text in quotes."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(shown, value))}]"
    return str(value) if isinstance(value, int) else repr(one_line(str(value)))


def count(number: int, noun: str) -> str:
    """``1 candidate``, ``2 candidates``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
