"""A candidate's verdict as a list of tests: what JUnit, SARIF and in-toto have in common."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from vestige.audit.endpoints.endpoints import DEFINITIONS
from vestige.audit.files.text import one_line
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import Utility
from vestige.audit.results.report import Audit
from vestige.audit.results.shadows import why_absent
from vestige.audit.verdict.wording import open_groups

State = Literal["pass", "fail", "open"]
SCORES = MappingProxyType({definition.name: definition.score for definition in DEFINITIONS})
STATES: Mapping[str, State] = MappingProxyType(
    {
        **dict.fromkeys(("PASS", "within", "non-inferior"), "pass"),
        **dict.fromkeys(("FAIL", "outside", "inferior"), "fail"),
        **dict.fromkeys(("INCONCLUSIVE", "uncertain", "not estimable"), "open"),
    }
)
"""Of the outcome of a verdict and of the decision on an endpoint, a group or utility."""


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
    first = Case("verdict", "PASS, FAIL or INCONCLUSIVE", STATES[verdict.outcome], one_line(sentences, 2000))
    endpoints = (_endpoint(endpoint, audit) for endpoint in audit.endpoints)
    tests = (first, *endpoints, *_groups(audit), *map(_utility, audit.utility))
    if unplanned is None:
        return tests
    return (*tests, Case("plan", "Judged under a plan that was kept", "open" if unplanned else "pass", unplanned))


def _endpoint(endpoint: Endpoint, audit: Audit) -> Case:
    state, text = STATES[endpoint.decision], f"{endpoint.decision}: {endpoint.reason}"
    if endpoint.gap is not None:
        reason = f" ({endpoint.reason})" if endpoint.reason else ""
        gap = f"gap {endpoint.gap:+.4f}{_interval(endpoint.interval)}"
        text = f"{endpoint.decision}{reason}: {gap}, margin {endpoint.margin_effective:g}"
    passes = audit.verdict.outcome == "PASS" or (not endpoint.primary and endpoint.decision == "uncertain")
    if endpoint.candidate is None and why_absent(SCORES[endpoint.name], audit.shadows):
        state, text = "pass", f"{text}; not required without shadow models"
    elif state == "open" and passes:
        why = "required for PASS where it is estimable" if endpoint.primary else "can only cause FAIL, and did not"
        state, text = "pass", f"{text}; {why}"
    return Case(endpoint.name, endpoint.statistic, state, one_line(text, 500))


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" [{interval[0]:+.4f}, {interval[1]:+.4f}]"


def _groups(audit: Audit) -> Iterator[Case]:
    demanded = open_groups(audit.groups) if "GROUP_OPEN" in audit.verdict.reasons else []
    for group in audit.groups:
        if group.endpoints or group in demanded:
            state: State = "fail" if group.standing == "outside" else "open" if group in demanded else "pass"
            estimable = [endpoint for endpoint in group.endpoints if endpoint.gap is not None]
            gaps = ", ".join(f"{endpoint.name} {endpoint.gap:+.4f} {endpoint.decision}" for endpoint in estimable)
            text = one_line(f"{group.standing}: {group.reason or gaps}", 500)
            title = one_line(f"Endpoints on {group.name} of the forget set", 300)
            yield Case(one_line(group.name, 200), title, state, text)


def _utility(utility: Utility) -> Case:
    text = f"{utility.decision}: gap {utility.gap:+.4f}{_interval(utility.interval)}, margin {utility.margin:g}"
    title = f"Accuracy on {utility.role} examples against the retrains"
    return Case(f"utility {utility.role}", title, STATES[utility.decision], text)
