"""The gate and the plan of a report: honest ones go through, edited ones do not, and a plan can be required."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.audit.gating.conftest import NOT_RUN, WORLD, run
from tests.audit.judging import judge
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.simulation import memorised
from vestige.audit.gate.formats.in_toto import in_toto
from vestige.audit.gate.formats.junit import junit
from vestige.audit.gate.formats.sarif import sarif
from vestige.audit.gate.gate import Requirement, gate
from vestige.audit.planning.plan_file import PlanFile, Sizes, keep_plan, make_plan, read_plan, write_plan
from vestige.audit.planning.preregistration import judged_under, sizes_of, subject_of
from vestige.audit.policy import Policy
from vestige.audit.results.json import to_json
from vestige.audit.results.report import DataRecord, ModelsRecord, Report
from vestige.audit.results.setting import CHOSEN
from vestige.audit.workflows.records import build_report, policy_record
from vestige.learners.errors import DataError
from vestige.learners.files.io import canonical_json, digest

SETTINGS = {"margin_auc": 0.12, "margin_tpr": 0.2, "margin_utility": 0.3, "min_evidence": "C"}
POLICY = Policy.of(SETTINGS)
PLANNED = replace(Requirement.of(POLICY), require_plan=True)
WRITTEN = datetime(2026, 1, 2, tzinfo=UTC)
Edit = Callable[[dict[str, Any]], Any]


def report_of(outputs: Outputs, plan: PlanFile | None, policy: Policy = POLICY, source: str = "model.npz") -> Report:
    sizes = sizes_of(outputs)
    record = judged_under(plan, policy, sizes, subject_of(outputs), CHOSEN)
    audit = judge(outputs, policy, name="model", seed=0, controls=NOT_RUN, plan=record)
    path = Path(source)
    data = DataRecord(
        source=path.name,
        fingerprint=digest(path.read_bytes()) if path.is_file() else "0" * 64,
        split=None,
        classes=2,
        class_names=None,
        label_noise=None,
        saturated=0,
        forget=sizes.forget,
        unseen=sizes.unseen,
        retain=sizes.retain or 0,
    )
    models = ModelsRecord(recipe=None, seeds=None, weights=None, device=None)
    return build_report([audit], policy_record(policy, policy.hash), data, models, reproduce=None)


@pytest.fixture(scope="module")
def outputs() -> Outputs:
    return replace(WORLD, forget=300, unseen=1600, retain=200, retrains=9, original=memorised(3.0)).draw(1).outputs()


@pytest.fixture(scope="module")
def plan(outputs: Outputs) -> PlanFile:
    return make_plan(POLICY, sizes_of(outputs), subject=subject_of(outputs), created=WRITTEN)


@pytest.fixture(scope="module")
def kept(outputs: Outputs, plan: PlanFile) -> Report:
    report = report_of(outputs, plan)
    assert report.audits[0].verdict.outcome == "PASS"
    return report


@pytest.fixture(scope="module")
def changed(outputs: Outputs, plan: PlanFile) -> Report:
    """Another margin and one retrain fewer than planned."""
    policy = replace(POLICY, margin_auc=0.14)
    return report_of(replace(outputs, retrain=outputs.retrain[:8]), plan, policy)


@pytest.fixture(scope="module")
def bare(outputs: Outputs) -> Report:
    return report_of(outputs, None)


def written(report: Report, path: Path, edit: Edit = lambda audit: None) -> Path:
    content = json.loads(to_json(report))
    edit(content["audits"][0])
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def policy_of(report: Report) -> Requirement:
    return Requirement.of(POLICY if not report.audits[0].plan or report.audits[0].plan.kept else CHANGED)


CHANGED = replace(POLICY, margin_auc=0.14)


def test_honest_records_go_through_with_and_without_the_file(
    kept: Report, changed: Report, bare: Report, plan: PlanFile, tmp_path: Path
) -> None:
    file = tmp_path / "elsewhere" / "mine.json"
    write_plan(plan, file)
    for report, state in ((kept, "judged under the plan"), (changed, "not as planned"), (bare, "")):
        path = written(report, tmp_path / "report.json")
        alone = gate([path], policy_of(report))
        assert [entry.state for entry in alone.cited if entry.kind == "plan"] == (["not at hand"] if state else [])
        assert any(state in remark for remark in alone.remarks) or not state
        if state:
            found = gate([path], policy_of(report), plans=[file])
            cited = next(entry for entry in found.cited if entry.kind == "plan")
            assert (cited.state, cited.file, cited.digest) == ("checked", str(file), plan.hash)
    record = changed.audits[0].plan
    assert record is not None and [difference.what for difference in record.differences] == ["margin_auc", "retrains"]


def test_the_copy_beside_a_report_is_found_and_must_be_whole(kept: Report, plan: PlanFile, tmp_path: Path) -> None:
    written(kept, tmp_path / "report.json")
    copy = keep_plan(plan, tmp_path)
    for path in (tmp_path, tmp_path / "report.json"):
        assert next(entry.state for entry in gate([path], policy_of(kept)).cited if entry.kind == "plan") == "checked"
    copy.write_text(copy.read_text().replace("0.12", "0.4"))
    with pytest.raises(DataError, match="it was edited after it was written"):
        gate([tmp_path], policy_of(kept))
    copy.unlink()
    assert (
        next(entry.state for entry in gate([tmp_path], policy_of(kept)).cited if entry.kind == "plan") == "not at hand"
    )


EDITS: dict[str, tuple[str, Edit, str]] = {
    "says that it was kept": ("changed", lambda a: a["plan"].update(kept=True), "plan, kept: expected false"),
    "hides the changes": (
        "changed",
        lambda a: a["plan"].update(kept=True, differences=[]),
        "plan, policy_hash|expected",
    ),
    "hides one change": ("changed", lambda a: a["plan"]["differences"].pop(0), "policy_hash"),
    "plans another margin": (
        "changed",
        lambda a: a["plan"]["differences"][0].update(planned=0.11),
        "policy_hash",
    ),
    "applies another margin": ("changed", lambda a: a["plan"]["differences"][0].update(applied=0.3), "applied"),
    "fewer retrains than there were": ("changed", lambda a: a["plan"]["differences"][1].update(applied=6), "applied"),
    "an unknown change": ("changed", lambda a: a["plan"]["differences"][1].update(what="weather"), "weather"),
    "a change twice": (
        "changed",
        lambda a: a["plan"]["differences"].append(a["plan"]["differences"][1]),
        "plan, differences",
    ),
    "no change": ("changed", lambda a: a["plan"]["differences"][1].update(planned=8), "another value"),
    "a later time": ("kept", lambda a: a["plan"].update(registered="2999-01-01T00:00:00+00:00"), "plan, registered"),
    "another setting": (
        "changed",
        lambda a: a["plan"]["differences"].append({"what": "setting", "planned": "random (known)", "applied": "class"}),
        "plan, setting, applied: expected 'chosen",
    ),
    "no time": ("kept", lambda a: a["plan"].update(registered="before"), "plan, registered"),
    "a hash that is a path": ("kept", lambda a: a["plan"].update(hash="../../../etc/passwd"), "64 hexadecimal"),
    "bound to more": ("kept", lambda a: a["plan"]["bound"].append("weather"), "plan, bound"),
    "a plan put in": (
        "bare",
        lambda a: a.update(
            plan={
                "hash": "1" * 64,
                "registered": "2026-01-02T00:00:00+00:00",
                "policy_hash": POLICY.hash,
                "bound": ["policy", "sizes"],
                "kept": True,
                "differences": [],
            }
        ),
        "verdict, notes",
    ),
    "a plan taken out": ("kept", lambda a: a.update(plan=None), "verdict, notes"),
}


@pytest.mark.parametrize("kind", EDITS)
def test_edited_records_are_refused(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    name, edit, words = EDITS[kind]
    report: Report = request.getfixturevalue(name)
    with pytest.raises(DataError, match=words) as refused:
        gate([written(report, tmp_path / "report.json", edit)], policy_of(report))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("copy", ["one retrain", "every retrain", "retrains and original", "no original"])
def test_retrains_that_are_copies_count_as_given(outputs: Outputs, copy: str, tmp_path: Path) -> None:
    few = replace(outputs, retrain=outputs.retrain[:4])
    if copy == "one retrain":
        few = replace(few, candidate=few.retrain[1])
    elif copy == "no original":
        few = replace(few, original=None)
    else:
        few = replace(few, retrain=np.repeat(few.candidate[None], 4, axis=0))
        few = few if copy == "every retrain" else replace(few, original=few.candidate)
    made = make_plan(POLICY, sizes_of(few), subject=subject_of(few), created=WRITTEN)
    write_plan(made, tmp_path / "plan.json")
    path = written(report_of(few, made), tmp_path / "report.json")
    found = gate([path], PLANNED, plans=[tmp_path / "plan.json"])
    assert found.unplanned == () and found.candidates[0].unplanned == ""


def test_what_only_the_plan_at_hand_shows(changed: Report, plan: PlanFile, tmp_path: Path) -> None:
    """A size left out of the record, with the note to match, holds together; the file knows better."""

    def hide(audit: dict[str, Any]) -> None:
        gone = audit["plan"]["differences"].pop(1)
        words = f"; {gone['what']}: {gone['planned']} planned, {gone['applied']} applied"
        audit["verdict"]["notes"] = [note.replace(words, "") for note in audit["verdict"]["notes"]]

    path, file = written(changed, tmp_path / "report.json", hide), tmp_path / "plan.json"
    write_plan(plan, file)
    assert gate([path], Requirement.of(CHANGED)).outcome == "PASS"
    with pytest.raises(DataError, match="plan, differences: expected what follows from the plan at hand"):
        gate([path], Requirement.of(CHANGED), plans=[file])


def test_a_plan_of_other_outputs_is_found_out_where_both_are_at_hand(outputs: Outputs, tmp_path: Path) -> None:
    file = tmp_path / "model.npz"
    outputs.write(file)
    other = make_plan(
        POLICY, sizes_of(outputs), subject=replace(subject_of(outputs), original="2" * 64), created=WRITTEN
    )
    honest = make_plan(POLICY, sizes_of(outputs), subject=subject_of(outputs), created=WRITTEN)
    for made, refused in ((honest, False), (other, True)):
        report = report_of(outputs, make_plan(POLICY, sizes_of(outputs), created=WRITTEN), source=str(file))
        audit = report.audits[0]
        assert audit.plan is not None
        record = replace(audit.plan, hash=made.hash, bound=made.bound)
        notes = tuple(note.replace(audit.plan.hash[:12], made.hash[:12]) for note in audit.verdict.notes)
        forged = replace(report, audits=(replace(audit, plan=record, verdict=replace(audit.verdict, notes=notes)),))
        path, plan_file = written(forged, tmp_path / "report.json"), tmp_path / "made.json"
        write_plan(made, plan_file, force=True)
        if refused:
            with pytest.raises(DataError, match=r"expected what it was made for \(original 222222222222\)"):
                gate([path], Requirement.of(POLICY), plans=[plan_file], evidence=[file])
        else:
            assert gate([path], Requirement.of(POLICY), plans=[plan_file], evidence=[file]).outcome == "PASS"


def test_a_plan_that_nobody_cites_is_refused(bare: Report, plan: PlanFile, tmp_path: Path) -> None:
    write_plan(plan, tmp_path / "plan.json")
    path = written(bare, tmp_path / "report.json")
    with pytest.raises(DataError, match="expected a file that the report cites"):
        gate([path], Requirement.of(POLICY), plans=[tmp_path / "plan.json"])


def test_a_required_plan(
    outputs: Outputs, kept: Report, changed: Report, bare: Report, plan: PlanFile, tmp_path: Path
) -> None:
    file, other = tmp_path / "plan.json", tmp_path / "other.json"
    write_plan(plan, file)
    write_plan(make_plan(POLICY, Sizes(300, 1600, 9), created=WRITTEN), other)
    path = written(kept, tmp_path / "kept.json")
    for plans in ([], [file]):
        assert gate([path], PLANNED, plans=plans).passes
    sized = written(report_of(outputs, read_plan(other)), tmp_path / "sized.json")
    found = gate([path, sized], PLANNED, plans=[file])
    assert [candidate.unplanned for candidate in found.candidates] == [
        "",
        f"judged under another plan ({read_plan(other).hash[:12]}) than was given",
    ]
    assert found.outcome == "INCONCLUSIVE"
    found = gate([path], replace(PLANNED, inconclusive="warn"))
    assert (found.outcome, found.passes) == ("PASS", True)
    for report, why in ((changed, "not as planned"), (bare, "judged under no plan")):
        path = written(report, tmp_path / "report.json")
        found = gate([path], replace(policy_of(report), inconclusive="warn", require_plan=True))
        assert (found.outcome, found.passes) == ("INCONCLUSIVE", False)  # a missing plan never only warns
        assert "1 candidate not judged under a plan that was kept" in found.headline
        assert any(why in remark for remark in found.remarks)
        suites = ElementTree.fromstring(junit(found))
        assert (suites.get("failures"), suites.get("errors")) == ("0", "1")
        results = json.loads(sarif(found))["runs"][0]["results"]
        assert [result["kind"] for result in results if result["ruleId"] == "vestige/plan"] == ["open"]
        assert gate([path], policy_of(report)).outcome == "PASS"


def test_a_required_plan_in_a_statement(kept: Report, bare: Report, tmp_path: Path) -> None:
    for report, result in ((kept, "PASSED"), (bare, "FAILED")):
        weighed = replace(report, audits=(replace(report.audits[0], weights="3" * 64),))
        found = gate([written(weighed, tmp_path / "report.json")], PLANNED)
        predicate = json.loads(in_toto(found))["predicate"]
        assert predicate["result"] == result
        assert ("model/plan" in predicate["failedTests"]) == (result == "FAILED")


def test_the_command(
    kept: Report, bare: Report, plan: PlanFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy, file = tmp_path / "policy.toml", tmp_path / "plan.json"
    policy.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in SETTINGS.items()))
    write_plan(plan, file)
    report = written(kept, tmp_path / "kept.json")
    command = ("--policy", str(policy), "--require-plan")
    assert run("gate", str(report), *command, "--plan", str(file)) == 0
    out = capsys.readouterr().out
    assert f"{plan.hash[:12]}: checked ({file})" in out and "note: " in out and "judged under the plan" in out
    assert run("gate", str(written(bare, tmp_path / "bare.json")), *command) == 3
    assert capsys.readouterr().out.startswith("INCONCLUSIVE: ")
    stranger = tmp_path / "stranger.json"
    content = json.loads(plan.text()) | {"created": "2026-01-03T00:00:00+00:00"}
    del content["hash"]
    stranger.write_text(json.dumps({**content, "hash": digest(canonical_json(content))}))
    assert run("gate", str(report), *command, "--plan", str(stranger)) == 4
    file.write_text(file.read_text().replace("0.12", "0.1"))
    assert run("gate", str(report), *command, "--plan", str(file)) == 4
    assert "it was edited after it was written" in capsys.readouterr().err
    assert run("gate", str(report), *command, "--plan", str(tmp_path / "none.json")) == 4
    assert run("gate", str(report), *command, "--plan", str(file), "--junit", str(file)) == 2
