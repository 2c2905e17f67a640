"""Help of commands with many options."""

import click
import pytest
from click.testing import CliRunner

from vestige.audit.cli.main import cli
from vestige.audit.cli.options import Section, SectionedCommand

first, second = Section("First things"), Section("Second things")


@click.command(cls=SectionedCommand)
@first("--one", help="The first.")
@click.option("--loose", help="In no section.")
@second("--two", type=int, default=3, show_default=True, help="The second.")
@first("--last", is_flag=True, help="Another first.")
def command(one: str, two: int, last: bool, loose: str) -> None:
    """Do something."""
    click.echo(f"{one} {two} {last} {loose}")


def test_options_stand_in_their_sections_and_work_as_ever() -> None:
    text = CliRunner().invoke(command, ["--help"]).output
    places = [text.index(word) for word in ("First things:", "--one", "--last", "Second things:", "--two", "--loose")]
    assert places == sorted(places) and "Other options:" in text and "[default: 3]" in text
    assert CliRunner().invoke(command, ["--one", "a", "--last"]).output == "a 3 True None\n"


def test_a_pattern_without_quotes_is_told() -> None:
    failed = CliRunner().invoke(command, ["--one", "a.pt", "b.pt", "c.pt"])
    assert failed.exit_code == 2
    assert "unexpected extra arguments (b.pt c.pt); put a pattern for several files into quotes" in failed.output
    assert "quotes" not in CliRunner().invoke(command, ["--two", "x"]).output


@pytest.mark.parametrize("name", ["audit", "export-outputs", "retrain"])
def test_every_option_is_in_the_help_once(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    text = CliRunner().invoke(cli, [name, "--help"]).output
    listed = [line.split()[0] for line in text.splitlines() if line.startswith("  --")]
    assert sorted(listed) == sorted(option.opts[0] for option in command.params if not getattr(option, "hidden", False))
    assert text.index("Data for checkpoints:") < text.index("Other options:")
