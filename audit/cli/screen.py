"""Standard output with tables: whatever a name holds, nothing but its own text reaches the terminal."""

import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from vestige.audit.files.text import visible

PLAIN_WIDTH = 200


class Screen(Console):
    """A console that takes no markup and no emoji codes out of texts, and shows control characters by their code."""

    def __init__(self) -> None:
        width = None if sys.stdout is None or sys.stdout.isatty() else PLAIN_WIDTH
        super().__init__(width=width, markup=False, emoji=False, highlight=False, soft_wrap=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich makes it, with every piece of text made visible; what moves the cursor is rich's own."""
        for piece in super().render(renderable, options):
            yield piece if piece.control else Segment(visible(piece.text), piece.style)


def console() -> Console:
    """Standard output; wide enough for the tables when it is not a terminal."""
    return Screen()
