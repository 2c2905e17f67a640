"""Help of commands with many options, parted into sections; click itself has one list."""

from collections.abc import Callable
from functools import partial
from typing import Any

import click


class _Option(click.Option):
    def __init__(self, *words: Any, section: str, **rest: Any) -> None:
        super().__init__(*words, **rest)
        self.section = section


def in_section(name: str) -> Callable[..., Any]:
    """``click.option`` for an option that the help lists under ``name``."""
    return partial(click.option, cls=_Option, section=name)


class SectionedCommand(click.Command):
    """A command whose help has a section for each name of ``in_section``, in the order of their first options; what is
    in none of them comes last."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click's own, but by section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        rest: list[tuple[str, str]] = []
        for one in self.get_params(ctx):
            record = one.get_help_record(ctx)
            if record is not None:
                (sections.setdefault(one.section, []) if isinstance(one, _Option) else rest).append(record)
        for name, records in [*sections.items(), ("Other options" if sections else "Options", rest)]:
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)
