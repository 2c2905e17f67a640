"""learners.read_selection and the splits made of selections."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vestige.learners.data import file_names
from vestige.learners.data.examples import Examples
from vestige.learners.data.selection import Selection, read_selection
from vestige.learners.data.split import Split, split_subjects
from vestige.learners.data.split_selection import split_selection
from vestige.learners.errors import ConfigError, DataError

N, TRAIN = 12, 8
FILES = ("a/1.png", "a/2.png", "b/1.png", "b/é.png", "c.png", "b/c.png", "x y/z.png", "ab/2.png")


def split_listed(examples: Examples, path: Path, **settings: Any) -> Split:
    """A split whose forget examples a file lists."""
    return split_selection(examples, forget=read_selection(path, examples), **settings)


def make(n: int = N, test: int = N - TRAIN) -> Examples:
    names = [*FILES, *(f"more/{i}.png" for i in range(n - len(FILES)))]
    return Examples(
        images=np.arange(n, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8),
        labels=np.arange(n) % 2,
        class_names=("even", "odd"),
        name="made",
        test_part=np.arange(n) >= n - test,
        subjects=np.array([f"p{i // 2}" for i in range(n)]),
        files=np.array(names),
    )


def select(
    folder: Path, name: str, content: Any, column: str | None = None, examples: Examples | None = None
) -> Selection:
    path = folder / name
    if isinstance(content, np.ndarray):
        np.save(path, content)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_selection(path, make() if examples is None else examples, column=column)


@pytest.mark.parametrize(
    ("name", "content", "column", "kind"),
    [
        ("f.npy", np.array([7, 2, 3], dtype=np.uint16), None, "index"),
        ("f.npy", np.isin(np.arange(N), [2, 3, 7]), None, "mask"),
        ("f.npy", np.isin(np.arange(TRAIN), [2, 3, 7]), None, "mask"),
        ("f.txt", "7\n\n 2\n3", None, "index"),
        ("forget", "\ufeff7\r\n2\r\n3\r\n", None, "index"),
        ("f.txt", "ab/2.png\nb/é.png\nb/1.png\n", None, "file"),
        ("f.txt", "./ab/2.png\n\u0065\u0301.png\nb/1.png\n", None, "file"),
        ("f.csv", "why,index\nx,7\ny,2\ny,3\n", None, "index"),
        ("f.csv", "Index\n7\n2\n3\n", None, "index"),
        ("f.tsv", "filename\tnote\nab/2.png\t\né.png\t\nb/1.png\t", None, "file"),
        ("f.csv", "path;x\nab/2.png;1\né.png;1\nb/1.png;2\n", None, "file"),
        ("f.csv", "forget\n" + "".join("1\n" if i in (2, 3, 7) else "0\n" for i in range(N)), None, "mask"),
        ("f.csv", "mask\n" + "".join("True\n" if i in (2, 3, 7) else "FALSE\n" for i in range(TRAIN)), None, "mask"),
        ("f.csv", "file,forget\nab/2.png,1\na/1.png,0\nb/1.png,true\nb/é.png,1\n", "forget", "file"),
        ("f.csv", "forget,retain,index\n1,0,3\n0,1,0\n1,0,7\n1,0,2\n", "forget", "index"),
        ("f.csv", "index,path\n3,x\n7,x\n2,x\n", "index", "index"),
        ("f.csv", "row\n3\n7\n2\n", "index:row", "index"),
    ],
)
def test_every_spelling_of_one_selection(
    tmp_path: Path, name: str, content: Any, column: str | None, kind: str
) -> None:
    found = select(tmp_path, name, content, column)
    assert found.indices.tolist() == [2, 3, 7] and found.indices.dtype == np.int64
    assert (found.kind, found.subjects, found.description) == (kind, None, f"listed in {name}")


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("subject\np4\np1\np1\n", None),
        ("subject_id,age\np4,3\np1,9\n", None),
        ("patient\np1\np4\n", "subject:patient"),
        ("person,file\np1,x\np4,y\n", "person"),
    ],
)
def test_people_are_all_their_rows(tmp_path: Path, text: str, column: str | None) -> None:
    found = select(tmp_path, "f.csv", text, column)
    assert found.subjects == ("p1", "p4") and found.indices.tolist() == [2, 3, 8, 9] and found.kind == "subject"


def test_parquet(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is absent (the extra vestige[parquet])")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "f.parquet"
    for name, values, kind in [
        ("index", [7, 2, 3], "index"),
        ("file", ["é.png", "ab/2.png", "b/1.png"], "file"),
        ("forget", [i in (2, 3, 7) for i in range(N)], "mask"),
    ]:
        parquet.write_table(pa.table({name: values, "note": ["x"] * len(values)}), path)
        found = read_selection(path, make())
        assert found.indices.tolist() == [2, 3, 7] and found.kind == kind
    for values, words in [([1.5], r"whole numbers or short text .*got 1\.5"), ([None], "got None"), ([-1], "got '-1'")]:
        parquet.write_table(pa.table({"index": values}), path)
        with pytest.raises(DataError, match=words):
            read_selection(path, make())
    parquet.write_table(pa.table({"file": ["y" * 10_000]}), path)
    with pytest.raises(DataError, match="short text in column 'file'"):
        read_selection(path, make())
    whole = path.read_bytes()
    for size in range(0, len(whole), 29):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match="expected a table"):
            read_selection(path, make())


@pytest.mark.parametrize(
    ("name", "content", "error", "words"),
    [
        ("f.txt", "", DataError, "at least one index or file name"),
        ("f.txt", "1\n-2\n", DataError, "got 2 that it does not have"),
        ("f.txt", "1.png\n", DataError, r"fit one file of made each, got 1 that fit several \('1.png'\); write more"),
        ("f.txt", "/1.png\nb.png\nng\n2.PNG\n4\n5\n6\n", DataError, r"such as 'a/1.png'\), got 7 .*'4', \.\.\.\)"),
        ("f.txt", "c.png\nc.png\n", DataError, r"each file once, got 1 more often \('c.png'\)"),
        ("f.txt", "b/é.png\né.png\n", DataError, "each file once, got 1 more often"),
        ("f.txt", "9" * 5000, DataError, "got 1 that it does not have"),
        ("f.txt", "y" * 10_000, DataError, r"got 1 that it does not have \('y{60}\.\.\.'\)"),
        ("f.txt", "a\0b\n", DataError, r"'a\\\\x00b'"),
        ("f.txt", "1\n1\n", DataError, "each index once"),
        ("f.txt", "12\n", DataError, r"indices in 0\.\.11, got 1 others \(12\)"),
        ("f.txt", "b/é.png".encode("latin-1"), DataError, "UTF-8"),
        ("f.txt", "1\n2\n".encode("utf-16"), DataError, "UTF-8"),
        ("f.npz", b"PK", DataError, "expected .npy with one array"),
        ("f.npy", b"", DataError, "could not be read"),
        ("f.npy", np.zeros(N), DataError, "whole numbers, got float64"),
        ("f.npy", np.zeros(N, dtype=bool), DataError, "marks at least one"),
        ("f.npy", np.ones(N - 1, dtype=bool), DataError, "mask of 12 entries.*, or 8, one a training example, got 11"),
        ("f.npy", np.zeros(0, dtype=np.int64), DataError, "at least one index"),
        ("f.npy", np.array(["a"]), DataError, "got <U1"),
        ("f.csv", "", DataError, "empty file"),
        ("f.csv", "index\n", DataError, "at least one row"),
        ("f.csv", "number\n1\n", DataError, "a column named index, file, subject or mask .* got 'number'"),
        ("f.csv", "index,file\n1,x\n", ConfigError, "column: expected it to say which .* 'index', 'file'"),
        ("f.csv", "file,forget\nx,1\n", ConfigError, "column: expected it to say which"),
        ("f.csv", "index\n1\nx\n", DataError, "line 3: expected an index such as 17, got 'x'"),
        ("f.csv", "index,b\n1,2\n3\n", DataError, "line 3: expected 2 fields"),
        ("f.csv", "file\n\n\"\"\n", DataError, "line 3: expected a file in every row"),
        ("f.csv", "mask\n1\n2\n", DataError, "line 3: expected 0, 1, true or false as mask, got '2'"),
        ("f.csv", "mask\n1\n", DataError, "got 1$"),
        ("f.csv", "subject\np1\np99\nq\n", DataError, r"got 2 that it does not have \('p99', 'q'\)"),
        ("f.csv", "index\n" + "1" * 200_000, DataError, "expected a table"),
    ],
)  # fmt: skip
def test_refusals(tmp_path: Path, name: str, content: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as refusal:
        select(tmp_path, name, content)
    assert "\n" not in str(refusal.value) and "\0" not in str(refusal.value) and len(str(refusal.value)) < 900


def test_what_the_examples_do_not_have(tmp_path: Path) -> None:
    bare = replace(make(), files=None, subjects=None)
    with pytest.raises(DataError, match=r"line 2: expected an index such as 17, got 'x'; made has no file names"):
        select(tmp_path, "f.txt", "1\nx\n", examples=bare)
    with pytest.raises(ConfigError, match="file names, made has none"):
        select(tmp_path, "f.csv", "file\nx\n", examples=bare)
    with pytest.raises(ConfigError, match="data subjects, made has none"):
        select(tmp_path, "f.csv", "subject\nx\n", examples=bare)


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="column: expected a column of .* \\('index', 'who'\\), got 'person'"):
        select(tmp_path, "f.csv", "index,who\n1,x\n", "person")
    with pytest.raises(ConfigError, match="write KIND:NAME"):
        select(tmp_path, "f.csv", "index,who\n1,x\n", "who")
    with pytest.raises(ConfigError, match="only beside a .csv"):
        select(tmp_path, "f.txt", "1\n", "index")


def test_claims_and_pipes(tmp_path: Path) -> None:
    header = np.lib.format.header_data_from_array_1_0(np.zeros(1))
    with (tmp_path / "claim.npy").open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header | {"shape": (10**9,), "descr": "<i8"})
        stream.write(bytes(80))
    with pytest.raises(DataError, match=r"its header says int64 \[1000000000\], but 80 bytes follow"):
        read_selection(tmp_path / "claim.npy", make())
    for name in ("p.csv", "p.npy", "p.txt"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(DataError, match="got a pipe, socket or device"):
            read_selection(tmp_path / name, make())
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    with pytest.raises(DataError, match="symbolic links"):
        read_selection(tmp_path / "loop.csv", make())
    with (tmp_path / "sparse.csv").open("wb") as stream:
        stream.truncate(2**30)
    with pytest.raises(DataError, match="expected at most 512 MiB, got 1024 MiB"):
        read_selection(tmp_path / "sparse.csv", make())


@settings(max_examples=200, deadline=None)
@given(
    suffix=st.sampled_from(["csv", "tsv", "txt", "npy"]),
    content=st.one_of(
        st.binary(max_size=150),
        st.text(alphabet='index,fle\n\t";0123p\0é', max_size=60).map(lambda text: text.encode()),
    ),
)
def test_any_bytes_give_a_selection_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, content: bytes
) -> None:
    try:
        found = select(tmp_path_factory.getbasetemp(), f"f.{suffix}", content)
    except (ConfigError, DataError) as error:
        assert "\n" not in str(error)
        return
    assert len(found.indices) and np.all(np.diff(found.indices) > 0)
    assert 0 <= found.indices[0] and found.indices[-1] < N


def test_endings_are_looked_at_once_for_each_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a million endings among a million names: one look at each name, not one for each pair."""
    count, looked_at = 1_000_000, 0

    def last(name: str, steps: int) -> str:
        nonlocal looked_at
        looked_at += 1
        return name.rsplit("/", 1)[-1]

    monkeypatch.setattr(file_names, "_last", last)
    names = [f"images/{i:07d}.png" for i in range(count)]
    examples = Examples(
        np.zeros((count, 1, 1, 1), np.uint8), np.zeros(count, np.int64), ("x",), "many", np.zeros(count, bool),
        files=np.array(names),
    )  # fmt: skip
    (tmp_path / "f.csv").write_text("file\n" + "".join(f"{name[7:]}\n" for name in names[::2]))
    assert np.array_equal(read_selection(tmp_path / "f.csv", examples).indices, np.arange(0, count, 2))
    assert looked_at == count


# Splits


def rows(*values: int) -> Selection:
    return Selection(np.array(values, dtype=np.int64), "index", None, "listed in x")


def people(examples: Examples, *who: str) -> Selection:
    assert examples.subjects is not None
    return Selection(np.flatnonzero(np.isin(examples.subjects, who)), "subject", who, "listed in x")


def check(split: Split) -> Split:
    together = np.concatenate([split.forget, split.retain, split.unseen, split.validation])
    assert len(np.unique(together)) == len(together)
    return split


def test_unseen_and_retain_by_hand() -> None:
    split = check(split_selection(make(), forget=rows(1, 2), unseen=rows(4, 9), retain=rows(0, 3), seed=0))
    assert [split.forget.tolist(), split.retain.tolist(), split.unseen.tolist()] == [[1, 2], [0, 3], [4, 9]]
    assert split.description == (
        "2 training examples listed in x; 2 unseen examples listed in x (total variation 0.0000 between their classes "
        "and forget's); 2 retained examples listed in x"
    )
    rest = check(split_selection(make(), forget=rows(1, 2), unseen=rows(4, 9), validation=2, seed=0))
    assert sorted([*rest.retain, *rest.validation]) == [0, 3, 5, 6, 7]
    kept = check(split_selection(make(), forget=rows(1, 2), retain=rows(0, 3), validation=2, seed=0))
    assert kept.retain.tolist() == [0, 3] and set(kept.validation) <= {4, 5, 6, 7}
    assert kept.unseen.tolist() == [8, 9, 10, 11]


def test_unseen_is_held_out_of_what_no_model_was_trained_on() -> None:
    split = check(split_selection(make(test=0), forget=rows(1, 2), retain=rows(0, 3, 4, 5), seed=0))
    assert split.unseen.tolist() == [6, 7, 8, 9, 10, 11] and split.retain.tolist() == [0, 3, 4, 5]
    assert "that are neither forgotten nor retained, class mix matched" in split.description
    with pytest.raises(ConfigError, match="neither forgotten nor retained to draw from, got none"):
        split_selection(make(test=0), forget=rows(0, 1), retain=rows(*range(2, N)), seed=0)


def test_a_selection_of_people_is_the_split_by_subjects(tmp_path: Path) -> None:
    examples = make()
    (tmp_path / "f.csv").write_text("subject\np1\n")
    split = split_listed(examples, path=tmp_path / "f.csv", unseen=None, validation=1, seed=3)
    other = split_subjects(examples, subjects=["p1"], unseen=None, validation=1, seed=3)
    assert split.fingerprint == other.fingerprint and split.setting == "subject"
    assert split.description == f"{other.description}; data subjects listed in f.csv"


def test_people_forgotten_or_unseen_are_in_no_other_role() -> None:
    examples = replace(make(), subjects=np.array([f"p{i % 5}" for i in range(N)]))
    split = check(split_selection(examples, forget=people(examples, "p1"), unseen=people(examples, "p2"), seed=0))
    assert split.setting == "subject" and split.forget.tolist() == [1, 6] and split.unseen.tolist() == [2, 7]
    assert set(examples.subjects[split.retain]) == {"p0", "p3", "p4"}
    with pytest.raises(DataError, match=r"people that no model was trained on, got 1 of others \(11\)"):
        split_selection(examples, forget=people(examples, "p1"), unseen=rows(10, 11), seed=0)
    kept = people(examples, "p0", "p4")
    with pytest.raises(DataError, match=r"got 1 of others \(10\)"):
        split_selection(examples, forget=people(examples, "p1"), retain=kept, unseen=rows(8, 10), seed=0)
    drawn = check(split_selection(examples, forget=people(examples, "p1"), retain=kept, seed=0))
    assert drawn.retain.tolist() == [0, 4, 5] and set(examples.subjects[drawn.unseen]) <= {"p2", "p3"}


@pytest.mark.parametrize(
    ("roles", "error", "words"),
    [
        ({"forget": (1, 9)}, DataError, r"forget: expected indices of the training part, got 1 of the test part \(9\)"),
        ({"retain": (0, 8)}, DataError, "retain: expected indices of the training part"),
        ({"retain": (0, 1)}, DataError, r"retain: expected examples that are not in forget, got 1 in both \(1\)"),
        ({"unseen": (1, 9)}, DataError, "unseen: expected examples that are not in forget"),
        ({"unseen": (0, 9), "retain": (0, 3)}, DataError, "unseen: expected examples that are not in retain"),
        ({"forget": tuple(range(TRAIN))}, ConfigError, "left to retain"),
    ],
)
def test_selections_that_do_not_fit(roles: dict[str, tuple[int, ...]], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        split_selection(make(), **({"forget": rows(1, 2)} | {role: rows(*r) for role, r in roles.items()}), seed=0)


@settings(max_examples=80, deadline=None)
@given(
    roles=st.lists(st.sampled_from(["forget", "retain", "unseen", ""]), min_size=N, max_size=N),
    by_person=st.booleans(),
    with_retain=st.booleans(),
    validation=st.integers(0, 3),
)
def test_any_selections_give_disjoint_sets_or_a_sentence(
    roles: list[str], by_person: bool, with_retain: bool, validation: int
) -> None:
    examples = make()
    marked = {role: rows(*[i for i, one in enumerate(roles) if one == role]) for role in ("forget", "retain", "unseen")}
    forget = (
        people(examples, *sorted({f"p{i // 2}" for i in marked["forget"].indices})) if by_person else marked["forget"]
    )
    if not all(len(selection.indices) for selection in marked.values()):
        return
    kept = marked["retain"] if with_retain else None
    try:
        split = split_selection(
            examples, forget=forget, unseen=marked["unseen"], retain=kept, validation=validation, seed=0
        )
    except (ConfigError, DataError):
        return
    check(split)
    assert np.array_equal(split.unseen, marked["unseen"].indices) and len(split.validation) == validation
    assert not examples.test_part[np.concatenate([split.forget, split.retain, split.validation])].any()
    assert kept is None or np.array_equal(split.retain, kept.indices)
    if by_person:
        trained = {examples.subjects[i] for i in [*split.forget, *split.retain]}
        assert trained.isdisjoint(examples.subjects[split.unseen])
