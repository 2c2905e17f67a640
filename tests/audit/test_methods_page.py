"""The listing of methods: records that JSON can hold, words for types and ranges, and the committed page."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from vestige.audit.cli.entry import main
from vestige.audit.cli.methods import PAGE, REGENERATE, _escape, _paragraphs, _rows, _tries, markdown
from vestige.audit.cli.methods_text import accepts, method_record
from vestige.unlearners.core.registry import entry, names

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_committed_page_is_what_the_registry_says() -> None:
    same = (ROOT / PAGE).read_text(encoding="utf-8") == markdown() + "\n"
    assert same, f"{PAGE} is older than the methods; write it again with: {REGENERATE}"


@pytest.mark.parametrize("name", names())
def test_a_record_is_plain_json_and_names_every_parameter(name: str) -> None:
    record = method_record(name)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert [one["name"] for one in record["parameters"]] == [field.name for field in fields(entry(name).method)]
    assert record["description"] and record["citation"] and record["explanation"] and record["settings"]
    for one in record["parameters"]:
        assert one["accepts"] and one["accepts"] != "any value", one
        assert one["default"] is not None or one["default_by_size"] or one["name"] in record_words(record), one


def record_words(record: dict[str, Any]) -> str:
    """All that is said about a method's parameters: one whose default is None needs words about it."""
    return " ".join([record["explanation"], *record["shared"]])


@pytest.mark.parametrize("name", names())
def test_what_a_search_tries_is_a_parameter(name: str) -> None:
    method = entry(name).method
    own = {field.name for field in fields(method)}
    assert set(method.search) <= own and set(method.by_size) <= own and set(method.by_size_of_class) <= own


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "number", "exclusiveMinimum": 0}, "number > 0"),
        ({"type": "integer", "minimum": 1, "maximum": 1000}, "integer >= 1, <= 1000"),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, "number"),
        ({"anyOf": [{"type": "number"}, {"type": "string"}]}, "number or string"),
        ({"enum": ["train", "frozen"], "type": "string"}, "'train' or 'frozen'"),
        ({"const": "all", "type": "string"}, "'all'"),
        ({"type": "array", "items": {"type": "string"}}, "list of string"),
        ({"type": "array", "prefixItems": [{"type": "number"}, {"type": "integer"}]}, "list of number, integer"),
        ({"anyOf": [{"$ref": "#/$defs/Pair"}, {"type": "null"}]}, "table of a, b"),
        ({"$ref": "#/$defs/Kind"}, "'x' or 'y'"),
        ({}, "any value"),
    ],
)
def test_types_and_ranges_in_words(schema: dict[str, Any], words: str) -> None:
    tables = {"Pair": {"properties": {"a": {}, "b": {}}}, "Kind": {"enum": ["x", "y"]}}
    assert accepts(schema, tables) == words


def test_a_nested_table_is_listed_field_by_field(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row[0]: row[1:] for row in _rows(method_record("finetune")["parameters"])}
    assert rows["contrastive"] == ("none", "table of weight, temperature, views, noise", "")
    assert rows["contrastive.weight"] == ("1.0", "number >= 0", "")
    assert rows["contrastive.views"][1] == "'recipe' or 'noise'"
    assert rows["rate"] == (
        "by size: xs 1.0, s 1.5, m 0.3, l 0.3",
        "number > 0",
        _tries({"factors": entry("finetune").method.search["rate"].factors}),  # type: ignore[union-attr]
    )
    assert run("methods", "finetune") == 0
    said = capsys.readouterr().out
    assert "contrastive.temperature" in said and "--tune tries" in said and "peak learning rate" in said
    assert run("methods", "finetune", "--json") == 0
    assert json.loads(capsys.readouterr().out) == method_record("finetune")


def test_what_a_search_tries_in_words() -> None:
    assert _tries(None) == ""
    assert _tries({"factors": [0.1, 1.0, 10.0]}) == "default x 0.1, 1, 10"
    assert _tries({"values": [4, "cosine", False, None]}) == "4, cosine, false, none"


def test_the_page_is_printed_alone_with_a_section_for_each_method(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("methods", "--markdown") == 0
    page = capsys.readouterr().out
    assert page == markdown() + "\n"
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")][1:] == list(names())
    assert "``" not in page
    widths = {line.replace(r"\|", "").count("|") for line in page.splitlines() if line.startswith("|")}
    assert widths == {5}
    for wrong in (("finetune", "--markdown"), ("--json", "--markdown")):
        assert run("methods", *wrong) == 2
        assert "give it alone" in capsys.readouterr().err


def test_docstrings_become_markdown() -> None:
    assert _escape("``a * b < c`` where x * y < z") == r"`a * b < c` where x \* y \< z"
    assert _paragraphs("one\ntwo\n\nthree:\n- an item\n  goes on") == ["", "one two", "", "three:", "- an item goes on"]
    assert _paragraphs("steps:\n1. first\n   goes on\n2. second")[1:] == ["steps:", "1. first goes on", "2. second"]
    assert _paragraphs("``a\n- b`` in a line") == ["", "`a - b` in a line"]  # no list item inside code
