"""Tables that are broken or hostile: one sentence with the file, the line or row, and the column."""

import gzip
import re
import sys

import numpy as np
import pandas as pd
import pytest

from tests.attacks import table_files as t
from vestige.attacks.outputs.tables import sheet as sheet
from vestige.attacks.outputs.tables.columns import Columns, RoleNames
from vestige.attacks.outputs.tables.read import TableFiles, read_tables
from vestige.learners.errors import ConfigError, DataError

HEAD = "id,model,label,role,p_0,p_1\n"
ROWS = [
    f"{name},{model},{label},{role},{a},{b}\n"
    for model in ("candidate", "retrain-1")
    for name, label, role, a, b in (("x", 0, "forget", 1.5, -2), ("y", 1, "unseen", 0.25, 3))
]
GOOD = HEAD + "".join(ROWS)


def changed(old, new, count=1):
    assert old in GOOD
    return GOOD.replace(old, new, count)


def refused(source, *args, error=DataError, **options):
    with pytest.raises(error) as caught:
        read_tables(source, *args, **options)
    message = str(caught.value)
    assert "\n" not in message and "expected" in message, message
    return message


def test_the_good_file_is_good(tmp_path):
    (tmp_path / "o.csv").write_text(GOOD)
    assert len(read_tables(TableFiles(outputs=tmp_path / "o.csv"))) == 2


CSV = {
    "text in a number column": (changed("0.25", "abc"), r"line 3, column 'p_0': expected a finite number, got 'abc'"),
    "an empty cell": (changed("0.25", ""), "line 3, column 'p_0': .* got an empty cell"),
    "blanks": (changed("0.25", "  "), "line 3, column 'p_0': .* got an empty cell"),
    "NaN": (changed("0.25", "NaN"), "line 3, column 'p_0': .* got 'NaN'; look at the model"),
    "inf": (changed("0.25", "-inf"), "line 3, column 'p_0': .* got '-inf'; look at the model"),
    "beyond float64": (changed("0.25", "1e999"), "line 3, column 'p_0': .* got '1e999'"),
    "a decimal comma": (changed("0.25", '"0,25"'), "got '0,25'; write decimal points"),
    "hexadecimal": (changed("0.25", "0x10"), "line 3, column 'p_0': .* got '0x10'"),
    "words": (changed("0.25", "True"), "line 3, column 'p_0': .* got 'True'"),
    "words everywhere": (GOOD.replace("0.25", "true").replace("1.5", "False"), "line 2, column 'p_0': .* got 'False'"),
    "foreign digits": (changed("0.25", "٣"), "line 3, column 'p_0': .* got '٣'"),
    "underscores": (changed("0.25", "1_0"), "line 3, column 'p_0': .* got '1_0'"),
    "decimal commas without quotes": (changed("0.25", "0,25"), "line 3: expected 6 fields as in the first line, got 7"),
    "a short row": (changed(",0.25,3\n", ",0.25\n"), "line 3: expected 6 fields as in the first line, got 5"),
    "a blank line": (changed("y,cand", "\ny,cand"), "line 3: expected a row, got a blank line"),
    "a header of spaces": (" \n" + GOOD, "first line with the names of columns, got a blank one"),
    "nothing": ("", "got an empty file"),
    "a header alone": (HEAD, "expected rows after the first line, got none"),
    "a header without line end": (HEAD.strip(), "expected rows after the first line, got none"),
    "one column": ("label\n1\n", "expected columns separated by commas"),
    "a column twice": (changed("p_1", "p_0"), "each column name once, got 'p_0' twice"),
    "two separators": (changed("p_1", "p;1"), "one kind of separator, got a comma and a semicolon"),
    "a NUL byte": (changed("0.25", "0\0"), "line 3: expected UTF-8 text, got a NUL byte"),
    "a NUL byte in the header": (changed("p_1", "p\0"), "line 1: expected UTF-8 text, got a NUL byte"),
    "UTF-16": (GOOD.encode("utf-16"), "expected UTF-8 text, got UTF-16"),
    "UTF-16 without a mark": (GOOD.encode("utf-16-le"), "got a NUL byte; save it as UTF-8"),
    "latin-1": (changed("y,", "ÿ,").encode("latin-1"), "line 3: expected UTF-8 text, got the byte 0xff"),
    "latin-1 in the header": (changed("model", "ÿ").encode("latin-1"), "line 1: .* got the byte 0xff"),
    "a spreadsheet": (b"PK\x03\x04abc", "a zip archive such as a spreadsheet; save it as CSV"),
    "Parquet by another name": (b"PAR1", "got Parquet; name it .parquet"),
    "gzip by another name": (gzip.compress(GOOD.encode()), "got gzip; name it .csv.gz"),
    "old line ends": (GOOD.replace("\n", "\r"), "line 1: .* got a carriage return alone"),
    "a quote inside": (changed("y,", 'y"z,'), "line 3: expected quotes around a whole field"),
    "text after a quote": (changed("y,", '"y"z,'), "line 3: expected quotes around a whole field"),
    "a quote that stays open": (changed("y,", '"y,'), "line 3: expected a closing quote"),
    "a pair twice": (GOOD + ROWS[1], "line 6: expected one row for model 'candidate', id 'y', got a second one"),
    "a pair missing": (HEAD + "".join(ROWS[:3]), "each model and id, got none for model 'retrain-1', id 'y'"),
    "labels from 1 to C": (
        GOOD.replace(",1,unseen", ",2,unseen").replace(",0,forget", ",1,forget"),
        "column 'label': expected labels from 0 to 1 .*, got 1 to 2; subtract 1",
    ),
    "labels from 0 to C - 1": (
        GOOD.replace("p_1", "p_2").replace("p_0", "p_1"),
        "labels from 1 to 2 .* got 0 to 1; add 1",
    ),
    "a label without a column": (GOOD.replace(",1,unseen", ",7,unseen"), "line 3, column 'label': .* got '7'"),
    "a label that is no whole number": (GOOD.replace(",1,unseen", ",0.5,unseen"), "column 'label': .* got '0.5'"),
    "a label that is a name": (GOOD.replace(",1,unseen", ",cat,unseen"), "column 'label': .* got 'cat'"),
    "a gap in the classes": (
        GOOD.replace("p_1", "p_2"),
        "from 0 or 1 on, each once and without a gap, got 2 from 0 to 2",
    ),
    "a class by two names": (GOOD.replace("p_1", "p_00"), "each once and without a gap"),
    "rows that disagree": (
        changed("y,candidate,1", "y,candidate,0"),
        "line 5, column 'label': expected '0' .* got '1'",
    ),
    "an unknown role": (GOOD.replace("unseen", "test"), "got 'test' for 1 examples; .*--role NAME=unseen"),
    "an unknown model": (changed("retrain-1", "resnet"), "line 4, column 'model': .* got 'resnet'"),
    "no candidate": (HEAD + "".join(ROWS[2:]), "expected a model called candidate, got retrain-1"),
    "no retrain": (HEAD + "".join(ROWS[:2]), "retrain"),
    "an empty id": (GOOD.replace("y,", ","), "line 3: expected a text in column 'id', got an empty cell"),
    "a very long id": (GOOD.replace("y,", "y" * 5000 + ","), "line 3: expected at most 4096 characters in column 'id'"),
}


@pytest.mark.parametrize(("content", "part"), CSV.values(), ids=CSV)
def test_each_fault_of_a_csv_file_gets_one_sentence(tmp_path, content, part):
    path = tmp_path / "o.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    message = refused(TableFiles(outputs=path))
    assert message.startswith(str(path))
    assert re.search(part, message), message


def test_lines_are_counted_over_quoted_line_ends_and_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("vestige.attacks.outputs.tables.records._BLOCK", 50)
    rows = [f'"a\n{i}",candidate,0,forget,1,{"x" if i == 30 else 2}\n' for i in range(60)]
    (tmp_path / "o.csv").write_text(HEAD + "".join(rows))
    assert "line 62, column 'p_1': expected a finite number, got 'x'" in refused(TableFiles(outputs=tmp_path / "o.csv"))


def test_a_row_without_end_is_refused_before_it_fills_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("vestige.attacks.outputs.tables.records.LONGEST_ROW", 10**5)
    monkeypatch.setattr("vestige.attacks.outputs.tables.records._BLOCK", 10**4)
    for name, content in {
        "one line": HEAD + "1" * 10**6,
        "an open quote": HEAD + '"' + ROWS[0] * 10**5,
        "a header": "a" * 10**6,
    }.items():
        path = tmp_path / f"{name}.csv.gz"
        path.write_bytes(gzip.compress(content.encode()))
        assert "MiB in a row, got more" in refused(TableFiles(outputs=path))


def test_a_packed_file_that_is_cut_off_or_a_bomb(tmp_path):
    path = tmp_path / "o.csv.gz"
    path.write_bytes(gzip.compress(GOOD.encode())[:-12])
    assert "expected a whole file, got a damaged one" in refused(TableFiles(outputs=path))
    path.write_bytes(b"no gzip")
    assert "expected a whole file, got a damaged one" in refused(TableFiles(outputs=path))
    path.write_bytes(gzip.compress((HEAD + ROWS[0] * 10**5).encode()))
    assert "expected at most 0.000931 GiB of numbers" in refused(TableFiles(outputs=path), max_bytes=10**6)


def test_texts_count_in_the_limit_too(tmp_path, monkeypatch):
    outputs = t.make(n=60, id=np.array([f"{i}" for i in range(59)] + ["x" * 4000]))
    path = t.save(t.wide(outputs), tmp_path / "o.csv")
    assert read_tables(TableFiles(outputs=path), max_bytes=10**6)
    assert "id: expected at most 0.000466 GiB of texts" in refused(TableFiles(outputs=path), max_bytes=500_000)


COLUMNS = {
    "nothing named label": (
        changed("label", "target"),
        {},
        "expected a column label or labels or y, got 'id'.*--column",
    ),
    "nothing named role": (changed("role", "split"), {}, "expected a column role, got .*--column role=COLUMN"),
    "nothing named model": (changed("model", "net"), {}, "expected a column model, or columns such as candidate_0"),
    "nothing named id": (changed("id", "name"), {}, "expected a column id, as each example has several rows"),
    "no classes": (GOOD.replace("p_", "z"), {}, "expected columns logit_0, .* --column logits=PREFIX"),
    "two sets of classes": (
        changed("p_1", "p_1,logit_0,logit_1").replace("-2\n", "-2,1,1\n").replace("3\n", "3,1,1\n"),
        {},
        r"one set of class columns, got logit_\* and p_\*",
    ),
    "label and y": (
        changed("p_1", "p_1,y").replace("-2\n", "-2,1\n").replace("3\n", "3,1\n"),
        {},
        "one column, got label and y",
    ),
    "a named column that is not there": (
        GOOD,
        {"columns": ["label=why"]},
        "--column label=why: expected a column of that name",
    ),
    "a pattern that fits nothing": (GOOD, {"columns": ["logits=q_*"]}, r"expected columns q_\*"),
    "a list column that is not there": (GOOD, {"columns": ["logits=q"]}, "--column logits=q: expected a column"),
    "a role that is not there": (
        GOOD,
        {"roles": ["tset=unseen"]},
        "expected the role 'tset' .* got 'forget', 'unseen'",
    ),
    "retrains without a class": (
        "label,role,candidate_0,candidate_1,retrain_0,retrain_1\n0,forget,1,2,3,4\n",
        {},
        "column 'retrain_0': expected the number of the model and the class",
    ),
}


@pytest.mark.parametrize(("content", "options", "part"), COLUMNS.values(), ids=COLUMNS)
def test_columns_that_cannot_be_found_are_a_matter_of_usage(tmp_path, content, options, part):
    (tmp_path / "o.csv").write_text(content)
    columns = Columns.parse(options.get("columns", []))
    roles = RoleNames.parse(options.get("roles", []))
    message = refused(TableFiles(outputs=tmp_path / "o.csv"), columns, roles=roles, error=ConfigError)
    assert re.search(part, message), message


@pytest.mark.parametrize(
    ("texts", "part"),
    [
        (["label"], "expected NAME=VALUE, got 'label'"),
        (["=a"], "expected NAME=VALUE"),
        (["label="], "expected NAME=VALUE"),
        (["labels=y"], "expected one of label, role, .* before =, got 'labels'"),
        (["label=a", "label=b"], "expected label once"),
        (["label=a", "role=a"], "each column in one part only, got 'a'"),
        (["logits=a*b*"], r"expected one \* in the pattern"),
    ],
)
def test_columns_that_cannot_be_meant(texts, part):
    with pytest.raises(ConfigError, match=part):
        Columns.parse(texts)


@pytest.mark.parametrize("text", ["test", "test=holdout", "forget=unseen", "=unseen"])
def test_roles_that_cannot_be_meant(text):
    with pytest.raises(ConfigError, match="expected"):
        RoleNames.parse([text])


def with_files(tmp_path, change, **made):
    outputs = t.make(original=False, retrains=1, group=None, subject=None, **made)
    frames = {
        "candidate": t.logits(outputs.candidate).assign(id=outputs.id),
        "retrain-1": t.logits(outputs.retrain[0]).assign(id=outputs.id),
        "examples": t.facts(outputs),
    }
    frames = change(frames) or frames
    paths = {name: t.save(frame, tmp_path / f"{name}.csv") for name, frame in frames.items()}
    return t.files(paths, paths.pop("examples", None))


def assign(frames, name, **columns):
    frames[name] = frames[name].assign(**columns)


SEVERAL = {
    "an id missing": (lambda f: f | {"retrain-1": f["retrain-1"][1:]}, "retrain-1.csv: .* got 1 missing .'000'."),
    "ids too many": (
        lambda f: f | {"examples": f["examples"][2:]},
        "candidate.csv: .* 2 that it does not have .'000', '001'.",
    ),
    "an id twice": (
        lambda f: f | {"retrain-1": pd.concat([f["retrain-1"], f["retrain-1"][3:5]])},
        "retrain-1.csv, line 14, column 'id': expected each id once, got 2 more often .'003', '004'.",
    ),
    "fewer rows without ids": (
        lambda f: f | {"retrain-1": f["retrain-1"][1:].drop(columns="id")},
        "retrain-1.csv: expected 12 rows as in the first file, got 11",
    ),
    "ids in the second file alone": (
        lambda f: {name: frame.drop(columns="id") if name != "retrain-1" else frame for name, frame in f.items()},
        "retrain-1.csv: expected no column 'id', as the first file has no ids",
    ),
    "labels that disagree": (
        lambda f: assign(f, "retrain-1", label=(f["examples"].label + 1) % 3),
        "retrain-1.csv, line 2, column 'label': expected '.' as in .*examples.csv, got '.'",
    ),
    "roles that disagree": (
        lambda f: assign(f, "candidate", role=f["examples"].role[::-1].tolist()),
        "candidate.csv, line 2, column 'role': expected 'forget' as in .*examples.csv, got 'retain'",
    ),
    "other classes": (
        lambda f: f | {"retrain-1": f["retrain-1"].rename(columns={f"logit_{i}": f"logit_{i + 1}" for i in range(3)})},
        "retrain-1.csv: expected the 3 classes '0', '1', '2' as in the first file, got 3: '1', '2', '3'",
    ),
    "a class missing": (
        lambda f: f | {"retrain-1": f["retrain-1"].drop(columns="logit_2")},
        "retrain-1.csv: expected the 3 classes .* got 2",
    ),
    "two models in a file": (
        lambda f: assign(f, "retrain-1", model=["retrain-1", "retrain-2"] * 6),
        "retrain-1.csv, column 'model': expected one model in the file, got 2",
    ),
}


@pytest.mark.parametrize(("change", "part"), SEVERAL.values(), ids=SEVERAL)
def test_files_that_do_not_belong_together(tmp_path, change, part):
    assert re.search(part, (message := refused(with_files(tmp_path, change)))), message


def test_arrays_that_do_not_belong_to_the_tables(tmp_path):
    source = with_files(tmp_path, lambda f: None)
    for values, part in {
        "more classes": (np.zeros((12, 4)), "expected 3 classes as in the first file, got 4"),
        "fewer rows": (np.zeros((11, 3)), "expected 12 rows as in the first file, got 11"),
        "NaN": (np.full((12, 3), np.nan), "row 1, column 0: expected a finite number, got nan"),
        "integers": (np.zeros((12, 3), int), r"logits: expected floats \[n, classes\], got int64"),
        "a stack": (np.zeros((2, 12, 3)), r"expected floats \[n, classes\], got float64 \[2, 12, 3\]"),
        "objects": (np.array([None]), "Python objects in dtype"),
    }.values():
        np.save(tmp_path / "r.npy", values, allow_pickle=True)
        message = refused(
            TableFiles(candidate=source.candidate, retrain=[tmp_path / "r.npy"], examples=source.examples)
        )
        assert re.search(part, message) and str(tmp_path / "r.npy") in message, message
    np.savez(tmp_path / "r.npz", logits=np.zeros((12, 3)), candidate=np.zeros((12, 3)))
    source = TableFiles(candidate=source.candidate, retrain=[tmp_path / "r.npz"], examples=source.examples)
    assert "expected one array [n, classes]" in refused(source)
    np.savez(tmp_path / "r.npz", weights=np.zeros((12, 3)))
    assert "got 'weights.npy'" in refused(source)


def test_named_classes_and_an_array_without_names_cannot_be_matched(tmp_path):
    def named(frames):
        assign(frames, "examples", label=[["dog", "cat", "cow"][label] for label in frames["examples"].label])
        names = {f"logit_{i}": f"p_{name}" for i, name in enumerate(["dog", "cat", "cow"])}
        return {name: frame.rename(columns=names) for name, frame in frames.items()}

    source = with_files(tmp_path, named)
    assert read_tables(source)
    np.save(tmp_path / "r.npy", np.zeros((12, 3)))
    source = TableFiles(candidate=source.candidate, retrain=[tmp_path / "r.npy"], examples=source.examples)
    assert "got an array without names" in refused(source)


def test_sources_that_cannot_be_meant(tmp_path):
    path = tmp_path / "o.csv"
    for made in ({}, {"outputs": path, "candidate": path}, {"outputs": path, "retrain": [path]}, {"retrain": [path]}):
        with pytest.raises(ConfigError, match="expected one file with all models"):
            TableFiles(**made)
    with pytest.raises(ConfigError, match="a file of its own for each model"):
        TableFiles(candidate=path, retrain=[path])
    assert "expected a file, got nothing" in refused(TableFiles(outputs=path))
    assert "expected a file, got a folder" in refused(TableFiles(outputs=tmp_path.rename(tmp_path.with_name("a.csv"))))
    assert "expected a table" in refused(TableFiles(outputs=tmp_path / "model.pt"))


def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch):
    path = t.save(t.wide(t.make()), tmp_path / "o.csv")
    made = sheet.scratch_array

    def shorten(*arguments):
        path.write_bytes(path.read_bytes().rstrip(b"\n").rpartition(b"\n")[0])
        return made(*arguments)

    monkeypatch.setattr("vestige.attacks.outputs.tables.csv.scratch_array", shorten)
    assert "copy" in refused(TableFiles(outputs=path))


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "o.parquet").write_bytes(b"PAR1")
    message = refused(TableFiles(outputs=tmp_path / "o.parquet"), error=ConfigError)
    assert "pip install pyarrow" in message


def test_a_fault_of_the_facts_names_the_file_that_holds_them(tmp_path):
    outputs = t.make(n=30, classes=2)
    files_ = t.several(outputs, tmp_path)
    text = files_.examples.read_text()
    files_.examples.write_text(text.replace("unseen", "test"))
    message = refused(files_)
    assert message.startswith(f"{files_.examples}: role: expected") and "--role NAME=unseen" in message
