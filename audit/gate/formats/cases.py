"""A candidate's verdict as a list of tests: what JUnit, SARIF and in-toto have in common."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from vestige.audit.endpoints.endpoints import DEFINITIONS
from vestige.audit.files.text import one_line
from vestige.audit.results.endpoint import Decision, Endpoint
from vestige.audit.results.evidence import Outcome, Utility
from vestige.audit.results.report import Audit
from vestige.audit.results.shadows import why_absent
from vestige.audit.verdict.wording import open_groups

State = Literal["pass", "fail", "open"]
SCORES = {one.name: one.score for one in DEFINITIONS}
OF_OUTCOME: dict[Outcome, State] = {"PASS": "pass", "FAIL": "fail", "INCONCLUSIVE": "open"}
OF_UTILITY: dict[str, State] = {"non-inferior": "pass", "inferior": "fail", "uncertain": "open"}
OF_DECISION: dict[Decision, State] = {"within": "pass", "outside": "fail", "uncertain": "open", "not estimable": "open"}


@dataclass(frozen=True)
class Case:
    """One test. name: ``verdict``, an endpoint or ``utility retain``. title: what is tested. text: what was found, on
    one line."""

    name: str
    title: str
    state: State
    text: str


def cases(audit: Audit, unplanned: str | None = None) -> tuple[Case, ...]:
    """The verdict, each endpoint, each group that was judged or demanded, utility on each role and, where one is
    required, the plan (see ``GatedCandidate``).

    All but the plan pass exactly where the verdict is PASS: an endpoint that can only cause FAIL, and under a PASS one
    that is not estimable, passes unless it fails, and says so; so does an attack with shadow models that the audit
    lacks.
    """
    verdict = audit.verdict
    sentences = " ".join((verdict.headline, *verdict.explanations, *verdict.would_change))
    first = Case("verdict", "PASS, FAIL or INCONCLUSIVE", OF_OUTCOME[verdict.outcome], one_line(sentences, 2000))
    found = (first, *_endpoints(audit), *_groups(audit), *map(_utility, audit.utility))
    if unplanned is None:
        return found
    return (
        *found,
        Case("plan", "Judged under a plan that was kept", "open" if unplanned else "pass", unplanned),
    )


def _endpoints(audit: Audit) -> Iterator[Case]:
    passed = audit.verdict.outcome == "PASS"
    for one in audit.endpoints:
        state, text = OF_DECISION[one.decision], _found(one)
        if one.candidate is None and why_absent(SCORES[one.name], audit.shadows):
            yield Case(one.name, one.statistic, "pass", one_line(f"{text}; not required without shadow models", 500))
            continue
        undecided = state == "open"
        if undecided and (passed or (not one.primary and one.decision == "uncertain")):
            state = "pass"
            text += "; required for PASS where it is estimable" if one.primary else "; can only cause FAIL, and did not"
        yield Case(one.name, one.statistic, state, one_line(text, 500))


def _groups(audit: Audit) -> Iterator[Case]:
    demanded = open_groups(audit.groups) if "GROUP_OPEN" in audit.verdict.reasons else []
    for group in audit.groups:
        if not group.endpoints and group not in demanded:
            continue
        state: State = "fail" if group.standing == "outside" else "open" if group in demanded else "pass"
        gaps = ", ".join(f"{one.name} {one.gap:+.4f} {one.decision}" for one in group.endpoints if one.gap is not None)
        text = f"{group.standing}: {group.reason or gaps}"
        title = f"Endpoints on {group.name} of the forget set"
        yield Case(one_line(group.name, 200), one_line(title, 300), state, one_line(text, 500))


def _found(one: Endpoint) -> str:
    if one.gap is None:
        return f"{one.decision}: {one.reason}"
    interval = "" if one.interval is None else f" [{one.interval[0]:+.4f}, {one.interval[1]:+.4f}]"
    reason = f" ({one.reason})" if one.reason else ""
    return f"{one.decision}{reason}: gap {one.gap:+.4f}{interval}, margin {one.margin_effective:g}"


def _utility(one: Utility) -> Case:
    low, high = one.interval
    text = f"{one.decision}: gap {one.gap:+.4f} [{low:+.4f}, {high:+.4f}], margin {one.margin:g}"
    title = f"Accuracy on {one.role} examples against the retrains"
    return Case(f"utility {one.role}", title, OF_UTILITY[one.decision], text)
