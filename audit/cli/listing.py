"""What there is to choose from: attacks, plans, the commented audit file; and how tables are printed."""

import json
from dataclasses import asdict
from importlib import resources
from typing import Any

import click

from vestige.attacks.registry.attacks import ATTACKS
from vestige.attacks.registry.numbers import NUMBERS
from vestige.attacks.signals.signals import SIGNALS
from vestige.audit.cli.console import print_table
from vestige.audit.cli.exchangeable_console import plan_tables
from vestige.audit.cli.screen import console
from vestige.audit.endpoints.scores import MIN_RETRAINS
from vestige.audit.exchangeable.power import plan_exchangeable
from vestige.audit.planning.power import SizesPlan
from vestige.learners.errors import ConfigError


def template() -> str:
    """The commented audit file of ``vestige init``."""
    return resources.files("vestige.audit.cli").joinpath("init.toml").read_text(encoding="utf-8")


def attack_records() -> list[dict[str, Any]]:
    """Attacks, numbers of the literature and signals as plain values."""
    attacks = [
        {"kind": "attack", "name": one.name, "description": one.description, "needs": one.needs, "role": one.role}
        | {"citation": one.citation}
        for one in ATTACKS.values()
    ]
    signals = [
        {"kind": "signal", "name": one.name, "description": one.description, "needs": "logits and labels"}
        | {"role": "read by the threshold attacks", "citation": one.citation}
        for one in SIGNALS.values()
    ]
    numbers = [
        {
            "kind": "number",
            "name": one.name,
            "description": one.description,
            "needs": "the model itself, retain examples",
        }
        | {"role": f"report only; desired: {one.desired}", "citation": one.citation}
        for one in NUMBERS.values()
    ]
    return attacks + numbers + signals


def print_attacks(name: str | None, as_json: bool) -> None:
    """Table or JSON of all attacks and signals, or of one."""
    records = attack_records()
    chosen = [one for one in records if name in (None, one["name"])]
    if not chosen:
        raise ConfigError(f"attack: expected one of {', '.join(one['name'] for one in records)}, got {name!r}")
    if as_json:
        click.echo(json.dumps(chosen if name is None else chosen[0], indent=2))
        return
    if name is not None and name in ATTACKS:
        one = ATTACKS[name]
        click.echo(f"{one.name}: {one.description}\n\nNeeds: {one.needs}. Reads: {one.signal}. Verdict: {one.role}.")
        click.echo(f"Source: {one.citation}.\n\n{one.explanation}")
        return
    keys = ("kind", "name", "description", "needs", "role", "citation")
    print_table(keys, [tuple(one[key] for key in keys) for one in chosen])


def print_plan(plan: SizesPlan, as_json: bool) -> None:
    """The planning table, or the same as JSON."""
    few = plan_exchangeable(plan.forget, plan.unseen, plan.retrains) if plan.retrains < MIN_RETRAINS else None
    if as_json:
        record = asdict(plan) | ({} if few is None else {"exchangeable": asdict(few)})
        click.echo(json.dumps(record, indent=2, allow_nan=False))
        return
    click.echo(
        f"{plan.forget} forget examples, {plan.unseen} unseen ({plan.unseen_calibration} for calibration), "
        f"{plan.retrains} retrains: evidence grade {plan.grade} at best."
    )
    click.echo(f"Simulated, {plan.runs} audits; an audit recomputes these figures from its own retrains.")
    rows = [
        (one.name, one.statistic, *(_figure(value) for value in (one.certify, one.detect, one.beyond)), one.reason)
        for one in plan.endpoints
    ]
    print_table(("endpoint", "statistic", "certify", "detect", "beyond margin", "remark"), rows)
    click.echo("certify: margin that a perfect candidate is shown to keep, with 80 % probability")
    click.echo("detect: gap told from zero with 80 % probability; a FAIL needs the margin plus 'beyond margin'")
    profiles = [
        (
            one.profile,
            f"{one.margin_auc:.2f} (epsilon {one.epsilon:.2f})",
            _figure(one.pass_rate),
            one.outlook,
            ", ".join(f"{name} {gap:.3f}" for name, gap in one.fail_gap.items()),
            one.why,
        )
        for one in plan.profiles
    ]
    header = ("profile", "AUC margin", "PASS rate of a perfect candidate", "outlook", "gap that FAILs (80 %)", "why")
    print_table(header, profiles)
    tpr = "not estimable" if plan.detectable_tpr is None else f"{plan.detectable_tpr:.4f}"
    click.echo(f"One model alone: AUC gap detectable {plan.detectable_auc:.3f}, TPR detectable at FPR 0.01: {tpr}.")
    for part in [] if few is None else plan_tables(few):
        console().print(part)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
