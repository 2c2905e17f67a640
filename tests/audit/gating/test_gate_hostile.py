"""Files that are no reports, or try something: one sentence and exit code 4, never a traceback, never 1."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.audit.gating.conftest import Edit, reported, run, write_edited
from vestige.audit.results.json import MOST_BYTES, shipped_schema, to_json
from vestige.audit.results.report import Audit

NAMES = ["<script>alert(1)</script>", "a\nb\r\n::error::x", "\x1b[31mred", "| x | `y` |", "\u202egreen", "&lt;", "]]>"]


def refused(path: Path, capsys: pytest.CaptureFixture[str], *, code: int = 4) -> str:
    assert run("gate", str(path), "--profile", "standard") == code
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("Error: ") and said.err.count("\n") == 1
    assert "Traceback" not in said.err and "internal error" not in said.err and len(said.err) < 1000
    assert said.err.rstrip("\n").isprintable()
    return said.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "JSON"),
        (b"\x00\x01\x02", "JSON"),
        (b"\xff\xfe{}", "UTF-8"),
        (b"[]", "JSON object"),
        (b"null", "JSON object"),
        (b"{}", "schema_version"),
        (b'{"schema_version": "9.9"}', "schema_version '3.0', got '9.9'"),
        (b'{"schema_version": "3.0"}', "report.schema.json"),
        (b'{"schema_version": NaN}', "finite"),
        (b'{"schema_version": 1e999}', "finite"),
        (b'{"schema_version": ' + b"9" * 5000 + b"}", "JSON"),
        (b'{"a": 1, "a": 2}', "every key and every candidate once"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 200_000, "nested too deeply"),
        (b'{"schema_version": "3.0", "\\u001b[31m\\n": 1}', "report.schema.json"),
    ],
)
def test_what_is_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, words: str) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content)
    assert words in refused(path, capsys)


def test_missing_files_folders_and_devices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No such file" in refused(tmp_path / "none.json", capsys)
    assert "No such file" in refused(tmp_path, capsys)
    (tmp_path / "report.json").mkdir()
    assert "a folder" in refused(tmp_path, capsys)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused(tmp_path / "loop", capsys)


def test_a_large_file_is_not_read_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.json"
    with path.open("wb") as stream:
        stream.truncate(2**40)  # whoever reads it whole has no memory for it
    assert "at most 64 MiB" in refused(path, capsys)
    assert "device" in refused(Path("/dev/zero"), capsys)


def test_a_cut_report(audits: dict[str, Audit], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = to_json(reported([audits["PASS"]]))
    path = tmp_path / "report.json"
    for share in (0.1, 0.5, 0.99):
        path.write_text(text[: int(share * len(text))], encoding="utf-8")
        assert "JSON" in refused(path, capsys)


def set_in(*keys: Any) -> Callable[[Any], Edit]:
    def to(value: Any) -> Edit:
        def edit(report: dict[str, Any]) -> None:
            place: Any = report
            for key in keys[:-1]:
                place = place[key]
            place[keys[-1]] = value

        return edit

    return to


WRONG: list[Edit] = [
    set_in("audits")([]),
    set_in("audits")({}),
    set_in("audits", 0)(None),
    set_in("audits", 0, "candidate")(7),
    set_in("audits", 0, "verdict", "outcome")("GREEN"),
    set_in("audits", 0, "verdict", "grade")("A+"),
    set_in("audits", 0, "endpoints")([]),
    set_in("audits", 0, "endpoints", 0, "gap")("0.01"),
    set_in("audits", 0, "endpoints", 0, "gap")(True),
    set_in("audits", 0, "endpoints", 0, "interval")([0.1]),
    set_in("audits", 0, "endpoints", 0, "extra")(1),
    set_in("audits", 0, "reference", "forget")(1.5),
    set_in("audits", 0, "no_op")("false"),
    set_in("policy", "margin_auc")("0.05"),
    set_in("data", "forget")(-1),
    set_in("unknown\n\x1b[2J")(1),
]


@pytest.mark.parametrize("edit", WRONG)
def test_what_the_schema_refuses_the_gate_refuses(
    audits: dict[str, Audit], tmp_path: Path, capsys: pytest.CaptureFixture[str], edit: Edit
) -> None:
    path = write_edited(reported([audits["PASS"]]), tmp_path / "report.json", edit)
    content = json.loads(path.read_text())
    schema = json.loads(shipped_schema())
    by_schema = not jsonschema.Draft202012Validator(schema).is_valid(content)
    assert by_schema or content["audits"][0]["endpoints"] == []
    refused(path, capsys)


@pytest.mark.parametrize(
    "edit",
    [
        set_in("audits", 0, "reference", "retrains")(10**300),
        set_in("audits", 0, "reference", "retrains")(-5),
        set_in("audits", 0, "reference", "unseen_calibration")(10**30),
        set_in("data", "unseen")(10**400),
        set_in("audits", 0, "reference", "problem")("x" * 100_000 + "\n"),
        set_in("audits", 0, "reference", "problem")("retrain 1 and retrain 2 are byte-equal\n::error::"),
        set_in("audits", 0, "reference", "firing")(["A1"]),
        set_in("audits", 0, "reference", "dropped")(["\x1b[31mretrain 1"]),
        set_in("audits", 0, "unseen_check", "gain_interval")([-1e308, 1e308]),
        set_in("audits", 0, "utility", 0, "interval")([-1e308, 1e308]),
        set_in("audits", 0, "endpoints", 1, "retrains")([]),
        set_in("audits", 0, "endpoints", 0, "example_error")(1e308),
        set_in("audits", 0, "utility", 0, "original")(1e308),
        set_in("audits", 0, "utility", 0, "example_error")(1e308),
        set_in("audits", 0, "endpoints", 0, "expected_error")(1e308),
        set_in("audits", 0, "share_forgotten", "original")(1e308),
        set_in("audits", 0, "reference", "checks", 0, "statistic")(1e308),
        set_in("audits", 0, "unseen_check", "error")(1e308),
        set_in("audits", 0, "unseen_check", "retain_gap")(-1e308),
        set_in("audits", 0, "retained", "comparisons", 1, "retrains")([]),
        set_in("audits", 0, "retained", "comparisons", 1, "name")("weather"),
        set_in("audits", 0, "hygiene", "findings", 0, "of")(10**400),
        set_in("data", "classes")(0),
        set_in("policy", "alpha")(0.9),
        set_in("policy", "margin_auc")(1e308),
        set_in("policy", "margin_shape")(-1.0),
        set_in("policy", "hash")("\u202e" * 64),
        set_in("policy", "changed")(True),
    ],
)
def test_wild_values_in_a_valid_form(
    audits: dict[str, Audit], tmp_path: Path, capsys: pytest.CaptureFixture[str], edit: Edit
) -> None:
    path = write_edited(reported([audits["PASS"]]), tmp_path / "report.json", edit)
    assert "report.json" in refused(path, capsys)


def test_equal_values_on_every_retrain(
    audits: dict[str, Audit], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("M", "S", "T", "V"):

        def edit(report: dict[str, Any], name: str = name) -> None:
            endpoint = next(endpoint for endpoint in report["audits"][0]["endpoints"] if endpoint["name"] == name)
            endpoint["retrains"] = [0.5] * len(endpoint["retrains"])

        said = refused(write_edited(reported([audits["PASS"]]), tmp_path / "report.json", edit), capsys)
        assert "report.json" in said and "expected" in said


def test_a_candidate_twice(audits: dict[str, Audit], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "report.json"
    path.write_text(to_json(reported([audits["PASS"], audits["PASS"]])))
    assert "every candidate once" in refused(path, capsys)


@pytest.mark.parametrize("name", NAMES)
def test_no_name_reaches_the_terminal_as_it_is(
    audits: dict[str, Audit], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    path = write_edited(reported([audits["PASS"]]), tmp_path / "r.json", set_in("audits", 0, "candidate")(name))
    assert run("gate", str(path), "--profile", "standard") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("PASS: margins AUC 0.05") and all(line.isprintable() for line in lines)
    assert not any(line.startswith("::") for line in lines)
    assert run("gate", str(path), "--profile", "standard", "--json") == 0
    out = capsys.readouterr().out
    assert json.loads(out)["candidates"][0]["candidate"] == name and out.replace("\n", "").isprintable()


def test_the_bound_is_well_above_a_large_report(audits: dict[str, Audit]) -> None:
    text = to_json(reported([audits["PASS"]]))
    assert 100 * len(text.encode()) < MOST_BYTES
