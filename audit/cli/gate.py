"""The commands ``vestige gate`` and ``vestige compare``."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from rich.table import Table
from rich.text import Text

from vestige.audit.cli import console
from vestige.audit.cli.exit_codes import FAIL, INCONCLUSIVE, PASS
from vestige.audit.cli.options import PATH, json_option
from vestige.audit.policy import PROFILES, profile

if TYPE_CHECKING:
    from vestige.audit.gate.compare import Comparison, Measure, Pair
    from vestige.audit.gate.gate import Gate

CHANGES = {"better": "green", "worse": "bold red", "became undecidable": "yellow", "unchanged": ""}


@click.command()
@click.argument("reports", metavar="REPORT...", type=PATH, nargs=-1, required=True)
@click.option("--policy", "policy_path", type=PATH, help="Policy file (TOML) that the reports must be judged under.")
@click.option("--profile", "profile_name", type=click.Choice(list(PROFILES)), help="Ready policy, in its place.")
@click.option("--inconclusive", type=click.Choice(["fail", "warn"]), help="Overrides the policy's: exit with 3 or 0.")
@click.option("--allow-changed-policy", is_flag=True, help="Let through a policy that is not the registered one.")
@click.option("--leave-out-controls", is_flag=True, help="Do not count the controls of vestige run.")
@click.option(
    "--evidence", type=PATH, multiple=True, help="File or folder to check cited digests against; several times."
)
@click.option(
    "--plan", "plans", type=PATH, multiple=True, help="Plan file to check the reports against; several times."
)
@click.option("--require-plan", is_flag=True, help="Without a plan that was kept (one of --plan, if given) no PASS.")
@click.option("--junit", type=PATH, help="Write JUnit XML.")
@click.option("--summary", type=PATH, help="Append Markdown, as to $GITHUB_STEP_SUMMARY.")
@click.option("--sarif", type=PATH, help="Write SARIF 2.1.0.")
@click.option(
    "--sarif-profile",
    type=click.Choice(["plain", "github"]),
    default="plain",
    show_default=True,
    help="github: only FAIL and INCONCLUSIVE, located in the policy file.",
)
@click.option("--in-toto", type=PATH, help="Write an (unsigned) in-toto statement, predicate test-result.")
@json_option
def gate(
    reports: tuple[Path, ...],
    policy_path: Path | None,
    profile_name: str | None,
    inconclusive: Literal["fail", "warn"] | None,
    allow_changed_policy: bool,
    leave_out_controls: bool,
    evidence: tuple[Path, ...],
    plans: tuple[Path, ...],
    require_plan: bool,
    junit: Path | None,
    summary: Path | None,
    sarif: Path | None,
    sarif_profile: Literal["plain", "github"],
    in_toto: Path | None,
    as_json: bool,
) -> int:
    """Verify reports (report.json, or the folder it is in) and exit with their worst verdict.

    A report is refused (exit code 4) when it was judged under another policy, when its verdict or numbers do not follow
    from what it states, or when a file at hand is not the one it cites. INCONCLUSIVE is not green: exit code 3.
    """
    from vestige.audit.gate.formats.writing import check_targets, write
    from vestige.audit.gate.gate import Requirement
    from vestige.audit.gate.gate import gate as judge

    if (policy_path is None) == (profile_name is None):
        raise click.UsageError("give either --policy FILE or --profile NAME: the policy that the reports must meet")
    if policy_path is not None:
        requirement = Requirement.read(policy_path, inconclusive)
    else:
        requirement = Requirement.of(profile(str(profile_name)), inconclusive)
    asked = {"--junit": junit, "--summary": summary, "--sarif": sarif, "--in-toto": in_toto}
    targets = {option: path for option, path in asked.items() if path is not None}
    if sarif is not None and sarif_profile == "github" and policy_path is None:
        raise click.UsageError("--sarif-profile github needs --policy FILE: the results are located in it")
    check_targets(targets, [*reports, *evidence, *plans, *(() if policy_path is None else (policy_path,))])
    requirement = replace(
        requirement,
        allow_changed_policy=allow_changed_policy,
        leave_out_controls=leave_out_controls,
        require_plan=require_plan,
    )
    found = judge(reports, requirement, evidence=evidence, plans=plans)
    write(found, targets, sarif_profile)
    code = PASS if found.passes else FAIL if found.outcome == "FAIL" else INCONCLUSIVE
    if as_json:
        click.echo(json.dumps(_gate_record(found, code), indent=2, allow_nan=False))
    else:
        _print_gate(found)
    return code


def _gate_record(found: "Gate", code: int) -> dict[str, Any]:
    required = found.requirement
    return {
        "headline": found.headline,
        "outcome": found.outcome,
        "exit_code": code,
        "inconclusive": required.inconclusive,
        "policy": {"name": required.name, "hash": required.policy.hash, **asdict(required.policy)},
        "candidates": [
            {
                "report": one.source,
                "candidate": one.audit.candidate,
                "unplanned": one.unplanned,
                **asdict(one.audit.verdict),
            }
            for one in found.candidates
        ],
        "cited": [asdict(one) for one in found.cited],
        "remarks": found.remarks,
    }


def _print_gate(found: "Gate") -> None:
    from vestige.audit.files.text import one_line

    screen = console.console()
    screen.print(Text(one_line(found.headline, 1000), console.STYLES[found.outcome]), soft_wrap=True)
    table = Table()
    for title in ("report", "candidate", "verdict", "reasons", "grade"):
        table.add_column(title, overflow="fold")
    for one in found.candidates:
        verdict = one.audit.verdict
        outcome = Text(verdict.outcome, console.STYLES[verdict.outcome])
        table.add_row(Text(one_line(one.source)), Text(one.name), outcome, "\n".join(verdict.reasons), verdict.grade)
    screen.print(table)
    for cited in found.cited:
        file = f" ({one_line(cited.file)})" if cited.file else ""
        line = f"  {cited.report}: {cited.what}, {cited.digest[:12]}: {cited.state}{file}"
        screen.print(Text(one_line(line, 400)), soft_wrap=True)
    for remark in found.remarks:
        screen.print(Text(f"  note: {one_line(remark, 400)}"), soft_wrap=True)


@click.command()
@click.argument("old", type=PATH)
@click.argument("new", type=PATH)
@json_option
def compare(old: Path, new: Path, as_json: bool) -> int:
    """What got better, worse or undecidable from report OLD to report NEW, candidate by candidate.

    What makes the comparison unfair is said first. The exit code is 0 whatever changed.
    """
    from vestige.audit.gate.compare import compare as side_by_side

    found = side_by_side(old, new)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2, allow_nan=False))
    else:
        _print_comparison(found)
    return PASS


def _print_comparison(found: "Comparison") -> None:
    from vestige.audit.files.text import one_line

    screen = console.console()
    if found.unfair:
        screen.print(Text("Not a fair comparison: more than the candidates differs.", "bold yellow"))
    for line in found.unfair:
        screen.print(Text(f"  {one_line(line, 400)}"), soft_wrap=True)
    for pair in found.pairs:
        _print_pair(pair)
    for side, names in (("OLD", found.only_old), ("NEW", found.only_new)):
        for name in names:
            screen.print(Text(f"{one_line(name, 120)}: only in {side}"), soft_wrap=True)
    if not found.pairs:
        screen.print("No candidate is in both reports.")


def _print_pair(pair: "Pair") -> None:
    from vestige.audit.files.text import one_line

    screen = console.console()
    old, new = _label(pair.old, pair.old_reasons), _label(pair.new, pair.new_reasons)
    line = f"{one_line(pair.candidate, 120)}: {old}, then {new}: {pair.change}"
    screen.print(Text(line, CHANGES[pair.change]), soft_wrap=True)
    table = Table()
    for title in ("", "decision", "then", "gap", "then", "change", "gap moved"):
        table.add_column(title, no_wrap=title == "")
    for one in pair.parts:
        moved = one.drift if not one.clear else f"{one.drift}, clear of the old interval"
        measures = (one.old.decision, one.new.decision, _gap(one.old), _gap(one.new))
        table.add_row(one.name, *measures, Text(one.change, CHANGES[one.change]), moved)
    screen.print(table)


def _label(outcome: str, reasons: tuple[str, ...]) -> str:
    from vestige.audit.files.text import one_line

    return f"{outcome} ({', '.join(one_line(one, 40) for one in reasons)})" if reasons else outcome


def _gap(one: "Measure") -> str:
    if one.gap is None:
        return "-"
    return f"{one.gap:+.3f}" + ("" if one.interval is None else f" [{one.interval[0]:+.3f}, {one.interval[1]:+.3f}]")
