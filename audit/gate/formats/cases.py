"""A candidate's verdict as a list of tests: what JUnit, SARIF and in-toto have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from vestige.audit.endpoints.endpoints import SHADOWED
from vestige.audit.files.text import one_line
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import Utility
from vestige.audit.results.report import Audit
from vestige.audit.verdict.wording import short

State = Literal["pass", "fail", "open"]
STATES: Mapping[str, State] = MappingProxyType(
    {
        **dict.fromkeys(("PASS", "within", "no worse", "open"), "pass"),
        **dict.fromkeys(("FAIL", "outside", "worse"), "fail"),
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
    """The verdict, each endpoint and group, utility on each role and, where one is required, the plan (see
    ``GatedCandidate``).

    All but the plan pass exactly where the verdict is PASS: an endpoint that can only cause FAIL, and under a PASS one
    that is not estimable, passes unless it fails, and says so; so does an attack with shadow models that the audit
    lacks.
    """
    verdict = audit.verdict
    sentences = " ".join((verdict.headline, *verdict.explanations, *verdict.would_change))
    first = Case("verdict", "PASS, FAIL or INCONCLUSIVE", STATES[verdict.outcome], one_line(sentences, 2000))
    endpoints = (_endpoint(endpoint, audit) for endpoint in audit.endpoints)
    tests = (first, *endpoints, *map(_utility, audit.utility))
    if unplanned is None:
        return tests
    return (*tests, Case("plan", "Judged under a plan that was kept", "open" if unplanned else "pass", unplanned))


def _endpoint(endpoint: Endpoint, audit: Audit) -> Case:
    state, text = STATES[endpoint.decision], f"{endpoint.decision}: {endpoint.reason}"
    if endpoint.gap is not None:
        reason = f" ({endpoint.reason})" if endpoint.reason else ""
        gap = f"gap {endpoint.gap:+.4f}{_interval(endpoint.interval)}"
        text = f"{endpoint.decision}{reason}: {gap}, margin {endpoint.margin_effective:g}"
    passes = audit.verdict.outcome == "PASS" or not endpoint.primary
    if endpoint.candidate is None and endpoint.name in SHADOWED:
        state, text = "pass", f"{text}; not required without shadow models"
    elif state == "open" and passes:
        why = "required for PASS where it is estimable" if endpoint.primary else "can only cause FAIL, and did not"
        state, text = "pass", f"{text}; {why}"
    return Case(one_line(endpoint.label, 200), f"{short(endpoint)}: {endpoint.statistic}", state, one_line(text, 500))


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" [{interval[0]:+.4f}, {interval[1]:+.4f}]"


def _utility(utility: Utility) -> Case:
    text = f"{utility.decision}: gap {utility.gap:+.4f}{_interval(utility.interval)}, margin {utility.margin:g}"
    title = f"Utility ({utility.measure}) on {utility.role} examples"
    return Case(f"utility {utility.role}", title, STATES[utility.decision], text)
