"""What the command prints: tables on standard output, progress on standard error."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from vestige.audit.files.text import one_line, visible
from vestige.audit.progress import Watch
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import Utility, Verdict
from vestige.audit.results.report import Audit, DataRecord
from vestige.audit.results.wording import scale_sentence
from vestige.audit.verdict.wording import share_sentence, short, what_of

if TYPE_CHECKING:
    from rich.progress import TaskID

PLAIN_WIDTH = 200
STYLES = {"PASS": "green", "FAIL": "bold red", "INCONCLUSIVE": "yellow"}


class Screen(Console):
    """Standard output with tables. Takes no markup and no emoji codes out of texts, and shows control characters by
    their code, so that nothing but a name's own text reaches the terminal. Wide enough for tables when it is none."""

    def __init__(self) -> None:
        width = None if sys.stdout is None or sys.stdout.isatty() else PLAIN_WIDTH
        super().__init__(width=width, markup=False, emoji=False, highlight=False, soft_wrap=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich makes it, with every piece of text made visible; what moves the cursor is rich's own."""
        for piece in super().render(renderable, options):
            yield piece if piece.control else Segment(visible(piece.text), piece.style)


def say(text: str | Text, style: str = "") -> None:
    """One line on standard output, wrapped by the terminal."""
    Screen().print(Text(text, style) if isinstance(text, str) else text, soft_wrap=True)


def print_json(value: Any) -> None:
    """A value on standard output, as indented JSON."""
    click.echo(json.dumps(value, indent=2, allow_nan=False))


def number(value: float | None, sign: str = "") -> str:
    """Three decimals; a dash for what is not known."""
    return "-" if value is None else f"{value:{sign}.3f}"


def print_table(header: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Rows under their header, folded to the width of the screen."""
    table = Table()
    for title in header:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Screen().print(table)


@contextmanager
def watching() -> Iterator[Watch]:
    """A progress bar on a terminal, otherwise a plain line for each tenth of a stage."""
    if not sys.stderr.isatty():
        yield _plain_watch()
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bars:
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
    """Report on standard error what is wrong with the controls; returns ``problems``."""
    for problem in problems:
        click.secho(f"THE CONTROLS ARE WRONG: {one_line(problem, 1000)}.", fg="red", bold=True, err=True)
    return problems


def warn(problems: Iterable[str]) -> None:
    """Notes on standard error."""
    for problem in problems:
        click.secho(f"Note: {one_line(problem, 1000)}.", fg="yellow", err=True)


def print_audits(audits: Sequence[Audit]) -> None:
    """Headline of a single candidate, or the table of several."""
    if len(audits) == 1:
        print_verdict(audits[0])
    else:
        Screen().print(audits_table(audits))
    for audit in audits:
        if audit.canaries is not None:
            say(one_line(f"  canaries, {audit.candidate}: {audit.canaries.sentence}", 2000))
        if (plan := audits[0].plan) is not None:  # of a single candidate, a note of the verdict says it
            say(one_line(f"All {plan.sentence}.", 2000), "" if plan.kept else "bold yellow")


def print_verdict(audit: Audit) -> None:
    """The verdict in the first line, then endpoints, utility and what to know."""
    say(one_line(audit.verdict.headline, 1000), STYLES[audit.verdict.outcome])
    Screen().print(endpoints_table(audit))
    lines = [f"  setting: {audit.setting.words}", *_left_out(audit), *map(_utility_line, audit.utility)]
    shared = "" if audit.verdict.outcome == "PASS" else share_sentence(audit)  # else the headline says it
    lines += [f"  {sentence}" for sentence in (shared, scale_sentence(audit.scale)) if sentence]
    for line in (*lines, *verdict_lines(audit.verdict)):
        say(line)


def _utility_line(part: Utility) -> str:
    low, high = part.interval
    references = part.retrains or (() if part.original is None else (part.original,))
    mean = sum(references) / len(references)
    compared = "retrains" if part.retrains else "original"
    gap = f"{part.gap:+.3f} [{low:+.3f}, {high:+.3f}]"
    values = f"candidate {part.candidate:.3f}, {compared} {mean:.3f}; gap {gap}, margin {part.margin:g}"
    return f"  {what_of(part)} on {part.role} examples: {values}: {part.decision}"


def audits_table(audits: Sequence[Audit]) -> Table:
    """One row a candidate, within 80 columns: verdict and reasons, gaps with their intervals, utility, cost."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 0, 1, 0), show_edge=False, caption_justify="left")
    table.add_column("candidate", overflow="fold")
    for title in ("verdict", "gap, interval", "utility gap", "cost"):
        table.add_column(title, no_wrap=True)
    for audit in audits:
        verdict = Text(audit.verdict.outcome, STYLES[audit.verdict.outcome])
        verdict.append("".join(f"\n{code}" for code in audit.verdict.codes), "default not bold")
        utility = "\n".join(f"{part.role} {100 * part.gap:+.1f} %" for part in audit.utility)
        share = None if audit.cost is None else audit.cost.share_of_retrain
        cost = "-" if share is None else f"{share:.2f}"
        table.add_row(Text(one_line(audit.candidate)), verdict, Text("\n".join(_gap_lines(audit))), utility, cost)
    table.caption = "In brackets: can only FAIL. Cost: in retrains."
    return table


def _gap_lines(audit: Audit) -> Iterator[str]:
    found = [(endpoint, endpoint.gap) for endpoint in audit.endpoints if endpoint.name != "G"]
    for endpoint, gap in found:
        if endpoint.primary and gap is not None:
            low, high = endpoint.interval or (gap, gap)
            yield f"{endpoint.label} {gap:+.3f} [{low:+.3f}, {high:+.3f}]"
    others = [f"{endpoint.label} {gap:+.3f}" for endpoint, gap in found if not endpoint.primary and gap is not None]
    yield from (f"({', '.join(others[first : first + 2])})" for first in range(0, len(others), 2))


def endpoints_table(audit: Audit) -> Table:
    """One row an endpoint, for a single candidate, within 80 columns; of groups those alone that are outside."""
    table = Table(box=SIMPLE_HEAD, padding=0, show_edge=False, caption_justify="left")
    table.add_column("endpoint", overflow="fold")
    for title in ("candidate", "reference", "gap", "interval", "margin", "decision"):
        table.add_column(title, justify="right", no_wrap=title != "decision")
    for endpoint in rows_of(audit):
        interval = "-" if endpoint.interval is None else "[{:+.3f}, {:+.3f}]".format(*endpoint.interval)
        table.add_row(
            Text(one_line(f"{endpoint.name} {short(endpoint)}")),
            number(endpoint.candidate),
            ("*" if endpoint.chance else "") + number(endpoint.reference),
            number(endpoint.gap, "+"),
            interval,
            f"{endpoint.margin_effective:.3f}",
            endpoint.decision if endpoint.primary else f"({endpoint.decision})",
        )
    table.caption = "Reference: mean of the retrains, or * chance. In brackets: can only FAIL."
    return table


def rows_of(audit: Audit) -> list[Endpoint]:
    """The endpoints that have a row; all of them where none has a value, so that the table shows what was tried."""
    whole = [endpoint for endpoint in audit.endpoints if endpoint.name != "G" or endpoint.decision == "outside"]
    return [endpoint for endpoint in whole if endpoint.decision != "not estimable"] or whole


def _left_out(audit: Audit) -> Iterable[str]:
    """The endpoints without a row, a line for each reason."""
    shown = {endpoint.label for endpoint in rows_of(audit)}
    reasons: dict[str, list[str]] = {}
    for endpoint in audit.endpoints:
        if endpoint.name != "G" and endpoint.label not in shown:
            reasons.setdefault(endpoint.reason, []).append(endpoint.label)
    yield from (f"  not estimable: {', '.join(names)} ({one_line(why, 300)})" for why, names in reasons.items())


def print_data(data: DataRecord) -> None:
    """How many examples the verdict rests on, and how they were chosen."""
    counts = f"{data.forget:,} forget, {data.unseen:,} unseen, {data.retain:,} retain examples"
    chosen = "" if data.split is None else f" ({one_line(data.split, 500)})"
    say(f"  data: {counts}{chosen}")


def verdict_lines(verdict: Verdict) -> Iterable[str]:
    """Explanations, notes and what would change the verdict, a line each."""
    for before, lines in (
        ("", verdict.explanations),
        ("note: ", verdict.notes),
        ("to resolve it: ", verdict.would_change),
    ):
        yield from (f"  {before}{one_line(line, 2000)}" for line in lines)
