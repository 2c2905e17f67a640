"""What ``vestige attack --on-shadows`` prints and writes."""

import json
import shlex
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import click

from vestige.audit.cli import console
from vestige.audit.cli.console import print_table
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.config.config import AuditConfig
from vestige.audit.files.markdown import notes_of
from vestige.audit.files.output_paths import check_output_path, shown
from vestige.audit.studies.attacks.bank_study import BankResult, BankTable, TargetMean
from vestige.audit.studies.attacks.table import BASELINE, FPRS
from vestige.learners.files.io import write_atomically


def attack_bank(
    config: AuditConfig,
    audit_file: Path,
    workspace: Path | None,
    count: int | None,
    against: tuple[str, str],
    page: Path | None,
    title: str | None,
    seed: int | None,
    as_json: bool,
) -> int:
    """Attack the shadows of an audit, print the table (or JSON), write the page."""
    from vestige.audit.studies.attacks.bank_report import render, study_bank

    notes = None
    if page is not None:
        check_output_path(page)
        notes = notes_of(page)  # refuses somebody's own file before the work
    place = workspace or Path(f"vestige-{audit_file.stem}")
    with console.watching() as watch:
        found = study_bank(config, place, base=audit_file.parent, count=count, against=against, watch=watch)
    if page is not None and notes is not None:
        words = ["vestige", "shadows", shown(audit_file), "--workspace", shown(place)]
        own = [] if seed is None else ["--seed", str(seed)]
        words += ["--count", str(found.tables[-1].shadows), *own]
        words += [word for one in found.unlearned for word in ("--unlearn", str(one.unlearned))]
        more = ["vestige", "attack", shown(audit_file), "--workspace", shown(place), "--on-shadows", *own]
        more += [] if count is None else ["--shadows", str(count)]
        more += [] if against == BASELINE else ["--against", ":".join(against)]
        more += ["--page", shown(page), *(("--title", title) if title else ())]
        text = render(
            found,
            title=title or f"Attacks on the shadows of {audit_file.stem}",
            command=f"{shlex.join(words)}\n{shlex.join(more)}",
            version=version("vestige"),
            notes=notes,
        )
        write_atomically(page, text.encode())
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2, allow_nan=False))
        return PASS
    whole = found.tables[-1]
    click.echo(
        f"{whole.targets} shadows in turn, each without its pair: about {whole.members:,.0f} examples that it trained "
        f"on against {whole.nonmembers:,.0f} that it did not."
    )
    _print(whole)
    for one in found.unlearned:
        click.echo(
            f"\nThe same shadows after {one.unlearned}: about {one.members:,.0f} examples that each was told to forget "
            f"against {one.nonmembers:,.0f} of the same requests that it never saw."
        )
        _print(one)
    click.echo("Means over the shadows with 95 % intervals: targets and examples are a sample, the references given.")
    for problem in found.problems:
        click.secho(f"Note: {problem}.", fg="yellow", err=True)
    if page is not None:
        click.echo(f"Page: {page}")
    return PASS


def _print(table: BankTable) -> None:
    rates = [f"TPR {100 * fpr:g} %" for fpr in FPRS]
    header = ("attack", "signal", "AUC", *rates, f"over {table.against[0]} {table.against[1]}")
    print_table(header, [_line(one) for one in table.results])
    for name, why in table.absent.items():
        click.echo(f"Not made: {name}: {why}.")


def _line(one: BankResult) -> tuple[str, ...]:
    lead = "-" if one.lead is None else _figure(one.lead, "+")
    return (one.attack, one.signal, _figure(one.auc), *(_figure(rate) for rate in one.tpr), lead)


def _figure(value: TargetMean | None, sign: str = "") -> str:
    if value is None:
        return "-"
    return f"{value.mean:{sign}.3f} +- {(value.interval[1] - value.interval[0]) / 2:.3f}"
