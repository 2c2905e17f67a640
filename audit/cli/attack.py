"""The command ``vestige attack``."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vestige.audit.cli.console import number, print_json, print_table, warn, watching
from vestige.audit.cli.exit_codes import PASS
from vestige.audit.cli.options import PATH, AuditFile, audit_file_options, json_option
from vestige.audit.cli.page import Page, page_options
from vestige.audit.files.text import one_line

if TYPE_CHECKING:
    from vestige.audit.results.attacks import AttackRow, AttackTable, NumberResult


@click.command()
@audit_file_options(required=False)
@click.option("--outputs", type=PATH, help="Outputs file (.npz) in place of an audit file.")
@click.option("--probabilities", is_flag=True, help="The outputs are softmax probabilities, not logits.")
@click.option("--candidate", "names", multiple=True, help="Candidate to attack; repeatable  [default: all of the file]")
@click.option("--shadows", "count", type=int, help="Use so many of the shadows only  [default: all that are finished]")
@click.option("--against", metavar="ATTACK[:SIGNAL]", help="Compare with this attack  [default: threshold:logit]")
@click.option("--on-shadows", is_flag=True, help="Attack every shadow in turn in place of the candidates.")
@page_options
@json_option
def attack(
    audit: AuditFile,
    outputs: Path | None,
    probabilities: bool,
    names: tuple[str, ...],
    count: int | None,
    against: str | None,
    on_shadows: bool,
    page: Page,
    as_json: bool,
) -> int:
    """Run every attack that the evidence allows on candidates, or on an outputs file.

    The candidates are those of AUDIT_FILE. Models that the workspace lacks are made first, as vestige run would;
    shadows come from vestige shadows. The attacks say how much an attacker could find out; the verdict is that of
    vestige run or audit. The exit code does not depend on them.

    With --on-shadows the targets are the shadows themselves, each compared with the others without its pair: how strong
    is each attack on models like these, and what do more shadows buy? --page then writes a Markdown page.
    """
    from vestige.audit.studies.attacks.table import BASELINE, comparison

    if (audit.audit_file is None) == (outputs is None):
        raise click.UsageError("give either an audit file or --outputs")
    if (page.page is not None or page.title is not None) and not on_shadows:
        raise click.UsageError("--page and --title go with --on-shadows")
    compared = BASELINE if against is None else comparison(*against.split(":", 1))
    if on_shadows:
        from vestige.audit.cli.bank import attack_bank

        if outputs is not None or probabilities or names:
            raise click.UsageError(
                "--on-shadows needs an audit file, and goes with neither --candidate nor --probabilities"
            )
        return attack_bank(audit, count, compared, page, as_json)
    if outputs is not None:
        if names or audit.workspace or audit.seed is not None or count is not None:
            raise click.UsageError("--candidate, --shadows, --workspace and --seed go with an audit file")
        tables = [_attack_outputs(outputs, probabilities, compared)]
    else:
        from vestige.audit.studies.attacks.candidates import attack_candidates

        if probabilities:
            raise click.UsageError("--probabilities goes with --outputs: checkpoints give logits")
        config = audit.config()
        with watching() as watch:
            tables = attack_candidates(
                config, audit.place, base=audit.base, names=names, count=count, against=compared, watch=watch
            )
    if as_json:
        print_json([asdict(table) for table in tables])
        return PASS
    for table in tables:
        _print(table, "over phi" if table.against == BASELINE else f"over {table.against[0]}")
    return PASS


def _attack_outputs(outputs: Path, probabilities: bool, against: tuple[str, str]) -> "AttackTable":
    from vestige.attacks.signals.signals import SIGNALS
    from vestige.audit.policy import profile
    from vestige.audit.studies.attacks.candidates import attack_outputs

    policy = profile("standard")
    return attack_outputs(outputs, policy, signals=list(SIGNALS), probabilities=probabilities, against=against)


def _print(table: "AttackTable", over: str) -> None:
    first = table.results[0]
    click.echo(f"\n{one_line(table.candidate)}: {first.members} forget against {first.nonmembers} unseen examples.")
    rates = ("TPR 10 %", "TPR 1 %", "TPR 0.1 %")
    header = ("attack", "signal", "AUC", "retrains", "gap", "original", "efficacy", *rates, over, "")
    print_table(header, [_row(result, first.members) for result in table.results])
    click.echo(
        f"AUC and its lead over {table.against[0]} on {table.against[1]} with 95 % intervals (DeLong, paired); "
        "gap: to the mean of the retrains; "
        "efficacy: AUC of its forget examples against the retrains'."
    )
    few = [f"{100 * point.fpr:g} %" for point in first.points if point.tpr is None]
    if few:
        click.echo(
            f"TPR at {' and '.join(few)}: not estimable from {first.nonmembers} unseen examples (10 / FPR are needed)."
        )
    if table.numbers:
        columns = ("number of the literature, percent", "candidate", "retrains", "original", "desired")
        print_table(columns, [_number_row(measured) for measured in table.numbers])
    missing: dict[str, list[str]] = {}
    for name, needs in table.absent.items():
        missing.setdefault(needs, []).append(name)
    for needs, attacks in missing.items():
        click.echo(f"Not made: {', '.join(attacks)}; needs {needs}.")
    warn(table.problems)


def _row(result: "AttackRow", members: int) -> tuple[str, ...]:
    fewer = "" if result.members == members else f"{result.members} forget examples"
    return (
        result.attack,
        result.signal,
        f"{result.auc:.3f} +- {_half(result.interval)}",
        number(result.retrains),
        number(result.gap, "+"),
        number(result.original),
        number(result.efficacy),
        *(number(point.tpr) for point in result.points),
        "-" if result.lead is None else f"{result.lead[0]:+.3f} +- {_half(result.lead[1:])}",
        ", ".join(filter(None, (result.remark, fewer))),
    )


def _number_row(measured: "NumberResult") -> tuple[str, ...]:
    values = (measured.candidate, measured.retrains, measured.original)
    return (measured.name, *("-" if value is None else f"{value:.1f}" for value in values), measured.desired)


def _half(interval: Sequence[float]) -> str:
    return f"{(interval[1] - interval[0]) / 2:.3f}"
