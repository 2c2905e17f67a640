"""What the command prints: tables on standard output, progress on standard error."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from vestige.audit.cli import exchangeable_console as over_examples
from vestige.audit.cli.screen import console as console
from vestige.audit.files.text import one_line
from vestige.audit.progress import Watch
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import Verdict
from vestige.audit.results.report import Audit, DataRecord

STYLES = {"PASS": "green", "FAIL": "bold red", "INCONCLUSIVE": "yellow"}


@contextmanager
def watching() -> Iterator[Watch]:
    """A progress bar on a terminal, otherwise a plain line for each tenth of a stage."""
    if not sys.stderr.isatty():
        yield _plain_watch()
        return
    percent = TextColumn("{task.percentage:>3.0f} %")
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        percent,
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def watch(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield watch


def _plain_watch() -> Watch:
    tenths: dict[str, int] = {}

    def watch(stage: str, done: int, total: int) -> None:
        tenth = 10 * done // max(1, total)
        if tenths.get(stage, -1) < tenth:
            tenths[stage] = tenth
            print(f"{stage}: {10 * tenth} %", file=sys.stderr, flush=True)

    return watch


def complain(problems: list[str]) -> list[str]:
    """Say on standard error what is wrong with the controls; returns ``problems``."""
    for problem in problems:
        click.secho(f"THE CONTROLS ARE WRONG: {one_line(problem, 1000)}.", fg="red", bold=True, err=True)
    return problems


def print_audits(audits: Sequence[Audit]) -> None:
    """Headline of a single candidate, or the table of several."""
    if len(audits) == 1:
        print_verdict(audits[0])
    elif all(audit.exchangeable is not None for audit in audits):
        console().print(over_examples.audits_table(audits))
    else:
        console().print(audits_table(audits))
    for audit in audits:
        if audit.canaries is not None:
            line = one_line(f"  canaries, {audit.candidate}: {audit.canaries.sentence}", 2000)
            console().print(line, soft_wrap=True, markup=False)
        if (plan := audits[0].plan) is not None:  # of a single candidate, a note of the verdict says it
            console().print(
                Text(one_line(f"All {plan.sentence}.", 2000), "" if plan.kept else "bold yellow"), soft_wrap=True
            )


def print_verdict(audit: Audit) -> None:
    """The verdict in the first line, then endpoints, utility and what to know."""
    screen = console()
    screen.print(Text(one_line(audit.verdict.headline, 1000), STYLES[audit.verdict.outcome]), soft_wrap=True)
    if audit.exchangeable is None:
        screen.print(endpoints_table(audit))
        for line in _left_out(audit):
            screen.print(line, soft_wrap=True, markup=False)
    else:
        screen.print(over_examples.endpoints_table(audit.exchangeable))
        for line in over_examples.test_lines(audit.exchangeable):
            screen.print(line, soft_wrap=True, markup=False)
    for one in audit.utility:
        low, high = one.interval
        gap = f"{one.gap:+.3f} [{low:+.3f}, {high:+.3f}]"
        mean = sum(one.retrains) / len(one.retrains)
        original = "" if one.original is None else f", original {one.original:.3f}"
        values = f"candidate {one.candidate:.3f}, retrains {mean:.3f}{original}; gap {gap}, {one.decision}"
        screen.print(f"  accuracy on {one.role} examples: {values}", soft_wrap=True, markup=False)
    for line in verdict_lines(audit.verdict):
        screen.print(line, soft_wrap=True, markup=False)


def audits_table(audits: Sequence[Audit]) -> Table:
    """One row a candidate: verdict, reasons, gap and interval per endpoint, utility, cost."""
    known = [one for one in audits[0].endpoints if any(_has_gap(audit, one) for audit in audits)]
    names, others = [one.name for one in known if one.primary], [one.name for one in known if not one.primary]
    table = Table(show_lines=True)
    for title in ("candidate", "verdict", "reasons", *(f"{name} gap" for name in names)):
        table.add_column(title, overflow="fold", min_width=len(title))
    table.columns[0].no_wrap = table.columns[1].no_wrap = True
    table.add_column("can only FAIL", no_wrap=True)
    table.add_column("utility gap", no_wrap=True)
    table.add_column("cost (retrain = 1)", justify="right")
    for audit in audits:
        endpoints = {endpoint.name: endpoint for endpoint in audit.endpoints}
        utility = "\n".join(f"{one.role} {100 * one.gap:+.1f} %" for one in audit.utility)
        share = None if audit.cost is None else audit.cost.share_of_retrain
        table.add_row(
            Text(one_line(audit.candidate)),
            Text(audit.verdict.outcome, STYLES[audit.verdict.outcome]),
            "\n".join(audit.verdict.reasons),
            *(gap_text(endpoints[name]) for name in names),
            "\n".join(f"{name} {endpoints[name].gap or 0:+.3f}" for name in others),
            utility,
            "-" if share is None else f"{share:.2f}",
        )
    return table


def _has_gap(audit: Audit, endpoint: Endpoint) -> bool:
    return any(one.name == endpoint.name and one.gap is not None for one in audit.endpoints)


def gap_text(endpoint: Endpoint) -> str:
    """Gap, and the interval that decides about PASS below it."""
    if endpoint.gap is None:
        return "not estimable"
    if endpoint.interval is None:
        return f"{endpoint.gap:+.3f}"
    low, high = endpoint.interval
    return f"{endpoint.gap:+.3f}\n[{low:+.3f}, {high:+.3f}]"


def endpoints_table(audit: Audit) -> Table:
    """One row an endpoint, for a single candidate."""
    table = Table()
    for title in ("endpoint", "statistic"):
        table.add_column(title)
    for title in ("candidate", "retrains", "original", "gap", "interval", "margin", "decision"):
        table.add_column(title, justify="right", no_wrap=True)
    for one in _estimable(audit):
        mean = sum(one.retrains) / len(one.retrains) if one.retrains else None
        interval = "-" if one.interval is None else f"[{one.interval[0]:+.3f}, {one.interval[1]:+.3f}]"
        gap = "-" if one.gap is None else f"{one.gap:+.3f}"
        values = [_number(one.candidate), _number(mean), _number(one.original), gap, interval]
        table.add_row(one.name, one.statistic, *values, f"{one.margin_effective:.3f}", one.decision)
    return table


def _estimable(audit: Audit) -> list[Endpoint]:
    """The endpoints that have a row; all of them where none has a value, so that the table shows what was asked."""
    return [one for one in audit.endpoints if one.decision != "not estimable"] or list(audit.endpoints)


def _left_out(audit: Audit) -> Iterable[str]:
    """The endpoints without a row, a line for each reason."""
    shown = {one.name for one in _estimable(audit)}
    reasons: dict[str, list[str]] = {}
    for one in audit.endpoints:
        if one.name not in shown:
            reasons.setdefault(one.reason, []).append(one.name)
    yield from (f"  not estimable: {', '.join(names)} ({one_line(why, 300)})" for why, names in reasons.items())


def print_data(data: DataRecord) -> None:
    """How many examples were judged on, and how they were chosen."""
    counts = f"{data.forget:,} forget, {data.unseen:,} unseen, {data.retain:,} retain examples"
    chosen = "" if data.split is None else f" ({one_line(data.split, 500)})"
    console().print(f"  data: {counts}{chosen}", soft_wrap=True, markup=False)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def verdict_lines(verdict: Verdict) -> Iterable[str]:
    """Explanations, notes and what would change the verdict, a line each."""
    for before, lines in (
        ("", verdict.explanations),
        ("note: ", verdict.notes),
        ("to resolve it: ", verdict.would_change),
    ):
        yield from (f"  {before}{one_line(line, 2000)}" for line in lines)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows under their header, folded to the width of the screen."""
    table = Table()
    for title in header:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console().print(table, markup=False)
