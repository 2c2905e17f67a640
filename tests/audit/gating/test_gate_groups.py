"""Groups, people and retain examples in a report: honest ones go through, edited ones are refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.audit.gating.conftest import NOT_RUN, WORLD, reported, write_edited
from tests.audit.judging import judge
from vestige.audit.gate.gate import Requirement, gate
from vestige.audit.policy import Policy
from vestige.audit.results.json import to_json
from vestige.audit.results.report import Audit
from vestige.learners.errors import DataError

GROUPED = replace(WORLD, forget=1200, unseen=3600, retain=300, retrains=5, classes=4)
Change = Callable[[dict[str, Any]], object]


def _audit(policy: Policy, leak: float = 0.0, people: bool = False) -> Audit:
    table = GROUPED.draw(3)
    table.phi[5, :1200][2::4] += leak
    outputs = table.outputs()
    if people:
        rows = np.arange(len(outputs))
        outputs = replace(outputs, subject=np.where(rows < 4800, rows // 2, rows).astype(np.str_))
    return judge(outputs, policy, name="grouped", seed=3, controls=NOT_RUN)


@pytest.fixture(scope="module")
def grouped() -> Audit:
    return _audit(Policy(), leak=1.5)


@pytest.mark.parametrize(
    "policy", [Policy(), Policy(worst_group="enforce", min_evidence="C"), Policy(conservative=True, margin_group=0.2)]
)
@pytest.mark.parametrize("leak", [0.0, 1.5])
def test_reports_with_groups_are_let_through(policy: Policy, leak: float, tmp_path: Path) -> None:
    audit = _audit(policy, leak)
    assert [group.standing for group in audit.groups].count("outside") == (
        1 if leak and policy.margin_group < 0.2 else 0
    )
    path = tmp_path / "report.json"
    path.write_text(to_json(reported([audit], policy)), encoding="utf-8")
    assert gate([path], Requirement.of(policy)).outcome == audit.verdict.outcome


def test_a_report_on_people_is_let_through_and_its_sizes_are_held(tmp_path: Path) -> None:
    audit, path = _audit(Policy(), people=True), tmp_path / "report.json"
    assert audit.reference.unit == "person"
    report = reported([audit])
    rows = replace(report.data, forget=1200, unseen=3600)
    path.write_text(to_json(replace(report, data=rows)), encoding="utf-8")
    gate([path], Requirement.of(Policy()))
    path.write_text(to_json(report), encoding="utf-8")  # as many rows as people: then they are rows
    with pytest.raises(DataError, match="people"):
        gate([path], Requirement.of(Policy()))


def _group(change: Change) -> Change:
    return lambda audit: change(next(group for group in audit["groups"] if group["name"] == "class 2"))


EDITS: dict[str, Change] = {
    "a group is left out": lambda audit: audit.update(groups=[g for g in audit["groups"] if g["name"] != "class 2"]),
    "all groups are left out": lambda audit: audit.update(groups=[]),
    "the stratum is left out": lambda audit: audit.update(groups=audit["groups"][:-1]),
    "a group is called within": _group(lambda group: group.update(standing="within")),
    "a group's value is milder": _group(lambda group: group["endpoints"][0].update(candidate=0.5)),
    "a group is called too small": _group(
        lambda group: group.update(endpoints=[], standing="not assessed", reason="needs at least 200 forget examples")
    ),
    "a group is smaller": _group(lambda group: group.update(forget=250)),
    "an endpoint of a group is left out": _group(lambda group: group.update(endpoints=group["endpoints"][:-1])),
    "a retain gap is milder": lambda audit: audit["retained"]["comparisons"][0].update(gap=0.0),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_group_is_refused(edit: str, grouped: Audit, tmp_path: Path) -> None:
    path = write_edited(reported([grouped]), tmp_path / "report.json", lambda report: EDITS[edit](report["audits"][0]))
    with pytest.raises(DataError, match="grouped"):
        gate([path], Requirement.of(Policy()))
