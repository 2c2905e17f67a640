"""The gate on reports with shadow models behind them: honest ones pass, edited ones are refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.audit.gating.conftest import NOT_RUN, SMALL, WORLD, Edit, reported, write_edited
from tests.audit.gating.test_gate_edited import not_estimable, of_audit, of_endpoint, of_part, to_pass
from tests.audit.judging import judge
from tests.audit.shadow_tables import Shadowed
from vestige.audit.endpoints.simulation import constant, memorised
from vestige.audit.gate.compare import compare
from vestige.audit.gate.formats.cases import cases
from vestige.audit.gate.gate import Requirement, gate
from vestige.audit.policy import Policy
from vestige.audit.results.json import to_json
from vestige.audit.results.report import Audit
from vestige.audit.results.shadows import NO_BANK
from vestige.learners.errors import DataError

BIG = replace(WORLD, forget=1500, retrains=8)
KINDS = {
    "grade A": Shadowed(BIG, residue=0.1),
    "a leak": Shadowed(replace(BIG, candidate=memorised(1.5)), residue=1.0),
    "few shadows": Shadowed(SMALL, shadows=16, unlearned=0),
    "fewer than allowed": Shadowed(SMALL, shadows=8, unlearned=8),
    "no tail of U-LiRA": Shadowed(SMALL, shadows=20, unlearned=20),
    "over-forgotten": Shadowed(replace(SMALL, candidate=constant(-3.0)), shadows=20, unlearned=16, residue=-1.0),
    "two retrains": Shadowed(replace(SMALL, retrains=2), shadows=20, unlearned=20),
}


def shadowed(kind: str) -> Audit:
    outputs, tables = KINDS[kind].draw(1, Policy())
    return judge(outputs, Policy(), name=kind, seed=1, controls=NOT_RUN, shadows=tables)


@pytest.fixture(scope="module")
def audits() -> dict[str, Audit]:
    return {kind: shadowed(kind) for kind in ("grade A", "a leak")}


@pytest.mark.parametrize("kind", KINDS)
def test_an_honest_report_passes_the_gate_with_its_own_verdict(kind: str, tmp_path: Path) -> None:
    audit = shadowed(kind)
    path = tmp_path / "report.json"
    path.write_text(to_json(reported([audit])), encoding="utf-8")
    found = gate([path], Requirement.of(Policy()))
    assert found.candidates[0].audit == audit and found.outcome == audit.verdict.outcome
    states = {case.state for case in cases(audit)}
    assert (states == {"pass"}) == (audit.verdict.outcome == "PASS")


def test_what_the_kinds_are(audits: dict[str, Audit]) -> None:
    assert (audits["grade A"].verdict.outcome, audits["grade A"].verdict.grade) == ("PASS", "A")
    failed = {endpoint.name for endpoint in audits["a leak"].endpoints if endpoint.decision == "outside"}
    assert audits["a leak"].verdict.outcome == "FAIL" and {"A4", "T4", "F4", "F5"} <= failed


def away(*names: str) -> Edit:
    def edit(report: dict[str, Any]) -> None:
        for name in names:
            not_estimable(name, NO_BANK)(report)

    return edit


EDITS: list[tuple[str, str, Edit, str]] = [
    ("shadows away", "a leak", of_audit(lambda audit: audit.update(shadows=None)), "A4, is estimable"),
    ("endpoints away", "a leak", away("A4", "T4", "F4", "F5"), "A4, is not estimable"),
    ("one endpoint away", "a leak", not_estimable("F4", "needs a shadow bank"), "F4, is not estimable"),
    ("a refused bank", "a leak", of_part("shadows", problem="1 of 64 is broken"), "shadows, attacks"),
    ("fewer shadows", "grade A", of_part("shadows", shadows=32), "shadows, attacks"),
    ("an odd shadow", "grade A", of_part("shadows", shadows=65), "shadows, shadows"),
    ("no unlearned ones", "grade A", of_part("shadows", unlearned=0), "shadows, attacks"),
    ("unseen", "grade A", of_part("shadows", unseen_evaluation=10**6), "shadows, unseen_evaluation"),
    ("too few unseen", "grade A", of_part("shadows", unseen_evaluation=900), "T4, is estimable"),
    ("grade", "grade A", of_part("verdict", grade="B"), "verdict, grade: expected 'A'"),
    ("outcome", "a leak", to_pass, "verdict, outcome"),
    ("gap", "a leak", of_endpoint("A4", gap=0.0), "A4, gap"),
    ("decision", "a leak", of_endpoint("F5", decision="within"), "F5, decision"),
    ("reference", "a leak", of_part("reference", firing=["M"]), "reference, firing"),
]


@pytest.mark.parametrize(("kind", "edit", "words"), [edit[1:] for edit in EDITS], ids=[edit[0] for edit in EDITS])
def test_an_edited_report_is_refused(
    audits: dict[str, Audit], tmp_path: Path, kind: str, edit: Edit, words: str
) -> None:
    path = write_edited(reported([audits[kind]]), tmp_path / "report.json", edit)
    with pytest.raises(DataError) as refused:
        gate([path], Requirement.of(Policy()))
    assert words in str(refused.value)


def test_grade_a_cannot_be_had_by_writing_another_number(tmp_path: Path) -> None:
    outputs, tables = replace(KINDS["grade A"], shadows=32, unlearned=32).draw(1, Policy())
    audit = judge(outputs, Policy(), name="b", seed=1, controls=NOT_RUN, shadows=tables)
    assert audit.verdict.grade == "B" and any(note.startswith("FEW_SHADOWS: ") for note in audit.verdict.notes)

    def more(report: dict[str, Any]) -> None:
        report["audits"][0]["shadows"].update(shadows=64, unlearned=64)
        report["audits"][0]["verdict"]["grade"] = "A"

    path = write_edited(reported([audit]), tmp_path / "report.json", more)
    with pytest.raises(DataError, match="shadows, attacks"):
        gate([path], Requirement.of(Policy()))


def test_shadows_that_differ_make_a_comparison_unfair(audits: dict[str, Audit], tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("old.json", "new.json")]
    paths[0].write_text(to_json(reported([audits["grade A"]])), encoding="utf-8")
    content = json.loads(paths[0].read_text())
    assert compare(paths[0], paths[0]).unfair == ()
    content["audits"][0]["shadows"]["shadows"] = 128
    paths[1].write_text(json.dumps(content), encoding="utf-8")
    assert compare(*paths).unfair == ("shadows: 64 (bank-0123456789abcdef), then 128 (bank-0123456789abcdef)",)
    content["audits"][0]["shadows"] = None
    paths[1].write_text(json.dumps(content), encoding="utf-8")
    assert compare(*paths).unfair == ("shadows: 64 (bank-0123456789abcdef), then none",)
