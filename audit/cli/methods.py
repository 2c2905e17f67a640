"""The command ``vestige methods``: the unlearning methods as tables on a terminal, and as the page docs/methods.md."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import click

from vestige.audit.cli.console import print_json, print_table
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.methods_text import method_record
from vestige.audit.cli.options import json_option
from vestige.unlearners.core import registry

PAGE = "docs/methods.md"
ITEM = re.compile(r"[-*] |\d+\. ")
REGENERATE = f".venv/bin/vestige methods --markdown > {PAGE}"


@click.command()
@click.argument("name", required=False)
@json_option
@click.option("--markdown", "as_page", is_flag=True, help=f"Print {PAGE}.")
def methods(name: str | None, as_json: bool, as_page: bool) -> int:
    """List the unlearning methods, or explain NAME with its parameters."""
    if as_page and (name or as_json):
        raise click.UsageError("--markdown prints the page of all methods; give it alone")
    if as_page:
        click.echo(markdown())
        return PASS
    records = [method_record(method) for method in ([name] if name else registry.names())]
    if as_json:
        print_json(records if name is None else records[0])
    elif name is not None:
        _print_method(records[0])
    else:
        print_table(("name", "what it does", "forgets", "reads", "citation"), [_summary(record) for record in records])
    return PASS


def _summary(record: Mapping[str, Any]) -> tuple[str, ...]:
    name = record["name"] + (" (control)" if record["control"] else "")
    settings, reads = ", ".join(record["settings"]), ", ".join(record["reads"]) or "-"
    return (name, record["description"], settings, reads, record["citation"])


def _print_method(record: Mapping[str, Any]) -> None:
    click.echo(f"{record['name']}: {record['description']}\n{_facts(record)}\nCitation: {record['citation']}\n")
    for text in (record["explanation"], *record["shared"]):
        click.echo(f"{text}\n")
    if record["parameters"]:
        print_table(("parameter", "default", "accepts", "--tune tries"), _rows(record["parameters"]))


def _facts(record: Mapping[str, Any]) -> str:
    needs = "".join(f"; needs the {part} of the original's training" for part in record["needs"])
    return f"Forgets: {', '.join(record['settings'])}.\nReads: {', '.join(record['reads']) or 'nothing'}{needs}."


def _rows(parameters: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str, str]]:
    """A row for each parameter, and one for each field of a parameter that is a table."""
    rows = []
    for parameter in parameters:
        name = parameter["name"]
        rows.append((name, _default(parameter), parameter["accepts"], _tries(parameter["tries"])))
        for field in parameter["table"]:
            rows.append((f"{name}.{field['name']}", _text(field["default"]), field["accepts"], ""))
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
    records = [method_record(name) for name in registry.names()]
    users: dict[str, list[str]] = {}
    for record in records:
        for text in record["shared"]:
            users.setdefault(text, []).append(record["name"])
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
    for record in records:
        alone = [text for text in record["shared"] if len(users[text]) == 1]
        lines += ["", f"## {record['name']}", "", f"**{_escape(record['description'])}**"]
        lines += _paragraphs("\n\n".join([record["explanation"], *alone]))
        facts = _facts(record).replace("\n", " ")
        lines += ["", f"{facts} Source: {_escape(record['citation'].rstrip('.'))}."]
        if record["control"]:
            lines[-1] += " A control: its verdict is known beforehand."
        if record["parameters"]:
            lines += ["", "| parameter | default | accepts | `--tune` tries |", "|---|---|---|---|"]
            lines += [_row(cells) for cells in _rows(record["parameters"])]
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
