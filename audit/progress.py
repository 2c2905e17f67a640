"""Who watches an audit while it runs."""

from collections.abc import Callable

Watch = Callable[[str, int, int], None]
"""Called with (stage, done, total) while an audit runs."""


def ignore(stage: str, done: int, total: int) -> None:
    """The watcher of a caller who does not watch."""
