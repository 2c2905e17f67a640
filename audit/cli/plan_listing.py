"""How a plan from an audit's own retrains is printed."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import click

from vestige.audit.cli.console import print_table
from vestige.audit.cli.screen import console
from vestige.audit.planning.from_reference import Planned, RetrainCost, enough_to_measure
from vestige.audit.planning.projection import EndpointOutlook, MeasuredPlan, Outlook, Projection
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Reference

WORST: tuple[Outlook, ...] = ("impossible", "not known", "possible", "likely")
MORE = 5


def print_measured(planned: Planned, policy: Policy, as_json: bool, audit_file: str | None) -> None:
    """The plan as tables, or the same as JSON; audit_file: its name, where the plan is of one."""
    if as_json:
        content = {**asdict(planned), "policy": {**asdict(policy), "hash": policy.hash}}
        click.echo(json.dumps(content, indent=2, allow_nan=False))
        return
    for line in _head(planned, policy, audit_file):
        _say(line)
    measured = planned.measured
    if measured is not None and enough_to_measure(planned):
        _print_endpoints(measured)
        if any(one.projections for one in measured.endpoints):
            _print_projections(measured)
    for line in _cost(planned.cost):
        _say(line)


def _say(line: str) -> None:
    console().print(line, soft_wrap=True, markup=False)


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
    rows = [_row(one) for one in measured.endpoints]
    header = (
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
    print_table(header, rows)
    _say("half-width: of the PASS interval. 80 % power: margin that a perfect candidate is shown to keep with 80 %")
    _say("probability. within: whether it can be shown to keep this margin. FAIL from: gap that fails with 80 %")
    _say("probability. unseen's part: of the spread's square, what more unseen examples shrink.")
    for one in measured.utility:
        _say(f"Accuracy on {one.role}: half-width {one.half_width:.3f}, margin {one.margin:g}: {one.outlook}")


def _row(one: EndpointOutlook) -> tuple[str, ...]:
    if one.spread is None:
        return (one.name, one.statistic, "-", "-", "-", f"{one.margin_effective:.3f}", one.reason, "-", "-", "-")
    gap = "-" if one.original_gap is None else f"{one.original_gap:+.3f}{' caught' if one.original_caught else ''}"
    return (
        one.name,
        one.statistic,
        f"{one.spread:.4f} ({one.spread_bound or 0:.4f})",
        _figure(one.half_width),
        _figure(one.plan_width),
        f"{one.margin_effective:.3f}",
        one.outlook if one.primary else f"{one.outlook}, not required",
        _figure(one.fail_gap),
        gap,
        f"{100 * (one.unseen_share or 0):.0f} %",
    )


def _print_projections(measured: MeasuredPlan) -> None:
    known = [one for one in measured.endpoints if one.primary and one.projections]
    now = measured.reference
    unseen = now.unseen_calibration + now.unseen_evaluation
    rows = [
        (str(now.retrains), str(unseen), *(_now(one) for one in known), _worst([one.outlook for one in known])),
        *(_projected([one.projections[place] for one in known]) for place in range(len(known[0].projections))),
    ]
    _say("What more would buy: half-width [90 % interval], and the gap that FAILs (80 %). The first row is now.")
    print_table(("retrains", "unseen", *(one.name for one in known), "all within"), rows)
    _say("The intervals hold that the spread over so few retrains is itself uncertain; more examples are taken to be")
    _say("like those there are. A grade that the policy requires, accuracy and the controls come besides.")


def _now(one: EndpointOutlook) -> str:
    return f"{_figure(one.half_width)}\nFAIL {_figure(one.fail_gap)}"


def _projected(row: Sequence[Projection]) -> tuple[str, ...]:
    cells = [
        f"{one.half_width:.3f} [{one.half_width_interval[0]:.3f}, {one.half_width_interval[1]:.3f}]\n"
        f"FAIL {one.fail_gap:.3f}"
        for one in row
    ]
    return (str(row[0].retrains), str(row[0].unseen), *cells, _worst([one.outlook for one in row]))


def _worst(outlooks: Sequence[Outlook]) -> str:
    return min(outlooks, key=WORST.index)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _cost(cost: RetrainCost | None) -> Iterator[str]:
    if cost is None:
        return
    line = f"{MORE} more retrains: about {_tera(MORE * cost.flops)} TFLOPs"
    if cost.seconds is None:
        yield f"{line}; no time was recorded in this workspace."
        return
    seconds = MORE * cost.seconds
    time = f"{seconds / 60:.1f} minutes" if seconds >= 60 else f"{seconds:.1f} s"
    yield f"{line}, one after the other about {time}, as the control fresh_retrain took when this workspace was made."


def _tera(flops: float) -> str:
    return f"{flops / 1e12:.3g}"
