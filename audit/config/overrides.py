"""Hyper-parameters as words of a command: ``KEY=VALUE``."""

import json
import re
import tomllib
from collections.abc import Sequence
from typing import Any

from vestige.learners.errors import ConfigError

KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
BARE = re.compile(r"[^\s\"'\[\]{}=,#]+")


def read_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Hyper-parameters from ``KEY=VALUE``: a TOML value, or a bare word, which is text. A dotted key, and likewise a
    table ``{...}``, sets what is nested. Raises ConfigError.

    >>> read_settings(["rate=0.5", "bn=train", "contrastive.weight=1.0"])
    {'rate': 0.5, 'bn': 'train', 'contrastive': {'weight': 1.0}}
    """
    lines = []
    for pair in pairs:
        key, sign, text = (part.strip() for part in pair.partition("="))
        if not sign or not KEY.fullmatch(key):
            raise ConfigError(f"--set: expected KEY=VALUE such as rate=0.5, got {pair!r}; correct the option")
        if not _is_value(text):
            if not BARE.fullmatch(text):
                raise ConfigError(
                    f"--set {key}: expected a TOML value such as 0.5, false, [1, 2], {{weight = 1.0}} or a word, "
                    f"got {text!r}; correct the value"
                )
            text = json.dumps(text)
        lines.append(f"{key} = {text}")
    try:
        return tomllib.loads("\n".join(lines))
    except tomllib.TOMLDecodeError:
        keys = ", ".join(line.partition(" = ")[0] for line in lines)
        raise ConfigError(f"--set: expected each key once, got {keys}; give one value for each") from None


def _is_value(text: str) -> bool:
    try:
        return list(tomllib.loads(f"value = {text}")) == ["value"]
    except tomllib.TOMLDecodeError:
        return False
