"""Who is called while long work goes on."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
