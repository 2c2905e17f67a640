"""What the command prints of the second mode: endpoints over examples, and what was tried against the declaration."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from vestige.audit.files.text import one_line
from vestige.audit.results.exchangeable import Exchangeable
from vestige.audit.results.report import Audit
from vestige.audit.verdict.exchangeable_wording import NOUNS

if TYPE_CHECKING:
    from vestige.audit.exchangeable.power import ExamplePlan


def endpoints_table(found: Exchangeable) -> Table:
    """One row an endpoint, for a single candidate."""
    table = Table()
    for title in ("endpoint", "statistic"):
        table.add_column(title)
    for title in ("candidate", "original", "gap", "interval", "margin", "decision"):
        table.add_column(title, justify="right", no_wrap=True)
    for one in found.endpoints:
        interval = "-" if one.interval is None else f"[{one.interval[0]:+.3f}, {one.interval[1]:+.3f}]"
        values = [_number(one.candidate), _number(one.original), _number(one.gap, "+"), interval]
        table.add_row(one.name, one.statistic, *values, f"{one.margin_effective:.3f}", one.decision)
    return table


def test_lines(found: Exchangeable) -> Iterable[str]:
    """The tests of exchangeability, a line."""
    tried = [
        f"{NOUNS.get(one.name, one.name)} {'' if one.auc is None else f'AUC {one.auc:.3f}, '}p = {one.p:.2g}"
        for one in found.tests
    ]
    standing = "contradicted" if found.contradicted else "not contradicted"
    yield f"  exchangeability, {found.declared}, is {standing}: {'; '.join(tried) or 'nothing could be tried'}"


def audits_table(audits: Sequence[Audit]) -> Table:
    """One row a candidate of one reference: verdict, reasons, gap and interval per endpoint, accuracy."""
    table = Table(show_lines=True)
    found = [audit.exchangeable for audit in audits]
    names = [one.name for one in found[0].endpoints if one.gap is not None] if found[0] else []
    for title in ("candidate", "verdict", "reasons", *(f"{name} gap" for name in names), "accuracy on unseen"):
        table.add_column(title, overflow="fold", min_width=len(title))
    for audit, own in zip(audits, found, strict=True):
        if own is None:
            continue
        gaps = {one.name: one for one in own.endpoints}
        cells = []
        for name in names:
            interval = gaps[name].interval or (0.0, 0.0)
            cells.append(f"{_number(gaps[name].gap, '+')}\n[{interval[0]:+.3f}, {interval[1]:+.3f}]")
        outcome = Text(audit.verdict.outcome)
        table.add_row(
            Text(one_line(audit.candidate)), outcome, "\n".join(audit.verdict.reasons), *cells, f"{own.accuracy:.3f}"
        )
    return table


def plan_tables(plan: "ExamplePlan") -> Iterable[str | Table]:
    """The planning table of the second mode, with what its columns mean."""
    count = f"{plan.references} model{'' if plan.references == 1 else 's'} trained on neither set"
    yield (
        "Were forget and unseen examples drawn alike (exchangeable = true, docs/verdict.md), the verdict would be over "
        f"examples: {plan.forget} forget, {plan.unseen_evaluation} unseen for evaluation, {count}, "
        f"grade {plan.grade} at best."
    )
    table = Table()
    for title in ("endpoint", "statistic", "half-width", "certify", "gap that FAILs (80 %)", "remark"):
        table.add_column(title)
    for one in plan.endpoints:
        gaps = ", ".join(f"{name} {gap:.3f}" for name, gap in one.fail_gap.items())
        table.add_row(one.name, one.statistic, _number(one.half_width), _number(one.certify), gaps, one.reason)
    yield table
    table = Table()
    for title in ("profile", "AUC margin", "PASS rate of a perfect candidate, at least", "remark"):
        table.add_column(title)
    for profile in plan.profiles:
        table.add_row(profile.profile, f"{profile.margin_auc:.2f}", _number(profile.pass_rate), profile.why)
    yield table
    yield "Accuracy is judged too: with one or two retrains it needs a margin_utility well above .03."


def _number(value: float | None, sign: str = "") -> str:
    return "-" if value is None else format(value, f"{sign}.3f")
