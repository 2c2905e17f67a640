"""The unlearning methods for a reader: tables on a terminal, and the page docs/methods.md."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import click

from vestige import unlearners
from vestige.audit.cli.console import print_table
from vestige.audit.cli.methods_text import method_record

PAGE = "docs/methods.md"
ITEM = re.compile(r"[-*] |\d+\. ")
REGENERATE = f".venv/bin/vestige methods --markdown > {PAGE}"


def print_methods(name: str | None, as_json: bool) -> None:
    """Table or JSON of all methods, or of one."""
    chosen = [method_record(one) for one in ([name] if name else unlearners.names())]
    if as_json:
        click.echo(json.dumps(chosen if name is None else chosen[0], indent=2, allow_nan=False))
    elif name is not None:
        _print_method(chosen[0])
    else:
        print_table(
            ("name", "what it does", "forgets", "reads", "citation"),
            [
                (
                    one["name"] + (" (control)" if one["control"] else ""),
                    one["description"],
                    ", ".join(one["settings"]),
                    ", ".join(one["reads"]) or "-",
                    one["citation"],
                )
                for one in chosen
            ],
        )


def _print_method(one: Mapping[str, Any]) -> None:
    click.echo(f"{one['name']}: {one['description']}\nForgets: {', '.join(one['settings'])}")
    click.echo(f"Reads: {', '.join(one['reads']) or 'nothing'}{_needs(one)}\nCitation: {one['citation']}\n")
    for text in (one["explanation"], *one["shared"]):
        click.echo(f"{text}\n")
    if one["parameters"]:
        print_table(("parameter", "default", "accepts", "--tune tries"), _rows(one["parameters"]))


def _needs(one: Mapping[str, Any]) -> str:
    return "".join(f"; needs the {what} of the original's training" for what in one["needs"])


def _rows(parameters: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str, str]]:
    """A row for each parameter, and one for each field of a parameter that is a table."""
    rows = []
    for one in parameters:
        rows.append((one["name"], _default(one), one["accepts"], _tries(one["tries"])))
        rows += [
            (f"{one['name']}.{part['name']}", _text(part["default"]), part["accepts"], "") for part in one["table"]
        ]
    return rows


def _default(parameter: Mapping[str, Any]) -> str:
    if parameter["default_by_size"] is None:
        return _text(parameter["default"])
    words = "by size: " + _pairs(parameter["default_by_size"])
    of_class = parameter["default_by_size_of_class"]
    return words if of_class is None else f"{words}; for classes: {_pairs(of_class)}"


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {_text(value)}" for key, value in values.items())


def _tries(grid: Mapping[str, Any] | None) -> str:
    if grid is None:
        return ""
    if "factors" in grid:
        return "default x " + ", ".join(f"{factor:g}" for factor in grid["factors"])
    return ", ".join(_text(value) for value in grid["values"])


def _text(value: Any) -> str:
    """A value as an audit file would have it; "none" where nothing is set."""
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value)


def markdown() -> str:
    """The page of all methods, in the registry's order, without a last newline."""
    records = [method_record(name) for name in unlearners.names()]
    users: dict[str, list[str]] = {}
    for one in records:
        for text in one["shared"]:
            users.setdefault(text, []).append(one["name"])
    lines = [
        "# Unlearning methods",
        "",
        f"This page is written by `vestige methods --markdown` from the code itself (`{REGENERATE}`); edit the "
        "docstrings, not the page. `vestige methods NAME` prints one of these sections, `vestige unlearn NAME` applies "
        "the method to a checkpoint, a table `[unlearners.NAME]` of an audit file makes it a candidate.",
        "",
        "A default *by size* depends on network and data: l from 9 million parameters, m from 1 million, xs for fewer "
        "than 2,000 training images on a network without batch normalisation, s otherwise; `few_images` replaces it on "
        "fewer than 10,000 training images. A retrain costs epochs x retain images x 3 image passes.",
    ]
    lines += ["", "## Parameters that methods share"]
    for text, names in users.items():
        if len(names) > 1:
            lines += ["", f"**{', '.join(f'`{name}`' for name in names)}**", *_paragraphs(text)]
    for one in records:
        own = [text for text in one["shared"] if len(users[text]) == 1]
        lines += ["", f"## {one['name']}", "", f"**{_escape(one['description'])}**"]
        lines += _paragraphs("\n\n".join([one["explanation"], *own]))
        facts = [
            f"Forgets: {', '.join(one['settings'])}.",
            f"Reads: {', '.join(one['reads']) or 'nothing'}{_needs(one)}.",
        ]
        lines += ["", " ".join([*facts, f"Source: {_escape(one['citation'].rstrip('.'))}."])]
        if one["control"]:
            lines[-1] += " A control: its verdict is known beforehand."
        if one["parameters"]:
            lines += ["", "| parameter | default | accepts | `--tune` tries |", "|---|---|---|---|"]
            lines += [_row(cells) for cells in _rows(one["parameters"])]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    name, *others = (cell.replace("|", r"\|") for cell in cells)
    return f"| `{name}` | {' | '.join(map(_escape, others))} |"


def _paragraphs(docstring: str) -> list[str]:
    """Flowing text, a line a paragraph or list item: wrapped, a line could begin with a sign that Markdown reads."""
    lines: list[str] = []
    for block in docstring.split("\n\n"):
        items: list[str] = []
        for line in map(str.strip, block.strip().splitlines()):
            in_code = bool(items) and items[-1].count("``") % 2 == 1
            if not items or (ITEM.match(line) and not in_code):
                items.append(line)
            else:
                items[-1] += f" {line}"
        lines += ["", *map(_escape, items)]
    return lines


def _escape(text: str) -> str:
    """Text whose code is in double backquotes, as Markdown."""
    parts = re.split(r"``(.+?)``", text)
    return "".join(
        f"`{part}`" if odd else part.replace("*", r"\*").replace("<", r"\<")
        for part, odd in zip(parts, [bool(place % 2) for place in range(len(parts))], strict=True)
    )
