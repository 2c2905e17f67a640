"""The Markdown page that a command writes."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import click

from vestige.audit.cli.options import PATH, bundled, option
from vestige.audit.files.markdown import notes_of
from vestige.audit.files.output_paths import check_output_path, shown
from vestige.learners.files.io import write_atomically


@dataclass(frozen=True)
class Page:
    """A Markdown page to write; its hand-written notes are kept."""

    page: Path | None = option(type=PATH, help="Markdown page to write; its hand-written notes are kept.")
    title: str | None = option(help="Title of the page  [default: from the file's name]")

    def check(self) -> None:
        """Refuse a title alone, and before hours of work a page that cannot be written or that is not vestige's."""
        if self.page is None and self.title is not None:
            raise click.UsageError("--title goes with --page")
        if self.page is not None:
            check_output_path(self.page)
            notes_of(self.page)

    def write(self, render: Callable[..., str], title: str, *commands: Sequence[str]) -> None:
        """Write what ``render`` makes of title, command, version and notes; nothing where no page is wanted.

        title: where none was given. commands: the words of the commands that make the page, the last one without
        ``--page`` and ``--title``."""
        if self.page is None:
            return
        words = ("--page", shown(self.page), *(("--title", self.title) if self.title else ()))
        *before, last = commands
        command = "\n".join(map(shlex.join, (*before, (*last, *words))))
        content = render(
            title=self.title or title, command=command, version=version("vestige"), notes=notes_of(self.page)
        )
        write_atomically(self.page, content.encode())

    def say(self) -> None:
        """Where the page is."""
        if self.page is not None:
            click.echo(f"Page: {self.page}")


page_options = bundled("page", Page)
"""--page and --title as one argument, ``page``."""
