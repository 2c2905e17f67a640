"""Preprocessing as it is written on a command line."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from vestige.learners.errors import ConfigError
from vestige.learners.external.preprocessing import Channels, Layout, OwnPreprocessing, Preprocessing, Size
from vestige.learners.files.untrusted import shown
from vestige.learners.files.user_code import find_function

_LARGEST_SIDE = 4096
_SIZE = re.compile(r"(\d{1,4})(?:x(\d{1,4}))?")


def parse_preprocessing(
    *,
    mean: str | None = None,
    std: str | None = None,
    resize: str | None = None,
    channels: str | None = None,
    layout: str | None = None,
) -> Preprocessing:
    """The preprocessing of the texts of ``--mean``, ``--std``, ``--resize``, ``--channels`` and ``--layout``.

    Raises ConfigError for a text that cannot be used."""
    return Preprocessing(
        mean=None if mean is None else _channels("--mean", mean, "means", lambda value: 0 <= value <= 1),
        std=None if std is None else _channels("--std", std, "deviations above 0", lambda value: 0 < value <= 1),
        resize=None if resize is None else _size(resize),
        channels=None if channels is None else _one_of("--channels", channels, get_args(Channels)),
        layout=None if layout is None else _one_of("--layout", layout, get_args(Layout)),
    )


def _size(text: str) -> Size:
    """Of ``224`` (the shorter side) or ``256x192`` (height x width)."""
    match = _SIZE.fullmatch(text.strip())
    sides = [int(side) for side in match.groups() if side is not None] if match else []
    if not sides or not all(1 <= side <= _LARGEST_SIDE for side in sides):
        raise ConfigError(
            f"--resize: expected a side such as 224 or HEIGHTxWIDTH such as 256x192, 1 to {_LARGEST_SIDE}, "
            f"got {shown(text)!r}"
        )
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def find_preprocessing(text: str, *, base: Path = Path(".")) -> OwnPreprocessing:
    """The function ``package.module:function``, from uint8 images ``[m, height, width, channels]`` of one batch to the
    model's input (array or tensor), looked for where Python does and then in ``base``.

    Raises ConfigError where there is none."""
    found: OwnPreprocessing = find_function(text, "preprocessing", base=base)
    return found


def _channels(option: str, text: str, wanted: str, fits: Callable[[float], bool]) -> tuple[float, ...]:
    """Of ``0.5,0.5,0.5`` or ``0.5``: one number for each channel or for all, in 0..1."""
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(
            f"{option}: expected numbers such as 0.5,0.5,0.5, got {shown(text)!r}; correct them"
        ) from error
    if len(values) not in (1, 3) or not all(map(math.isfinite, values)):
        raise ConfigError(f"{option}: expected 1 or 3 finite numbers, got {shown(text)!r}; give one a channel")
    if not all(map(fits, values)):
        raise ConfigError(f"{option}: expected {wanted} of images scaled to 0..1, got {text}; divide them by 255")
    return values


def _one_of(option: str, text: str, known: tuple[str, ...]) -> Any:
    if text not in known:
        raise ConfigError(f"{option}: expected one of {', '.join(known)}, got {shown(text)!r}; correct it")
    return text
