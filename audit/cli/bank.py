"""What ``vestige attack --on-shadows`` prints and writes."""

from dataclasses import asdict
from functools import partial

import click

from vestige.audit.cli.console import print_json, print_table, warn, watching
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.options import AuditFile
from vestige.audit.cli.page import Page
from vestige.audit.files.output_paths import shown
from vestige.audit.studies.attacks.bank_report import render, study_bank
from vestige.audit.studies.attacks.bank_study import BankResult, BankTable, TargetMean
from vestige.audit.studies.attacks.table import BASELINE, FPRS


def attack_bank(audit: AuditFile, count: int | None, against: tuple[str, str], page: Page, as_json: bool) -> int:
    """Attack the shadows of an audit, print the table (or JSON), write the page."""
    page.check()
    config = audit.config()
    with watching() as watch:
        study = study_bank(config, audit.folder, base=audit.base, count=count, against=against, watch=watch)
    place = (shown(audit.path), "--workspace", shown(audit.folder))
    seed = () if audit.seed is None else ("--seed", str(audit.seed))
    whole = study.tables[-1]
    changed = (word for table in study.unlearned for word in ("--unlearn", str(table.unlearned)))
    shadows = ("vestige", "shadows", *place, "--count", str(whole.shadows), *seed, *changed)
    fewer = () if count is None else ("--shadows", str(count))
    compared = () if against == BASELINE else ("--against", ":".join(against))
    attack = ("vestige", "attack", *place, "--on-shadows", *seed, *fewer, *compared)
    page.write(partial(render, study), f"Attacks on the shadows of {audit.path.stem}", shadows, attack)
    if as_json:
        print_json(asdict(study))
        return PASS
    click.echo(
        f"{whole.targets} shadows in turn, each without its pair: about {whole.members:,.0f} examples that it trained "
        f"on against {whole.nonmembers:,.0f} that it did not."
    )
    _print(whole)
    for table in study.unlearned:
        click.echo(
            f"\nThe same shadows after {table.unlearned}: about {table.members:,.0f} examples that each had to "
            f"forget against {table.nonmembers:,.0f} of the same requests that it never saw."
        )
        _print(table)
    click.echo("Means over the shadows with 95 % intervals: targets and examples are a sample, the references given.")
    warn(study.problems)
    page.say()
    return PASS


def _print(table: BankTable) -> None:
    rates = [f"TPR {100 * fpr:g} %" for fpr in FPRS]
    header = ("attack", "signal", "AUC", *rates, f"over {table.against[0]} {table.against[1]}")
    print_table(header, [_row(result) for result in table.results])
    for name, why in table.absent.items():
        click.echo(f"Not made: {name}: {why}.")


def _row(result: BankResult) -> tuple[str, ...]:
    rates = (_figure(rate) for rate in result.tpr)
    return (result.attack, result.signal, _figure(result.auc), *rates, _figure(result.lead, "+"))


def _figure(value: TargetMean | None, sign: str = "") -> str:
    if value is None:
        return "-"
    return f"{value.mean:{sign}.3f} +- {(value.interval[1] - value.interval[0]) / 2:.3f}"
