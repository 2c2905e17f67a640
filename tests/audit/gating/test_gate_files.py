"""What the gate writes, read by those who will read it: a JUnit consumer, the SARIF schema of OASIS, the in-toto
classes, a Markdown renderer."""

import json
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult as ResultMessage
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage
from junitparser import Error, Failure, JUnitXml
from markdown_it import MarkdownIt
from sarif_kit.validate import validation_errors

from tests.audit.gating.conftest import KINDS, reported, run
from tests.audit.gating.test_gate_hostile import NAMES
from vestige.audit.files.text import one_line
from vestige.audit.gate.formats.cases import cases
from vestige.audit.gate.formats.in_toto import in_toto
from vestige.audit.gate.formats.junit import junit
from vestige.audit.gate.formats.sarif import sarif
from vestige.audit.gate.formats.summary import summary
from vestige.audit.gate.formats.writing import write
from vestige.audit.gate.gate import Gate, GatedCandidate, Requirement, gate
from vestige.audit.policy import Policy
from vestige.audit.results.json import to_json
from vestige.audit.results.report import Audit
from vestige.learners.errors import ConfigError, DataError


@pytest.fixture
def found(reports: dict[str, Path], policy_file: Path) -> Gate:
    return gate([reports["all"]], Requirement.read(policy_file))


def named(found: Gate, *names: str, weights: str | None = None) -> Gate:
    """The gate's PASS candidate under other names."""
    candidate = found.candidates[0]
    candidates = [
        GatedCandidate(candidate.source, candidate.report, replace(candidate.audit, candidate=name, weights=weights))
        for name in names
    ]
    return replace(found, candidates=tuple(candidates))


def read_junit(content: bytes) -> JUnitXml:
    read = JUnitXml.fromstring(content)
    assert isinstance(read, JUnitXml)
    return read


def test_junit_as_a_consumer_reads_it(found: Gate) -> None:
    read = read_junit(junit(found))
    suites = {suite.name: suite for suite in read}
    assert list(suites) == ["pass", "fail", "inconclusive"]
    assert read.skipped == 0 and all(suite.skipped == 0 for suite in read)
    for suite, judged in zip(read, found.candidates, strict=True):
        tests = {case.name: case for case in suite}
        endpoints = [endpoint.label for endpoint in judged.audit.endpoints]
        assert "G: hardest quarter" in endpoints
        assert list(tests) == ["verdict", *endpoints, "utility retain", "utility unseen"]
        kinds = [type(result) for case in tests.values() for result in case.result]
        assert (suite.tests, suite.failures, suite.errors) == (
            len(tests),
            kinds.count(Failure),
            kinds.count(Error),
        )
    assert suites["pass"].failures == suites["pass"].errors == 0
    assert (suites["fail"].failures or 0) > 1
    verdicts = {name: next(iter(suite)).result for name, suite in suites.items()}
    assert verdicts["pass"] == [] and isinstance(verdicts["fail"][0], Failure)
    open_ = verdicts["inconclusive"][0]
    assert isinstance(open_, Error) and open_.type == "INCONCLUSIVE" and "NEAR_MARGIN" in (open_.message or "")
    assert (read.tests, read.failures, read.errors) == (
        sum(suite.tests for suite in read),
        sum(suite.failures for suite in read),
        sum(suite.errors for suite in read),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_all_tests_pass_exactly_where_the_verdict_is_pass(kinds: dict[str, Audit], kind: str) -> None:
    audit = kinds[kind]
    states = {case.state for case in cases(audit)}
    assert (states == {"pass"}) == (audit.verdict.outcome == "PASS")
    assert ("fail" in states) == (audit.verdict.outcome == "FAIL")


@pytest.mark.parametrize("name", NAMES)
def test_names_in_junit_and_sarif(found: Gate, name: str) -> None:
    (suite,) = read_junit(junit(named(found, name)))
    assert suite.name is not None and suite.name.isprintable() and suite.errors == 0
    log = json.loads(sarif(named(found, name)))
    assert validation_errors(log) == []
    assert log["runs"][0]["results"][0]["message"]["text"].isprintable()


def results(content: bytes) -> list[dict[str, Any]]:
    log = json.loads(content)
    assert validation_errors(log) == []
    (run_,) = log["runs"]
    rules = [rule["id"] for rule in run_["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules)
    found: list[dict[str, Any]] = run_["results"]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in found)
    marks = [result["partialFingerprints"]["primaryLocationLineHash"] for result in found]
    assert len(set(marks)) == len(marks)
    return found


def test_sarif_plain_follows_the_schema_and_tells_all_kinds(found: Gate) -> None:
    plain = results(sarif(found))
    assert len(plain) == sum(len(cases(candidate.audit)) for candidate in found.candidates)
    assert {(result["kind"], result["level"]) for result in plain} == {
        ("pass", "none"),
        ("fail", "error"),
        ("open", "none"),
    }
    verdicts = [result["kind"] for result in plain if result["ruleId"] == "vestige/verdict"]
    assert verdicts == ["pass", "fail", "open"]


def test_the_schema_can_refuse(found: Gate) -> None:
    log = json.loads(sarif(found))
    log["runs"][0]["results"][0]["kind"] = "green"
    assert validation_errors(log)


def test_sarif_for_github_tells_only_what_is_not_green(
    found: Gate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    github = results(sarif(found, "github"))
    assert {(result["kind"], result["level"]) for result in github} == {("fail", "error"), ("fail", "warning")}
    places = {result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in github}
    assert places == {"policy.toml"}
    by_level = {result["level"]: result["locations"][0]["logicalLocations"][0]["name"] for result in github}
    assert by_level == {"error": "fail", "warning": "inconclusive"}
    assert results(sarif(named(found, "a"), "github")) == []
    with pytest.raises(ConfigError, match="--policy FILE"):
        sarif(replace(found, requirement=Requirement.of(Policy())), "github")


def test_sarif_tells_nothing_of_where_files_lie_elsewhere(found: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert "%" not in json.dumps(results(sarif(found))[0]["locations"])
    monkeypatch.chdir("/usr")
    uris = {result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in results(sarif(found))}
    assert uris == {"all.json"}


@pytest.mark.parametrize(("outcome", "result"), [(0, "PASSED"), (1, "FAILED"), (2, "FAILED")])
def test_in_toto_as_its_own_classes_read_it(found: Gate, outcome: int, result: str) -> None:
    candidate = found.candidates[outcome]
    weighed = GatedCandidate(candidate.source, candidate.report, replace(candidate.audit, weights="ab" * 32))
    content = in_toto(replace(found, candidates=(weighed,)))
    message = json_format.Parse(content, StatementMessage())
    Statement.copy_from_pb(message).validate()
    assert message.predicate_type == "https://in-toto.io/attestation/test-result/v0.1"
    assert message.subject[0].name == candidate.name and dict(message.subject[0].digest) == {
        "vestigeWeights": "ab" * 32
    }
    predicate = json_format.ParseDict(json_format.MessageToDict(message.predicate), ResultMessage())
    assert predicate.result == result and list(predicate.warned_tests) == []
    assert dict(predicate.configuration[0].digest) == {
        "vestigePolicy": Policy().hash,
        "sha256": found.requirement.sha256,
    }
    names = {f"{candidate.name}/{case.name}": case.state for case in cases(candidate.audit)}
    assert set(predicate.passed_tests) == {name for name, state in names.items() if state == "pass"}
    assert set(predicate.failed_tests) == {name for name, state in names.items() if state != "pass"}
    assert (f"{candidate.name}/verdict" in predicate.passed_tests) == (result == "PASSED")


def test_in_toto_of_several_candidates_passes_only_where_all_pass(found: Gate) -> None:
    assert json.loads(in_toto(named(found, "a", "b", weights="00")))["predicate"]["result"] == "PASSED"
    weighed = [
        GatedCandidate(candidate.source, candidate.report, replace(candidate.audit, weights="00"))
        for candidate in found.candidates
    ]
    statement = json.loads(in_toto(replace(found, candidates=tuple(weighed))))
    assert statement["predicate"]["result"] == "FAILED" and len(statement["subject"]) == 3


def test_in_toto_needs_a_digest_of_the_candidate(
    reports: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    targets = {"--in-toto": tmp_path / "statement.json", "--junit": tmp_path / "junit.xml"}
    options = [str(value) for pair in targets.items() for value in pair]
    assert run("gate", str(reports["PASS"]), "--profile", "standard", *options) == 4
    assert "made from outputs" in capsys.readouterr().err
    assert not any(path.exists() for path in targets.values())


def rendered(content: bytes) -> str:
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(content.decode("utf-8"))


def test_the_summary_renders_as_a_table(found: Gate) -> None:
    html = rendered(summary(found))
    assert html.count("<table>") == 1 and html.count("<tr>") == 4
    assert "margins AUC 0.05, TPR 0.02 at FPR 0.01, labels 0.05" in html.replace("&#46;", ".")
    assert "<strong>FAIL</strong>" in html and "<strong>INCONCLUSIVE</strong>" in html


@pytest.mark.parametrize("name", [*NAMES, "[a](http://b.example)", "![x](y)", "@user #1 **b** `c` $x$ <!-- "])
def test_names_in_the_summary_stay_names(found: Gate, name: str) -> None:
    html = rendered(summary(named(found, name)))
    cell = html.split("<td>")[1].split("</td>")[0]
    assert unescape(cell) == one_line(name).strip()
    assert html.count("<tr>") == 2 and html.count("<table>") == 1
    for tag in ("<script", "<img", "<a ", "<code", "<!--", "\x1b", "\u202e"):
        assert tag not in html


def test_the_summary_is_appended(found: Gate) -> None:
    once = summary(found, b"# Before\n")
    assert once.startswith(b"# Before\n\n\n## FAIL")
    twice = summary(found, once)
    assert twice.startswith(once) and rendered(twice).count("<table>") == 2


@pytest.mark.parametrize("before", [0, 2**19, 2**20 - 4000])
@pytest.mark.parametrize("candidates", [1, 300, 12_000])
def test_the_summary_stays_below_1_mib_and_says_what_it_leaves_out(found: Gate, candidates: int, before: int) -> None:
    many = named(found, *(f"candidate {k} \u00e9" for k in range(candidates)))
    content = summary(many, b"x" * before)
    assert len(content) < 2**20
    page = content[before:].decode("utf-8")
    rows = page.count("| PASS |")
    assert rows == candidates or f"{candidates - rows} candidate" in page.splitlines()[-1]
    if rows < candidates:
        assert f"of {candidates} left out" in page and "below 1 MiB" in page
    elif "<details>" not in page:
        assert "Details are left out" in page


def test_a_full_summary_is_refused(found: Gate) -> None:
    with pytest.raises(DataError, match="room for a summary"):
        summary(found, b"x" * 2**20)


def test_a_full_summary_is_refused_with_its_name(found: Gate, tmp_path: Path) -> None:
    file = tmp_path / "full.md"
    file.write_bytes(b"x" * 2**20)
    with pytest.raises(DataError, match=r"full\.md: expected room for a summary"):
        write(found, {"--summary": file})


@pytest.mark.parametrize(("outcome", "code"), [("PASS", 0), ("FAIL", 1), ("INCONCLUSIVE", 3)])
def test_files_are_written_whatever_the_verdict(
    reports: dict[str, Path], policy_file: Path, tmp_path: Path, outcome: str, code: int
) -> None:
    targets = {"--junit": "out/j.xml", "--summary": "out/s.md", "--sarif": "out/r.sarif"}
    options = [str(argument) for option, name in targets.items() for argument in (option, tmp_path / name)]
    command = ("gate", str(reports[outcome]), "--policy", str(policy_file), *options, "--sarif-profile", "github")
    assert run(*command) == code
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["j.xml", "r.sarif", "s.md"]
    assert len(results((tmp_path / "out/r.sarif").read_bytes())) == 0 if outcome == "PASS" else 1
    assert run(*command) == code
    assert (tmp_path / "out/s.md").read_text().count("## ") == 2
    assert len(read_junit((tmp_path / "out/j.xml").read_bytes())) == 1


@pytest.mark.parametrize("option", ["--junit", "--summary", "--sarif", "--in-toto"])
def test_nothing_is_written_over_a_folder(
    reports: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    (tmp_path / "folder").mkdir()
    assert run("gate", str(reports["PASS"]), "--profile", "standard", option, str(tmp_path / "folder")) == 4
    assert f"expected a file for {option}" in capsys.readouterr().err
    assert list((tmp_path / "folder").iterdir()) == []


def test_the_report_s_own_text_stands_in_no_file_unescaped(audits: dict[str, Audit], tmp_path: Path) -> None:
    audit = audits["INCONCLUSIVE"]
    path = tmp_path / "report.json"
    path.write_text(to_json(reported([replace(audit, candidate="<i>x</i>|y")])))
    found = gate([path], Requirement.of(Policy()))
    assert b"<i>" not in summary(found) and b"<i>" not in junit(found)
