"""How plans are printed: from sizes alone, and from an audit's retrains."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import click

from vestige.audit.cli.console import number, print_json, print_table, say
from vestige.audit.planning.from_reference import Planned
from vestige.audit.planning.power import SizesPlan
from vestige.audit.planning.projection import MeasuredPlan
from vestige.audit.planning.widths import EndpointOutlook, Widths, primary, worst
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Reference

ENDPOINTS = (
    "endpoint",
    "statistic",
    "example error",
    "spread",
    "half-width",
    "certifies (80 %)",
    "margin",
    "within",
    "FAIL from (80 %)",
)
OF_ORIGINAL = ("original's gap", "unseen's part")
SETTINGS = {
    "random": "The forget set is a random draw (drawn by vestige, or --random):",
    "chosen": "The forget set was chosen (a seed adds {:g} example errors):",
}
WIDTHS = (
    "half-width: of the PASS interval. certifies: margin that a perfect candidate is shown to keep with 80 %.",
    "FAIL from: gap that fails with 80 %. within: whether a perfect candidate can be shown to keep the margin.",
)


def print_plan(plan: SizesPlan, as_json: bool) -> None:
    """The planning table, or the same as JSON."""
    if as_json:
        print_json(asdict(plan))
        return
    click.echo(
        f"{plan.forget} forget examples, {plan.unseen} unseen ({plan.unseen_calibration} for calibration), "
        f"{plan.retrains} retrains. By formulas; an audit recomputes them from its own retrains."
    )
    for setting, words in SETTINGS.items():
        plans = [each for each in plan.settings if each.setting == setting]
        usual = next((each for each in plans if each.profile == "standard"), plans[0])
        say(words.format(plan.seed_spread))
        print_table(ENDPOINTS, [_row(endpoint) for endpoint in usual.endpoints])
        for each in plans:
            say(f"{each.profile}: PASS of a perfect candidate {each.outlook} (grade {each.grade} at best); {each.why}.")
    for line in WIDTHS:
        say(line)


def print_measured(planned: Planned, policy: Policy, as_json: bool, audit_file: str | None) -> None:
    """The plan as tables, or the same as JSON; audit_file: its name, where the plan is of one."""
    if as_json:
        print_json({**asdict(planned), "policy": {**asdict(policy), "hash": policy.hash}})
        return
    for line in _head(planned, policy, audit_file):
        say(line)
    measured = planned.measured
    if measured is not None and any(endpoint.widths for endpoint in measured.endpoints):
        _print_endpoints(measured)
        _print_projections(measured)


def _head(planned: Planned, policy: Policy, audit_file: str | None) -> Iterator[str]:
    sizes, measured = planned.sizes, planned.measured
    original = "the original" if planned.original_there else "no original"
    retain = "" if sizes.retain is None else f", {sizes.retain} retain"
    yield (
        f"{sizes.forget} forget examples, {sizes.unseen} unseen{retain}; {planned.there} of {sizes.retrains} retrains "
        f"and {original} are there."
    )
    if audit_file is not None and (planned.there < sizes.retrains or not planned.original_there):
        yield f"What is missing is made by: vestige run {audit_file} --reference-only (no candidate is made or judged)."
    yield f"Policy {policy.profile} ({policy.hash[:12]}): {policy.margins}, evidence of grade {policy.min_evidence}."
    if measured is None:
        yield (
            "Nothing is measured yet. From sizes alone: vestige plan "
            f"--forget {sizes.forget} --unseen {sizes.unseen} --retrains {sizes.retrains}"
        )
        return
    yield f"Setting: {measured.setting.words}."
    yield f"As it stands, PASS of a perfect candidate: {measured.outlook}; {measured.why}."
    yield f"Evidence: grade {measured.grade} at best."
    yield _caught(measured.reference)
    if measured.reference.remedy:
        yield measured.reference.remedy


def _caught(reference: Reference) -> str:
    if not reference.original:
        return "No original, so nothing shows that the attacks would find the forget set."
    if reference.detecting is None:
        return "Whether the original is caught was not tested: the reference is not valid."
    if reference.detecting:
        return f"The original is caught by {', '.join(reference.detecting)}."
    return "No attack on memory catches the original."


def _print_endpoints(measured: MeasuredPlan) -> None:
    rows = [(*_row(endpoint), *_of_original(endpoint)) for endpoint in measured.endpoints]
    print_table((*ENDPOINTS, *OF_ORIGINAL), rows)
    for line in WIDTHS:
        say(line)
    say("unseen's part: of the example error's square, what more unseen examples shrink.")
    for outlook in measured.utility:
        shown = "shown to be no worse" if outlook.shown else "not shown to be no worse, which is no obstacle"
        widths = f"half-width {outlook.half_width:.3f}, margin {outlook.margin:g}"
        say(f"Usefulness on {outlook.role} examples: {widths}: {shown}")


def _row(endpoint: EndpointOutlook) -> tuple[str, ...]:
    name, margin, widths = (endpoint.name, endpoint.statistic), f"{endpoint.margin_effective:.3f}", endpoint.widths
    if widths is None:
        return (*name, "-", "-", "-", "-", margin, endpoint.reason, "-")
    within = widths.outlook if endpoint.role == "primary" else f"{widths.outlook}, not required"
    errors = [f"{value:.4f}" if value is not None else "-" for value in (endpoint.example_error, endpoint.spread)]
    return (
        *name,
        *errors,
        *map(number, (widths.half_width, widths.plan_width)),
        margin,
        within,
        number(widths.fail_gap),
    )


def _of_original(endpoint: EndpointOutlook) -> tuple[str, str]:
    if endpoint.widths is None:
        return "-", "-"
    caught = " caught" if endpoint.original_caught else ""
    return number(endpoint.original_gap, "+") + caught, f"{100 * (endpoint.unseen_share or 0):.0f} %"


def _print_projections(measured: MeasuredPlan) -> None:
    known, now = primary(measured.endpoints), measured.reference
    rows = [_projected((now.retrains, now.unseen_calibration + now.unseen_evaluation), list(known.values()))]
    projected = [endpoint.projections for endpoint in measured.endpoints if endpoint.name in known]
    for projections in zip(*projected, strict=True):
        sizes = (projections[0].retrains, projections[0].unseen)
        rows.append(_projected(sizes, [projection.widths for projection in projections]))
    say("What more would buy: half-width, and the gap that FAILs (80 %). The first row is now.")
    print_table(("retrains", "unseen", *known, "all within"), rows)
    say("More retrains and examples are taken to be like those there are. A grade that the policy requires, usefulness")
    say("and the controls are judged as well.")


def _projected(sizes: tuple[int, int], widths: Sequence[Widths]) -> tuple[str, ...]:
    cells = (f"{each.half_width:.3f}\nFAIL {each.fail_gap:.3f}" for each in widths)
    return (*map(str, sizes), *cells, worst(each.outlook for each in widths))
