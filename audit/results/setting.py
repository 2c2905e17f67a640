"""What the forget set is: the setting of an audit, which decides what the examples can show by themselves."""

from dataclasses import dataclass
from math import inf
from typing import Annotated, Literal

from pydantic import Field

SettingName = Literal["chosen", "random", "class"]
Source = Literal["known", "declared", "detected", "default"]


@dataclass(frozen=True)
class Setting:
    """A property of the data, found or declared."""

    name: Annotated[
        SettingName,
        Field(
            description="random: forget and unseen examples are one random draw; class: whole classes were forgotten; "
            "chosen: anything else."
        ),
    ]
    source: Annotated[
        Source,
        Field(
            description="known: vestige made the split; declared: by the user; detected: from the labels; default: "
            "nothing was said."
        ),
    ]

    @property
    def words(self) -> str:
        """``random (declared)``."""
        return f"{self.name} ({self.source})"

    @property
    def random(self) -> bool:
        """Whether the forget set is a random draw."""
        return self.name == "random"

    @property
    def of_class(self) -> bool:
        """Whether whole classes were forgotten."""
        return self.name == "class"

    @property
    def d0(self) -> float:
        """As how many more retrains the examples count."""
        return inf if self.random else 1.0


CHOSEN = Setting("chosen", "default")
