"""Two reports side by side."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.audit.gating.conftest import SMALL, WORLD, audited, reported, run, write_edited
from tests.audit.gating.test_gate_hostile import NAMES
from vestige.audit.endpoints.simulation import constant
from vestige.audit.gate.compare import compare, compare_reports
from vestige.audit.policy import Policy
from vestige.audit.results.json import to_json
from vestige.audit.results.report import Audit


def as_candidate(audit: Audit, name: str = "model") -> Audit:
    return replace(audit, candidate=name)


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        ("PASS", "PASS", "unchanged"),
        ("FAIL", "FAIL", "unchanged"),
        ("INCONCLUSIVE", "INCONCLUSIVE", "unchanged"),
        ("FAIL", "PASS", "better"),
        ("INCONCLUSIVE", "PASS", "better"),
        ("PASS", "FAIL", "worse"),
        ("INCONCLUSIVE", "FAIL", "worse"),
        ("PASS", "INCONCLUSIVE", "became undecidable"),
        ("FAIL", "INCONCLUSIVE", "became undecidable"),
    ],
)
def test_the_change_of_a_verdict(audits: dict[str, Audit], old: str, new: str, change: str) -> None:
    found = compare_reports(*(reported([as_candidate(audits[outcome])]) for outcome in (old, new)))
    (pair,) = found.pairs
    assert (pair.old, pair.new, pair.change) == (old, new, change)
    assert pair.new_reasons == audits[new].verdict.codes


def test_endpoints_and_utility(audits: dict[str, Audit]) -> None:
    fail, good = (as_candidate(audits[outcome]) for outcome in ("FAIL", "PASS"))
    (pair,) = compare_reports(reported([fail]), reported([good])).pairs
    parts = {part.name: part for part in pair.parts}
    tried = [
        endpoint.label for endpoint in good.endpoints if endpoint.candidate is not None
    ]  # there are no shadows in either
    assert list(parts) == [*tried, "utility retain", "utility unseen"]
    memory = parts["M"]
    assert (memory.old.decision, memory.new.decision, memory.change, memory.drift, memory.clear) == (
        "outside",
        "within",
        "better",
        "closer",
        True,
    )
    assert memory.old.gap == fail.endpoints[0].gap and memory.new.interval == good.endpoints[0].interval
    (back,) = compare_reports(reported([good]), reported([fail])).pairs
    assert {part.name: (part.change, part.drift) for part in back.parts}["M"] == ("worse", "further")
    (same,) = compare_reports(reported([good]), reported([good])).pairs
    assert {(part.change, part.drift, part.clear) for part in same.parts} == {("unchanged", "unchanged", False)}


def test_over_forgetting_is_further_from_retraining_and_a_lower_tpr_is_not() -> None:
    before = audited(SMALL, seed=2)
    after = audited(replace(SMALL, candidate=constant(-2.0)), seed=2)
    (pair,) = compare_reports(reported([before]), reported([after])).pairs
    parts = {part.name: part for part in pair.parts}
    assert parts["M"].drift == "further" and (parts["M"].new.gap or 0) < 0
    assert parts["T"].drift == "closer" and (parts["T"].new.gap or 0) < (parts["T"].old.gap or 0)


def test_an_endpoint_that_stopped_being_estimable() -> None:
    few = audited(replace(SMALL, unseen=900), seed=2)
    (pair,) = compare_reports(reported([audited(SMALL, seed=2)]), reported([few])).pairs
    tail = {part.name: part for part in pair.parts}["T"]
    assert (tail.new.gap, tail.drift, tail.clear) == (None, "not known", False)


def test_only_candidates_in_both_are_compared(audits: dict[str, Audit]) -> None:
    old = reported([audits["PASS"], audits["FAIL"]])
    new = reported([audits["FAIL"], audits["INCONCLUSIVE"]])
    found = compare_reports(old, new)
    assert [pair.candidate for pair in found.pairs] == ["fail"]
    assert (found.only_old, found.only_new) == (("pass",), ("inconclusive",))


def test_a_fair_comparison_says_nothing(audits: dict[str, Audit]) -> None:
    report = reported([audits["PASS"]])
    assert compare_reports(report, report).unfair == ()
    # Another candidate of the same world is judged against the same retrains.
    leaking = as_candidate(audits["FAIL"], "pass")
    assert compare_reports(report, reported([leaking])).unfair == ()


def test_what_makes_it_unfair_is_named_with_both_values_margins_first(audits: dict[str, Audit]) -> None:
    old = reported([audits["PASS"]])
    wide = Policy.of({"profile": "screening", "alpha": 0.1})
    new = reported([as_candidate(audited(replace(WORLD, retrains=6), wide, seed=3), "pass")], wide)
    new = replace(new, tool=replace(new.tool, version="9.9"), data=replace(new.data, unseen=9000, split="by class"))
    unfair = compare_reports(old, new).unfair
    assert unfair[0] == "policy, margin_auc: 0.05, then 0.1"
    assert set(unfair[1:]) >= {
        "policy, alpha: 0.05, then 0.1",
        "policy, profile: 'standard', then 'screening'",
        "data, unseen: 8000, then 9000",
        "data, split: none, then 'by class'",
        "retrains: 8, then 6",
    }
    assert any(line.startswith("version of vestige") for line in unfair)
    assert any(line.startswith("battery") for line in unfair) is False


def test_other_retrains_other_batteries_and_changed_policies(audits: dict[str, Audit]) -> None:
    old = reported([audits["PASS"]])
    others = reported([as_candidate(audited(WORLD, seed=9), "pass")])
    assert compare_reports(old, others).unfair == (
        "retrains: their values differ, so the reference or the data is another one",
    )
    shorter = reported([replace(audits["PASS"], endpoints=audits["PASS"].endpoints[1:])])
    (line,) = compare_reports(old, shorter).unfair
    assert line.startswith("battery: 3 (M, ")
    changed = reported([audits["PASS"]], registered="0" * 64)
    assert compare_reports(changed, old).unfair == ("policy: in the old report it was changed after it was registered",)


def test_the_command(reports: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", str(reports["all"]), str(reports["FAIL"])) == 0
    out = capsys.readouterr().out
    assert "fail: FAIL (LEAK, TRACE), then FAIL (LEAK, TRACE): unchanged" in out
    assert "pass: only in OLD" in out and "inconclusive: only in OLD" in out and "Not a fair" not in out
    assert run("compare", str(reports["PASS"]), str(reports["FAIL"])) == 0
    assert "No candidate is in both reports." in capsys.readouterr().out


def test_what_is_unfair_is_printed_first(
    audits: dict[str, Audit], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / "old.json", tmp_path / "new.json"]
    wide = Policy.of({"margin_auc": 0.1})
    paths[0].write_text(to_json(reported([audits["PASS"]])))
    paths[1].write_text(to_json(reported([as_candidate(audited(WORLD, wide), "pass")], wide)))
    assert run("compare", *map(str, paths)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "Not a fair comparison: more than the candidates differs.",
        "  policy, margin_auc: 0.05, then 0.1",
    ]


def test_json(reports: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", str(reports["all"]), str(reports["all"]), "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert [pair["change"] for pair in record["pairs"]] == ["unchanged"] * 3
    assert set(record) == {"unfair", "pairs", "only_old", "only_new"}


def test_input_errors(reports: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("compare", str(reports["PASS"])) == 2
    bad = tmp_path / "bad.json"
    bad.write_text("[" * 100_000)
    for pair in ((bad, reports["PASS"]), (reports["PASS"], bad), (reports["PASS"], tmp_path / "none.json")):
        capsys.readouterr()
        assert run("compare", *map(str, pair)) == 4
        said = capsys.readouterr()
        assert said.out == "" and said.err.count("\n") == 1


@pytest.mark.parametrize("name", NAMES)
def test_names_reach_the_terminal_as_one_line(
    audits: dict[str, Audit], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    def renamed(report: dict[str, Any]) -> None:
        report["audits"][0].update(candidate=name)
        report["audits"][0]["verdict"]["reasons"] = [{"code": "LEAK", "where": ["\x1b[31mX"]}]
        report["data"]["split"] = "\n::error::"

    old = write_edited(reported([audits["PASS"]]), tmp_path / "old.json", renamed)
    new = write_edited(reported([as_candidate(audits["PASS"], name)]), tmp_path / "new.json", lambda report: None)
    assert run("compare", str(old), str(new)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.isprintable() and not line.startswith("::") for line in lines)
    assert compare(old, new).pairs[0].candidate == name
