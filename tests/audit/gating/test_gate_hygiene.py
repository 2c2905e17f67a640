"""A report's hygiene checks: honest ones pass the gate and their warnings are repeated; edited ones are refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.audit.gating.conftest import audited, reported, write_edited
from vestige.audit.data_checks.rules import OF_DATA, Measurement, conclude
from vestige.audit.endpoints.simulation import World
from vestige.audit.gate.formats.junit import junit
from vestige.audit.gate.formats.summary import summary
from vestige.audit.gate.gate import Requirement, gate
from vestige.audit.policy import Policy
from vestige.audit.results.data_checks import Hygiene
from vestige.audit.results.json import to_json
from vestige.audit.results.report import DuplicatesRecord, Report
from vestige.learners.errors import DataError

HARD = World(forget=200, unseen=600, retain=300, retrains=4, forget_difficulty=-2.0)
Edit = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def report() -> Report:
    made = reported([audited(HARD)])
    of = {"unseen_in_retain": made.data.unseen, "people": 0}
    findings = tuple(
        conclude(name, Measurement(20 if name == "near_copies_in_retain" else 0, of.get(name, made.data.forget)))
        for name in OF_DATA
    )
    return replace(made, data=replace(made.data, duplicates=DuplicatesRecord(0, 0), hygiene=Hygiene(findings)))


def finding(content: dict[str, Any], check: str) -> dict[str, Any]:
    every = content["audits"][0]["hygiene"]["findings"] + content["data"]["hygiene"]["findings"]
    return next(finding for finding in every if finding["check"] == check)


def test_an_honest_report_passes_and_its_warnings_are_repeated(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(to_json(report), encoding="utf-8")
    found = gate([path], Requirement.of(Policy()))
    warned = [remark for remark in found.remarks if "data and models" in remark]
    assert len(warned) == 3 and any("20 of 200 forget images have an altered copy" in remark for remark in warned)
    assert junit(found).count(b'name="warning"') == 3
    assert b"altered copy in the retain set" in summary(found)


def remove(content: dict[str, Any]) -> None:
    findings = content["audits"][0]["hygiene"]["findings"]
    findings.remove(next(finding for finding in findings if finding["check"] == "confidence"))


def clear(content: dict[str, Any]) -> None:
    finding(content, "confidence").update(severity="clear", sentence="")


def soften(content: dict[str, Any]) -> None:
    finding(content, "near_copies_in_retain").update(severity="note")


def narrow(content: dict[str, Any]) -> None:
    finding(content, "confidence").update(severity="clear", sentence="", interval=[-0.1, 0.1])


def recount(content: dict[str, Any]) -> None:
    finding(content, "copies_in_retain").update(count=1)


def resize(content: dict[str, Any]) -> None:
    finding(content, "near_copies_in_retain").update(of=200_000, severity="note")


def reword(content: dict[str, Any]) -> None:
    finding(content, "near_copies_in_retain").update(sentence="Nothing to see.")


def hide_copies(content: dict[str, Any]) -> None:
    content["data"]["duplicates"]["in_retain"] = 1


def drop_data(content: dict[str, Any]) -> None:
    content["data"]["hygiene"] = None


def drop_audit(content: dict[str, Any]) -> None:
    content["audits"][0]["hygiene"] = None


@pytest.mark.parametrize(
    "edit", [remove, clear, soften, narrow, recount, resize, reword, hide_copies, drop_data, drop_audit]
)
def test_an_edited_check_is_refused(report: Report, tmp_path: Path, edit: Edit) -> None:
    path = write_edited(report, tmp_path / "report.json", edit)
    with pytest.raises(DataError, match="hygiene"):
        gate([path], Requirement.of(Policy()))


def test_an_original_that_knows_nothing_must_be_called_implausible(report: Report, tmp_path: Path) -> None:
    """Accuracy on retain rows is stated elsewhere, so a plausibility that was cleared does not hide it."""

    def edit(content: dict[str, Any]) -> None:
        accuracy = next(part for part in content["audits"][0]["utility"] if part["role"] == "retain")
        accuracy["original"] = 0.3

    path = write_edited(report, tmp_path / "report.json", edit)
    with pytest.raises(DataError, match="hygiene plausibility, count: expected 1"):
        gate([path], Requirement.of(Policy()))
