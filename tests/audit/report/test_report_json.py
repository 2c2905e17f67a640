"""report.json: round trip, what may differ between runs, refusals, and the shipped schema."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from vestige.audit.report.html import render_html, write_report
from vestige.audit.results.json import comparable, from_json, read_report, schema, schema_text, shipped_schema, to_json
from vestige.audit.results.report import Audit, Report, Summary
from vestige.learners.errors import DataError

ReportMaker = Callable[[tuple[Audit, ...]], Report]


def test_round_trip_loses_nothing(report: Report) -> None:
    text = to_json(report)
    assert from_json(text) == report
    assert to_json(from_json(text)) == text
    assert text.endswith("}\n")


def test_design_keys_of_an_audit(report: Report) -> None:
    value = json.loads(to_json(report))
    assert next(iter(value)) == "schema_version"
    for audit in value["audits"]:
        assert {"candidate", "verdict", "endpoints", "utility", "cost"} <= audit.keys()
        assert {"outcome", "reasons", "grade", "profile"} <= audit["verdict"].keys()
        for endpoint in audit["endpoints"]:
            expected = {"name", "candidate", "retrains", "original", "gap", "interval", "margin", "decision"}
            assert expected <= endpoint.keys()


def test_rp_01_same_report_same_bytes_times_aside(small_report: Report) -> None:
    first = small_report.audits[0]
    assert first.cost is not None
    slower = replace(first, cost=replace(first.cost, seconds=99.0))
    later = replace(small_report, created="2027-01-01T00:00:00Z", audits=(slower, *small_report.audits[1:]))
    assert to_json(small_report) != to_json(later)
    assert comparable(to_json(small_report)) == comparable(to_json(later))
    assert to_json(small_report) == to_json(replace(small_report))


def test_rp_01_comparable_keeps_everything_else(small_report: Report) -> None:
    stripped = json.loads(comparable(to_json(small_report)))
    full = json.loads(to_json(small_report))
    full.pop("created")
    for audit in full["audits"]:
        del audit["cost"]["seconds"]
    assert stripped == full
    other = replace(small_report, policy=replace(small_report.policy, alpha=0.01))
    assert comparable(to_json(small_report)) != comparable(to_json(other))


def test_rp_02_extreme_values_are_valid_json(audit_maker: Callable[..., Audit], report_maker: ReportMaker) -> None:
    audit = audit_maker("perfect", "FAIL", ("LEAK",), 0.65)
    extreme = replace(
        audit.endpoints[0], candidate=1.0, retrains=(0.0,) * 3, original=1.0, gap=1.0, original_gap=1.0, reference=0.0
    )
    empty = replace(audit, endpoints=(extreme,), operating_points=(), attacks=(), curves=(), histograms=(), utility=())
    text = to_json(report_maker((empty,)))

    def refuse(token: str) -> float:
        raise AssertionError(token)

    assert json.loads(text, parse_constant=refuse)["audits"][0]["endpoints"][0]["candidate"] == 1.0
    assert "perfect" in render_html(from_json(text))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_rp_02_numbers_that_are_not_finite_are_refused(small_report: Report, bad: float) -> None:
    audit = small_report.audits[0]
    broken = replace(audit, endpoints=(replace(audit.endpoints[0], p_value=bad), *audit.endpoints[1:]))
    with pytest.raises(DataError, match="NaN or Infinity"):
        to_json(replace(small_report, audits=(broken, *small_report.audits[1:])))


def test_rp_03_fprs_are_fractions_and_say_so(report: Report) -> None:
    value = json.loads(to_json(report))
    assert value["schema_version"] == "3.0" and value["battery"] == "3"
    points = [point for audit in value["audits"] for point in audit["operating_points"]]
    assert {point["fpr"] for point in points} == {0.1, 0.01}
    definitions = schema()["$defs"]
    assert "fraction" in definitions["CalibratedPoint"]["properties"]["fpr"]["description"]
    assert "fraction" in definitions["PolicyRecord"]["properties"]["fpr"]["description"]
    assert "schema_version" in schema()["required"]
    page = render_html(report)
    assert "FPR 0.01" in page
    assert "% FPR" not in page and "FPR of 1" not in page and "FPR 1 %" not in page


def test_schema_file_is_current() -> None:
    assert shipped_schema() == schema_text()


def test_schema_describes_every_key() -> None:
    generated = schema()
    owners: list[dict[str, Any]] = [generated, *generated["$defs"].values()]
    bare = [
        f"{owner['title']}.{key}"
        for owner in owners
        for key, field in owner.get("properties", {}).items()
        if not field.get("description")
    ]
    assert bare == []


def test_sample_validates_against_the_schema(report: Report) -> None:
    shipped = json.loads(shipped_schema())
    jsonschema.Draft202012Validator.check_schema(shipped)
    validator = jsonschema.Draft202012Validator(shipped)
    value = json.loads(to_json(report))
    validator.validate(value)
    for change in ({"surprise": 1}, {"schema_version": "2.0"}, {"audits": []}, {"summary": {}}):
        assert not validator.is_valid(value | change)
    value["audits"][0]["verdict"]["outcome"] = "MAYBE"
    assert not validator.is_valid(value)


def edited(report: Report, edit: Callable[[dict[str, Any]], None]) -> str:
    value = json.loads(to_json(report))
    edit(value)
    return json.dumps(value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "JSON"),
        ("not json", "JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "list"),
        ("null", "NoneType"),
        ("{}", "schema_version"),
        ('{"schema_version": "9.0"}', "9.0"),
        ('{"schema_version": NaN}', "NaN"),
        ('{"schema_version": 1e999}', "1e999"),
        ('{"schema_version": "3.0"}', "report.schema.json"),
    ],
)
def test_hostile_text_is_refused_in_one_sentence(text: str, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        from_json(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def set_first(key: str, item: Any) -> Callable[[dict[str, Any]], None]:
    def edit(value: dict[str, Any]) -> None:
        *path, last = key.split(".")
        target: Any = value
        for part in path:
            target = target[int(part)] if part.isdigit() else target[part]
        target[last] = item

    return edit


@pytest.mark.parametrize(
    ("key", "item", "says"),
    [
        ("surprise", 1, "surprise"),
        ("created", 5, "created"),
        ("policy.alpha", "0.05", "policy.alpha"),
        ("policy.changed", "no", "policy.changed"),
        ("data.forget", -1, "data.forget"),
        ("data.forget", 1.5, "data.forget"),
        ("audits.0.candidate", None, "audits.0.candidate"),
        ("audits.0.verdict.outcome", "MAYBE", "audits.0.verdict.outcome"),
        ("audits.0.endpoints.0.surprise", 1, "audits.0.endpoints.0.surprise"),
        ("audits.0.endpoints.0.interval", [0.1], "audits.0.endpoints.0.interval"),
        ("audits.0.endpoints.0.name", "<b>", "audits.0.endpoints.0.name"),
        ("audits.0.endpoints.0.candidate", 1.5, "audits.0.endpoints.0.candidate"),
        ("audits.0.endpoints.0.retrains", [2.0], "audits.0.endpoints.0.retrains.0"),
        ("audits.0.curves.0.fpr", [0.0, 1.0], "ROC"),
        ("audits.0.curves.0.tpr", [7.0] * 120, "audits.0.curves.0.tpr.0"),
        ("audits.0.histograms.0.forget", [1], "histograms"),
        ("audits.0.histograms.0.edges", [0.0] * 41, "histograms"),
        ("audits.0.histograms.0.edges", [], "histograms"),
        ("summary.passed", 8, "summary"),
        ("audits.0.endpoints", [], "endpoints, at least one and each once"),
        ("audits.0.setting.name", "exchangeable", "audits.0.setting.name"),
        ("audits.0.verdict.reasons", ["LEAK"], "audits.0.verdict.reasons.0"),
    ],
)
def test_hostile_values_are_refused_with_their_place(small_report: Report, key: str, item: Any, says: str) -> None:
    with pytest.raises(DataError, match=says) as caught:
        from_json(edited(small_report, set_first(key, item)))
    assert "\n" not in str(caught.value)


def test_an_endpoint_twice_is_refused(report: Report) -> None:
    first, *others = report.audits
    broken = replace(report, audits=(*others, replace(first, endpoints=(first.endpoints[0], *first.endpoints))))
    with pytest.raises(DataError, match="endpoints, at least one and each once") as caught:
        to_json(replace(broken, summary=Summary.of(broken.audits)))
    assert "\n" not in str(caught.value)


def test_files_are_written_whole_and_read_back(small_report: Report, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    paths = write_report(small_report, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json"]
    assert paths[0].read_bytes() == to_json(small_report).encode()
    assert paths[1].read_bytes() == render_html(small_report).encode()
    assert read_report(paths[0]) == read_report(folder) == small_report


def test_a_report_that_cannot_be_written_leaves_the_old_one(small_report: Report, tmp_path: Path) -> None:
    write_report(small_report, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(DataError):
        write_report(replace(small_report, policy=replace(small_report.policy, alpha=math.nan)), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="check the path"):
        read_report(tmp_path / "missing.json")
    with pytest.raises(DataError, match="check the path"):
        read_report(tmp_path)
    binary = tmp_path / "report.json"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="UTF-8"):
        read_report(binary)
    binary.write_text("{}")
    with pytest.raises(DataError, match="report.json: expected"):
        read_report(tmp_path)
