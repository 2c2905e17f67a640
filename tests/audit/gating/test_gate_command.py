"""The command: exit codes, policies, several reports, what is printed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.audit.gating.conftest import NOT_RUN, WORLD, reported, run, write_edited
from tests.audit.judging import judge
from vestige.audit.policy import Policy
from vestige.audit.results.json import to_json
from vestige.audit.results.report import Audit, Method, Report


def gate(*arguments: object) -> int:
    return run("gate", *map(str, arguments))


@pytest.mark.parametrize(("outcome", "code"), [("PASS", 0), ("FAIL", 1), ("INCONCLUSIVE", 3), ("all", 1)])
def test_the_exit_code_is_that_of_the_worst_candidate(
    reports: dict[str, Path], policy_file: Path, capsys: pytest.CaptureFixture[str], outcome: str, code: int
) -> None:
    assert gate(reports[outcome], "--policy", policy_file) == code
    lines = capsys.readouterr().out.splitlines()
    worst = "FAIL" if outcome == "all" else outcome
    assert lines[0].startswith(f"{worst}: margins AUC 0.05, TPR 0.02 at FPR 0.01, labels 0.05; ")
    assert "policy policy.toml" in lines[0]
    assert sum("│" in line for line in lines) >= (3 if outcome == "all" else 1)


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        (("PASS", "PASS"), 0),
        (("PASS", "INCONCLUSIVE"), 3),
        (("INCONCLUSIVE", "PASS", "FAIL"), 1),
        (("FAIL", "PASS"), 1),
        (("PASS", "all"), 1),
    ],
)
def test_several_reports(reports: dict[str, Path], outcomes: tuple[str, ...], code: int) -> None:
    assert gate(*(reports[outcome] for outcome in outcomes), "--profile", "standard") == code


def test_a_folder_stands_for_the_report_in_it(audits: dict[str, Audit], tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text(to_json(reported([audits["FAIL"]])))
    assert gate(tmp_path, "--profile", "standard") == 1


@pytest.mark.parametrize(
    ("of_policy", "option", "outcome", "code"),
    [
        ("fail", None, "INCONCLUSIVE", 3),
        ("fail", "fail", "INCONCLUSIVE", 3),
        ("fail", "warn", "INCONCLUSIVE", 0),
        ("warn", None, "INCONCLUSIVE", 0),
        ("warn", "fail", "INCONCLUSIVE", 3),
        ("warn", "warn", "INCONCLUSIVE", 0),
        ("warn", None, "FAIL", 1),
        ("fail", "warn", "FAIL", 1),
        ("warn", "warn", "PASS", 0),
        ("fail", "warn", "all", 1),
    ],
)
def test_inconclusive_is_green_only_where_somebody_says_so(
    audits: dict[str, Audit],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    of_policy: str,
    option: str | None,
    outcome: str,
    code: int,
) -> None:
    policy = Policy.of({"inconclusive": of_policy})
    chosen = list(audits.values()) if outcome == "all" else [audits[outcome]]
    said = {audit.candidate: audit.verdict.outcome for audit in chosen}
    # Only a note tells of the setting; the verdict is the same.
    report = reported(chosen, policy)
    notes = ("POLICY_OVERRIDES: settings that differ from profile standard: inconclusive = warn.",)
    path, file = tmp_path / "report.json", tmp_path / "policy.toml"

    def noted(content: dict[str, Any]) -> None:
        for audit in content["audits"] if of_policy == "warn" else ():
            audit["verdict"]["notes"] = [*audit["verdict"]["notes"], *notes]

    write_edited(report, path, noted)
    file.write_text(f'inconclusive = "{of_policy}"\n')
    extra = () if option is None else ("--inconclusive", option)
    assert gate(path, "--policy", file, *extra) == code
    first = capsys.readouterr().out.splitlines()[0]
    worst = "FAIL" if outcome == "all" else outcome
    assert first.startswith(f"{worst}: ") and ("only warns" in first) == (worst == "INCONCLUSIVE" and code == 0)
    assert gate(path, "--policy", file, *extra, "--json") == code
    record = json.loads(capsys.readouterr().out)
    assert record["exit_code"] == code and record["outcome"] == worst
    assert {candidate["candidate"]: candidate["outcome"] for candidate in record["candidates"]} == said


def test_json_for_machines(reports: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert gate(reports["all"], "--profile", "standard", "--json") == 1
    record = json.loads(capsys.readouterr().out)
    assert "margins AUC 0.05" in record["headline"] and record["policy"]["margin_auc"] == 0.05
    assert record["policy"]["hash"] == Policy().hash
    assert [candidate["outcome"] for candidate in record["candidates"]] == ["PASS", "FAIL", "INCONCLUSIVE"]
    assert [(entry["kind"], entry["state"]) for entry in record["cited"]] == [
        ("outputs", "not at hand"),
        ("registration", "not at hand"),
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--profile", "standard"),
        ("REPORT",),
        ("REPORT", "--profile", "lax"),
        ("REPORT", "--profile", "standard", "--policy", "POLICY"),
        ("REPORT", "--profile", "standard", "--inconclusive", "maybe"),
        ("REPORT", "--profile", "standard", "--sarif", "x.sarif", "--sarif-profile", "github"),
        ("REPORT", "--profile", "standard", "--junit", "same", "--sarif", "same"),
        ("REPORT", "--profile", "standard", "--junit", "REPORT"),
        ("REPORT", "--policy", "POLICY", "--summary", "POLICY"),
        ("REPORT", "--profile", "standard", "--evidence", "POLICY", "--sarif", "POLICY"),
    ],
)
def test_usage_errors(
    reports: dict[str, Path], policy_file: Path, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"REPORT": reports["PASS"], "POLICY": policy_file}
    before = {path: path.read_bytes() for path in given.values()}
    assert gate(*(given.get(argument, argument) for argument in arguments)) == 2
    assert "Error" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in given.values()} == before


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("margin_auc = 0.0", 2, "margin_auc: expected"),
        ("margin_auc = 2.0", 2, "margin_auc: expected"),
        ("margin_auc = nan", 2, "margin_auc"),
        ("margin = 0.05", 2, "margin: expected one of the keys"),
        ("[policy]\nprofile = 'standard'\n[gate]\n", 2, "'gate'"),
        ("inconclusive = 'pass'", 2, "inconclusive"),
        ("profile = ", 2, "expected TOML"),
        ("a = " + "[" * 5000, 2, "nested too deeply"),
        ("#" + "x" * 2**21, 4, "at most 1 MiB"),
    ],
)
def test_policies_are_read_strictly(
    reports: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, code: int, words: str
) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    assert gate(reports["PASS"], "--policy", path) == code
    said = capsys.readouterr()
    assert words in said.err and said.err.count("\n") == 1 and said.out == ""


def test_policies_that_are_no_files(
    reports: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (tmp_path, tmp_path / "none.toml", Path("/dev/null")):
        assert gate(reports["PASS"], "--policy", path) == 4
        assert capsys.readouterr().err.count("\n") == 1


def test_another_policy_is_refused_with_what_differs(
    reports: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wide.toml"
    path.write_text("margin_auc = 0.2\nmin_evidence = 'C'\n")
    assert gate(reports["INCONCLUSIVE"], "--policy", path) == 4
    said = capsys.readouterr().err
    assert "margin_auc: 0.05 in the report, 0.2 in the policy given" in said
    assert "min_evidence: 'B' in the report, 'C' in the policy given" in said and "audit again under this one" in said
    assert gate(reports["PASS"], "--profile", "screening") == 4


def widened(report: dict[str, Any]) -> None:
    report["policy"]["margin_auc"] = 0.2


def widened_with_its_hash(report: dict[str, Any]) -> None:
    policy = Policy.of({"margin_auc": 0.2})
    report["policy"].update(margin_auc=0.2, hash=policy.hash, registered_hash=policy.hash)


def test_a_margin_widened_in_the_report(
    audits: dict[str, Audit], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wide, path = tmp_path / "wide.toml", tmp_path / "report.json"
    wide.write_text("margin_auc = 0.2\n")
    report = reported([audits["FAIL"]])
    assert gate(write_edited(report, path, widened), "--profile", "standard") == 4
    assert "hash" in capsys.readouterr().err
    assert gate(write_edited(report, path, widened_with_its_hash), "--policy", wide) == 4
    assert "margin: expected 0.2" in capsys.readouterr().err


def registered_otherwise(audits: dict[str, Audit]) -> Report:
    return reported([audits["PASS"]], registered=Policy.of({"margin_auc": 0.02}).hash)


def test_a_policy_that_was_changed_after_its_registration(
    audits: dict[str, Audit], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.json"
    path.write_text(to_json(registered_otherwise(audits)))
    assert gate(path, "--profile", "standard") == 4
    said = capsys.readouterr().err
    assert "changed after it was registered" in said and "--allow-changed-policy" in said
    assert gate(path, "--profile", "standard", "--allow-changed-policy") == 0
    assert "changed after it was registered" in capsys.readouterr().out

    def hidden(report: dict[str, Any]) -> None:
        report["policy"]["changed"] = False

    write_edited(registered_otherwise(audits), path, hidden)
    assert gate(path, "--profile", "standard", "--allow-changed-policy") == 4
    assert "policy, changed: expected true" in capsys.readouterr().err


def test_a_report_without_registration_says_so(
    audits: dict[str, Audit], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def never(report: dict[str, Any]) -> None:
        report["policy"]["registered_hash"] = None

    path = write_edited(reported([audits["PASS"]]), tmp_path / "report.json", never)
    assert gate(path, "--profile", "standard") == 0
    assert "no policy was registered" in capsys.readouterr().out


def test_one_bad_report_among_good_ones_is_no_verdict(reports: dict[str, Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{}")
    target = tmp_path / "junit.xml"
    assert gate(reports["PASS"], bad, "--profile", "standard", "--junit", target) == 4
    assert gate(reports["FAIL"], bad, "--profile", "standard", "--junit", target) == 4
    assert not target.exists()


def called(audit: Audit, name: str) -> Audit:
    return replace(audit, candidate=name, method=Method(name, {}))


@pytest.fixture(scope="session")
def no_op() -> Audit:
    outputs = WORLD.draw(1).outputs()
    assert outputs.original is not None
    copy = replace(outputs, candidate=outputs.original)
    return called(judge(copy, Policy(), name="no_op", seed=1, controls=NOT_RUN), "no_op")


def test_controls_count_unless_they_are_left_out(
    audits: dict[str, Audit], no_op: Audit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.json"
    fresh = called(audits["INCONCLUSIVE"], "fresh_retrain")
    path.write_text(to_json(reported([no_op, fresh, audits["PASS"]])))
    assert gate(path, "--profile", "standard") == 1
    capsys.readouterr()
    assert gate(path, "--profile", "standard", "--leave-out-controls") == 0
    out = capsys.readouterr().out
    assert "control 'no_op' not counted: FAIL" in out and "control 'fresh_retrain' not counted" in out
    path.write_text(to_json(reported([no_op, fresh])))
    assert gate(path, "--profile", "standard", "--leave-out-controls") == 4


def test_a_name_takes_no_candidate_out_of_the_gate(audits: dict[str, Audit], tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    for name in ("no_op", "fresh_retrain"):
        path.write_text(to_json(reported([called(audits["FAIL"], name), audits["PASS"]])))
        assert gate(path, "--profile", "standard", "--leave-out-controls") == 1
