"""What there is to choose from: methods, attacks, plans, the commented audit file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from importlib import resources
from inspect import cleandoc
from typing import Any

import click
from pydantic import TypeAdapter
from rich.table import Table

import unlearners
from attacks import ATTACKS, SIGNALS
from audit._console import console
from audit.power import Plan
from learners import ConfigError


def template() -> str:
    """The commented audit file of ``vestige init``."""
    return resources.files("audit").joinpath("init.toml").read_text(encoding="utf-8")


def method_record(name: str) -> dict[str, Any]:
    """One method as plain values: name, description, citation, settings, reads, control, parameters."""
    entry = unlearners.entry(name)
    return {
        "name": name,
        "description": entry.description,
        "citation": entry.citation,
        "settings": list(entry.settings),
        "reads": list(entry.reads),
        "control": entry.control,
        "explanation": cleandoc(entry.method.__doc__ or ""),
        "parameters": _parameters(entry.method),
    }


def _parameters(method: Any) -> list[dict[str, Any]]:
    accepted = TypeAdapter(method).json_schema()["properties"] if fields(method) else {}
    return [
        {
            "name": field.name,
            "default": field.default,
            "default_by_size": _by_size(method.by_size.get(field.name)),
            "accepts": accepts(accepted[field.name]),
        }
        for field in fields(method)
    ]


def _by_size(table: Any) -> dict[str, Any] | None:
    """Defaults by class of size (xs to l); ``few_images`` replaces them on fewer than 10,000 training images."""
    return None if table is None else {size: value for size, value in asdict(table).items() if value is not None}


def accepts(schema: Mapping[str, Any]) -> str:
    """A JSON schema's type and range in words, e.g. ``number > 0`` or ``'train' or 'frozen'``."""
    if "anyOf" in schema:
        return " or ".join(accepts(one) for one in schema["anyOf"] if one.get("type") != "null")
    if "enum" in schema or "const" in schema:
        return " or ".join(repr(value) for value in schema.get("enum", [schema.get("const")]))
    signs = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    limits = [f"{sign} {schema[key]:g}" for key, sign in signs.items() if key in schema]
    return " ".join([str(schema["type"]), ", ".join(limits)]).strip()


def print_methods(name: str | None, as_json: bool) -> None:
    """Table or JSON of all methods, or of one."""
    chosen = [method_record(one) for one in ([name] if name else unlearners.names())]
    if as_json:
        click.echo(json.dumps(chosen if name is None else chosen[0], indent=2))
        return
    if name is not None:
        _print_method(chosen[0])
        return
    _print_table(
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
    click.echo(f"Reads: {', '.join(one['reads']) or 'nothing'}\nCitation: {one['citation']}\n\n{one['explanation']}\n")
    if one["parameters"]:
        rows = [(p["name"], _default(p), p["accepts"]) for p in one["parameters"]]
        _print_table(("parameter", "default", "accepts"), rows)


def _default(parameter: Mapping[str, Any]) -> str:
    if parameter["default_by_size"] is None:
        return "none" if parameter["default"] is None else str(parameter["default"])
    return "by size: " + ", ".join(f"{key} {value}" for key, value in parameter["default_by_size"].items())


def attack_records() -> list[dict[str, Any]]:
    """Attacks and signals as plain values."""
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
    return attacks + signals


def print_attacks(name: str | None, as_json: bool) -> None:
    """Table or JSON of all attacks and signals, or of one."""
    records = attack_records()
    chosen = [one for one in records if name in (None, one["name"])]
    if not chosen:
        raise ConfigError(f"attack: expected one of {', '.join(one['name'] for one in records)}, got {name!r}")
    if as_json:
        click.echo(json.dumps(chosen if name is None else chosen[0], indent=2))
        return
    keys = ("kind", "name", "description", "needs", "role", "citation")
    _print_table(keys, [tuple(one[key] for key in keys) for one in chosen])


def print_plan(plan: Plan, as_json: bool) -> None:
    """The planning table, or the same as JSON."""
    if as_json:
        click.echo(json.dumps(asdict(plan), indent=2, allow_nan=False))
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
    _print_table(("endpoint", "statistic", "certify", "detect", "beyond margin", "remark"), rows)
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
    _print_table(header, profiles)
    tpr = "not estimable" if plan.detectable_tpr is None else f"{plan.detectable_tpr:.4f}"
    click.echo(f"One model alone: AUC gap detectable {plan.detectable_auc:.3f}, TPR detectable at FPR 0.01: {tpr}.")


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table()
    for title in header:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console().print(table, markup=False)
