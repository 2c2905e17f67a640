"""The commands ``vestige gate`` and ``vestige compare``."""

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import click
from rich.text import Text

from vestige.audit.cli.console import STYLES, number, print_json, print_table, say
from vestige.audit.cli.exit_codes import FAIL, INCONCLUSIVE, PASS
from vestige.audit.cli.options import PATH, bundled, json_option, option, profile_option
from vestige.audit.files.text import one_line
from vestige.audit.gate.compare import Comparison, Measure, Pair
from vestige.audit.gate.compare import compare as compare_reports
from vestige.audit.gate.formats.writing import check_targets, write
from vestige.audit.gate.gate import Gate, Requirement
from vestige.audit.gate.gate import gate as judge
from vestige.audit.policy import profile

CHANGES = {"better": "green", "worse": "bold red", "became undecidable": "yellow", "unchanged": ""}


@dataclass(frozen=True)
class Targets:
    """The files to write, each None where it is not wanted."""

    junit: Path | None = option(type=PATH, help="Write JUnit XML.")
    summary: Path | None = option(type=PATH, help="Append Markdown, as to $GITHUB_STEP_SUMMARY.")
    sarif: Path | None = option(type=PATH, help="Write SARIF 2.1.0.")
    sarif_profile: Literal["plain", "github"] = option(
        type=click.Choice(["plain", "github"]),
        default="plain",
        show_default=True,
        help="github: only FAIL and INCONCLUSIVE, located in the policy file.",
    )
    in_toto: Path | None = option(type=PATH, help="Write an (unsigned) in-toto statement, predicate test-result.")

    @property
    def paths(self) -> dict[str, Path]:
        """Those that are wanted, by their option."""
        named = {f"--{field.name.replace('_', '-')}": getattr(self, field.name) for field in fields(self)}
        return {option: path for option, path in named.items() if isinstance(path, Path)}


@dataclass(frozen=True)
class Checks:
    """What reports are checked against in addition to the policy; as for ``gate`` of the library."""

    allow_changed_policy: bool = option(is_flag=True, help="Let through a policy that is not the registered one.")
    leave_out_controls: bool = option(is_flag=True, help="Do not count the controls of vestige run.")
    evidence: tuple[Path, ...] = option(
        type=PATH, multiple=True, help="File or folder to check digests against; repeatable."
    )
    plans: tuple[Path, ...] = option(
        "--plan", type=PATH, multiple=True, help="Plan file to check reports against; repeatable."
    )
    require_plan: bool = option(is_flag=True, help="No PASS without a plan that was kept (one of --plan, if given).")


@click.command()
@click.argument("reports", metavar="REPORT...", type=PATH, nargs=-1, required=True)
@click.option("--policy", "policy_path", type=PATH, help="Policy file (TOML) that the reports must be judged under.")
@profile_option
@click.option("--inconclusive", type=click.Choice(["fail", "warn"]), help="Overrides the policy's: exit with 3 or 0.")
@bundled("checks", Checks)
@bundled("targets", Targets)
@json_option
def gate(
    reports: tuple[Path, ...],
    policy_path: Path | None,
    profile_name: str | None,
    inconclusive: Literal["fail", "warn"] | None,
    checks: Checks,
    targets: Targets,
    as_json: bool,
) -> int:
    """Verify reports and exit with their worst verdict.

    REPORT is a report.json, or the folder it is in. A report is refused (exit code 4) when it was judged under another
    policy, when its verdict or numbers do not follow from what it states, or when a file at hand is not the one it
    cites. INCONCLUSIVE is not green: exit code 3.
    """
    if (policy_path is None) == (profile_name is None):
        raise click.UsageError("give either --policy FILE or --profile NAME: the policy that the reports must meet")
    if policy_path is not None:
        requirement = Requirement.read(policy_path, inconclusive)
    else:
        requirement = Requirement.of(profile(str(profile_name)), inconclusive)
    if targets.sarif is not None and targets.sarif_profile == "github" and policy_path is None:
        raise click.UsageError("--sarif-profile github needs --policy FILE: the results are located in it")
    read = (*reports, *checks.evidence, *checks.plans, *(() if policy_path is None else (policy_path,)))
    check_targets(targets.paths, read)
    requirement = replace(
        requirement,
        allow_changed_policy=checks.allow_changed_policy,
        leave_out_controls=checks.leave_out_controls,
        require_plan=checks.require_plan,
    )
    judged = judge(reports, requirement, evidence=checks.evidence, plans=checks.plans)
    write(judged, targets.paths, targets.sarif_profile)
    code = PASS if judged.passes else FAIL if judged.outcome == "FAIL" else INCONCLUSIVE
    if as_json:
        print_json(_gate_record(judged, code))
    else:
        _print_gate(judged)
    return code


def _gate_record(judged: Gate, code: int) -> dict[str, Any]:
    required = judged.requirement
    return {
        "headline": judged.headline,
        "outcome": judged.outcome,
        "exit_code": code,
        "inconclusive": required.inconclusive,
        "policy": {"name": required.name, "hash": required.policy.hash, **asdict(required.policy)},
        "candidates": [
            {
                "report": candidate.source,
                "candidate": candidate.audit.candidate,
                "unplanned": candidate.unplanned,
                **asdict(candidate.audit.verdict),
            }
            for candidate in judged.candidates
        ],
        "cited": [asdict(cited) for cited in judged.cited],
        "remarks": judged.remarks,
    }


def _print_gate(judged: Gate) -> None:
    say(one_line(judged.headline, 1000), STYLES[judged.outcome])
    rows = []
    for candidate in judged.candidates:
        verdict = candidate.audit.verdict
        outcome = Text(verdict.outcome, STYLES[verdict.outcome])
        rows.append((one_line(candidate.source), candidate.name, outcome, "\n".join(verdict.codes), verdict.grade))
    print_table(("report", "candidate", "verdict", "reasons", "grade"), rows)
    for cited in judged.cited:
        file = f" ({one_line(cited.file)})" if cited.file else ""
        say(one_line(f"  {cited.report}: {cited.what}, {cited.digest[:12]}: {cited.state}{file}", 400))
    for remark in judged.remarks:
        say(f"  note: {one_line(remark, 400)}")


@click.command()
@click.argument("old", type=PATH)
@click.argument("new", type=PATH)
@json_option
def compare(old: Path, new: Path, as_json: bool) -> int:
    """Compare two reports: what got better, worse or undecidable from OLD to NEW.

    Candidate by candidate; what makes the comparison unfair comes first. The exit code is 0 whatever changed.
    """
    comparison = compare_reports(old, new)
    if as_json:
        print_json(asdict(comparison))
    else:
        _print_comparison(comparison)
    return PASS


def _print_comparison(comparison: Comparison) -> None:
    if comparison.unfair:
        say("Not a fair comparison: more than the candidates differs.", "bold yellow")
    for line in comparison.unfair:
        say(f"  {one_line(line, 400)}")
    for pair in comparison.pairs:
        _print_pair(pair)
    for side, names in (("OLD", comparison.only_old), ("NEW", comparison.only_new)):
        for name in names:
            say(f"{one_line(name, 120)}: only in {side}")
    if not comparison.pairs:
        say("No candidate is in both reports.")


def _print_pair(pair: Pair) -> None:
    old, new = _label(pair.old, pair.old_reasons), _label(pair.new, pair.new_reasons)
    say(f"{one_line(pair.candidate, 120)}: {old}, then {new}: {pair.change}", CHANGES[pair.change])
    rows = []
    for part in pair.parts:
        moved = part.drift if not part.clear else f"{part.drift}, clear of the old interval"
        measures = (part.old.decision, part.new.decision, _gap(part.old), _gap(part.new))
        rows.append((part.name, *measures, Text(part.change, CHANGES[part.change]), moved))
    print_table(("", "decision", "then", "gap", "then", "change", "gap moved"), rows)


def _label(outcome: str, reasons: tuple[str, ...]) -> str:
    return f"{outcome} ({', '.join(one_line(reason, 40) for reason in reasons)})" if reasons else outcome


def _gap(measure: Measure) -> str:
    interval = "" if measure.interval is None else " [{:+.3f}, {:+.3f}]".format(*measure.interval)
    return number(measure.gap, "+") + (interval if measure.gap is not None else "")
