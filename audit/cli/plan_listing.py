"""How plans are printed: from sizes alone, and from an audit's retrains."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import click

from vestige.audit.cli.console import Screen, number, print_json, print_table, say
from vestige.audit.cli.exchangeable_console import plan_tables
from vestige.audit.endpoints.scores import MIN_RETRAINS
from vestige.audit.exchangeable.power import plan_exchangeable
from vestige.audit.planning.from_reference import Planned, RetrainCost, enough_to_measure
from vestige.audit.planning.power import SizesPlan
from vestige.audit.planning.projection import EndpointOutlook, MeasuredPlan, Outlook, Projection
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Reference

WORST: tuple[Outlook, ...] = ("impossible", "not known", "possible", "likely")
MORE = 5
ENDPOINTS = (
    "endpoint",
    "statistic",
    "spread (95 % bound)",
    "half-width",
    "80 % power",
    "margin",
    "within",
    "FAIL from (80 %)",
    "original's gap",
    "unseen's part",
)


def print_plan(plan: SizesPlan, as_json: bool) -> None:
    """The planning table, or the same as JSON."""
    few = plan_exchangeable(plan.forget, plan.unseen, plan.retrains) if plan.retrains < MIN_RETRAINS else None
    if as_json:
        print_json(asdict(plan) | ({} if few is None else {"exchangeable": asdict(few)}))
        return
    click.echo(
        f"{plan.forget} forget examples, {plan.unseen} unseen ({plan.unseen_calibration} for calibration), "
        f"{plan.retrains} retrains: evidence grade {plan.grade} at best."
    )
    click.echo(f"Simulated, {plan.runs} audits; an audit recomputes these figures from its own retrains.")
    rows = [
        (
            endpoint.name,
            endpoint.statistic,
            *map(number, (endpoint.certify, endpoint.detect, endpoint.beyond)),
            endpoint.reason,
        )
        for endpoint in plan.endpoints
    ]
    print_table(("endpoint", "statistic", "certify", "detect", "beyond margin", "remark"), rows)
    click.echo("certify: margin that a perfect candidate is shown to keep, with 80 % probability")
    click.echo(
        "detect: gap distinguished from zero with 80 % probability; a FAIL needs the margin plus 'beyond margin'"
    )
    profiles = [
        (
            outlook.profile,
            f"{outlook.margin_auc:.2f} (epsilon {outlook.epsilon:.2f})",
            number(outlook.pass_rate),
            outlook.outlook,
            ", ".join(f"{name} {gap:.3f}" for name, gap in outlook.fail_gap.items()),
            outlook.why,
        )
        for outlook in plan.profiles
    ]
    header = ("profile", "AUC margin", "PASS rate of a perfect candidate", "outlook", "gap that FAILs (80 %)", "why")
    print_table(header, profiles)
    tpr = "not estimable" if plan.detectable_tpr is None else f"{plan.detectable_tpr:.4f}"
    click.echo(f"One model alone: AUC gap detectable {plan.detectable_auc:.3f}, TPR detectable at FPR 0.01: {tpr}.")
    for part in [] if few is None else plan_tables(few):
        Screen().print(part)


def print_measured(planned: Planned, policy: Policy, as_json: bool, audit_file: str | None) -> None:
    """The plan as tables, or the same as JSON; audit_file: its name, where the plan is of one."""
    if as_json:
        print_json({**asdict(planned), "policy": {**asdict(policy), "hash": policy.hash}})
        return
    for line in _head(planned, policy, audit_file):
        say(line)
    measured = planned.measured
    if measured is not None and enough_to_measure(planned):
        _print_endpoints(measured)
        if any(endpoint.projections for endpoint in measured.endpoints):
            _print_projections(measured)
    for line in _cost(planned.cost):
        say(line)


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
            "Nothing is measured yet. On synthetic scores of these sizes: vestige plan "
            f"--forget {sizes.forget} --unseen {sizes.unseen} --retrains {sizes.retrains}"
        )
        return
    yield f"As it stands, PASS of a perfect candidate: {measured.outlook}; {measured.why}."
    yield f"Evidence: grade {measured.grade} at best."
    yield _caught(measured.reference)
    if measured.reference.remedy:
        yield measured.reference.remedy


def _caught(reference: Reference) -> str:
    if not reference.original:
        return "E2: no original, so nothing shows that the attacks would find the forget set."
    if reference.assay_sensitive is None:
        return "E2: not tested; the positive control needs a valid reference of three retrains."
    if reference.detecting:
        return f"E2: the original is caught by {', '.join(reference.detecting)}."
    return "E2: no per-example attack catches the original."


def _print_endpoints(measured: MeasuredPlan) -> None:
    print_table(ENDPOINTS, [_row(endpoint) for endpoint in measured.endpoints])
    say("half-width: of the PASS interval. 80 % power: margin that a perfect candidate is shown to keep with 80 %")
    say("probability. within: whether it can be shown to keep this margin. FAIL from: gap that fails with 80 %")
    say("probability. unseen's part: of the spread's square, what more unseen examples shrink.")
    for outlook in measured.utility:
        widths = f"half-width {outlook.half_width:.3f}, margin {outlook.margin:g}"
        say(f"Accuracy on {outlook.role}: {widths}: {outlook.outlook}")


def _row(endpoint: EndpointOutlook) -> tuple[str, ...]:
    name, margin = (endpoint.name, endpoint.statistic), f"{endpoint.margin_effective:.3f}"
    if endpoint.spread is None:
        return (*name, "-", "-", "-", margin, endpoint.reason, "-", "-", "-")
    return (
        *name,
        f"{endpoint.spread:.4f} ({endpoint.spread_bound or 0:.4f})",
        number(endpoint.half_width),
        number(endpoint.plan_width),
        margin,
        endpoint.outlook if endpoint.primary else f"{endpoint.outlook}, not required",
        number(endpoint.fail_gap),
        number(endpoint.original_gap, "+") + (" caught" if endpoint.original_caught else ""),
        f"{100 * (endpoint.unseen_share or 0):.0f} %",
    )


def _print_projections(measured: MeasuredPlan) -> None:
    known = [endpoint for endpoint in measured.endpoints if endpoint.primary and endpoint.projections]
    now = measured.reference
    sizes = (str(now.retrains), str(now.unseen_calibration + now.unseen_evaluation))
    widths = (f"{number(endpoint.half_width)}\nFAIL {number(endpoint.fail_gap)}" for endpoint in known)
    rows = [
        (*sizes, *widths, _worst([endpoint.outlook for endpoint in known])),
        *map(_projected, zip(*(endpoint.projections for endpoint in known), strict=True)),
    ]
    say("What more would buy: half-width [90 % interval], and the gap that FAILs (80 %). The first row is now.")
    print_table(("retrains", "unseen", *(endpoint.name for endpoint in known), "all within"), rows)
    say("The intervals include that the spread over so few retrains is itself uncertain; more examples are taken to be")
    say("like those there are. A grade that the policy requires, accuracy and the controls are judged as well.")


def _projected(projections: Sequence[Projection]) -> tuple[str, ...]:
    cells = (
        f"{projection.half_width:.3f} [{low:.3f}, {high:.3f}]\nFAIL {projection.fail_gap:.3f}"
        for projection in projections
        for low, high in [projection.half_width_interval]
    )
    sizes = (str(projections[0].retrains), str(projections[0].unseen))
    return (*sizes, *cells, _worst([projection.outlook for projection in projections]))


def _worst(outlooks: Sequence[Outlook]) -> str:
    return min(outlooks, key=WORST.index)


def _cost(cost: RetrainCost | None) -> Iterator[str]:
    if cost is None:
        return
    line = f"{MORE} more retrains: about {MORE * cost.flops / 1e12:.3g} TFLOPs"
    if cost.seconds is None:
        yield f"{line}; no time was recorded in this workspace."
        return
    seconds = MORE * cost.seconds
    time = f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.1f} s"
    yield f"{line}, one after the other about {time}, as the control fresh_retrain took when this workspace was made."
