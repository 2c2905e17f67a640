"""Help of commands with many options, parted into sections; click itself has one list."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


class _Option(click.Option):
    def __init__(self, *words: Any, section: str, **rest: Any) -> None:
        super().__init__(*words, **rest)
        self.section = section


@dataclass(frozen=True)
class Section:
    """A part of a command's help; called as ``click.option`` is, it makes an option that is listed there."""

    name: str

    def __call__(self, *words: str, **rest: Any) -> Callable[[Command], Command]:
        """The decorator."""
        return click.option(*words, cls=_Option, section=self.name, **rest)


class SectionedCommand(click.Command):
    """A command whose help shows each ``Section`` of its options, in the order of their first ones; what is in none of
    them comes last."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's own; files left over are what a shell made of a pattern."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if "unexpected extra argument" not in error.message:
                raise
            hint = "put a pattern for several files into quotes, as in 'retrain-*.pt'"
            raise click.UsageError(f"{error.message.rstrip('.')}; {hint}", ctx) from error

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
