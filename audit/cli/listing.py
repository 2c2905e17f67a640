"""The commands ``vestige attacks`` and ``vestige init``: what there is to choose from."""

from importlib import resources
from pathlib import Path
from typing import Any

import click

from vestige.attacks.registry.attack import Attack
from vestige.attacks.registry.attacks import ATTACKS
from vestige.attacks.registry.numbers import NUMBERS, Number
from vestige.attacks.signals.signals import SIGNALS, Signal
from vestige.audit.cli.console import print_json, print_table
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.options import PATH, json_option
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.io import write_atomically

READ = "read by the threshold attacks"
COLUMNS = ("kind", "name", "description", "needs", "role", "citation")


@click.command()
@click.argument("path", type=PATH, default=Path("audit.toml"))
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(path: Path, force: bool) -> int:
    """Write a commented audit file to PATH (audit.toml)."""
    if path.exists() and not force:
        raise DataError(f"{path}: expected no file there, got one; choose another name or give --force")
    write_atomically(path, template().encode())
    click.echo(f"{path} written; edit it, then: vestige run {path}")
    return PASS


def template() -> str:
    """The commented audit file of ``vestige init``."""
    return resources.files("vestige.audit.cli").joinpath("init.toml").read_text(encoding="utf-8")


@click.command()
@click.argument("name", required=False)
@json_option
def attacks(name: str | None, as_json: bool) -> int:
    """List the attacks and signals, or explain NAME."""
    records = attack_records()
    chosen = [record for record in records if name in (None, record["name"])]
    if not chosen:
        raise ConfigError(f"attack: expected one of {', '.join(record['name'] for record in records)}, got {name!r}")
    if as_json:
        print_json(chosen if name is None else chosen[0])
    elif name is not None and name in ATTACKS:
        attack = ATTACKS[name]
        click.echo(f"{name}: {attack.description}\n\nNeeds: {attack.needs}. Reads: {attack.signal}.")
        click.echo(f"Verdict: {attack.role}.\nSource: {attack.citation}.\n\n{attack.explanation}")
    else:
        print_table(COLUMNS, [tuple(record[column] for column in COLUMNS) for record in chosen])
    return PASS


def attack_records() -> list[dict[str, Any]]:
    """Attacks, numbers of the literature and signals as plain values."""
    model = "the model itself, retain examples"
    return [
        *(_record("attack", attack, attack.needs, attack.role) for attack in ATTACKS.values()),
        *(_record("number", entry, model, f"report only; desired: {entry.desired}") for entry in NUMBERS.values()),
        *(_record("signal", signal, "logits and labels", READ) for signal in SIGNALS.values()),
    ]


def _record(kind: str, entry: Attack | Number | Signal, needs: str, role: str) -> dict[str, Any]:
    values = (kind, entry.name, entry.description, needs, role, entry.citation)
    return dict(zip(COLUMNS, values, strict=True))
