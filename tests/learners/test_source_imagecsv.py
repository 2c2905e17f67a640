"""Images listed in a table: rows in order, labels, parts, people; and everything that an untrusted table may hold."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vestige.learners.data.sources.load import load_examples
from vestige.learners.errors import DataError
from vestige.learners.files.label_tables import read_columns

PIXELS = np.random.default_rng(0).integers(0, 256, (4, 3, 5, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, pixels in zip(("a.png", "b.png", "sub/ä b.png", "sub/d.png"), PIXELS, strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / name)
    return tmp_path


def load(folder: Path, text: str | bytes, name: str = "labels.csv") -> Any:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_examples(f"imagecsv:{name}", base=folder)


def test_everything(folder: Path) -> None:
    examples = load(
        folder,
        "file,label,part,subject,group,note\n"
        "a.png,dog,test,p1,g,x\nsub/ä b.png,ant,train,p2,h,x\n./b.png,dog,train,p1,g,\n",
    )
    assert np.array_equal(examples.images, PIXELS[[2, 1, 0]])
    assert examples.class_names == ("ant", "dog") and examples.labels.tolist() == [0, 1, 1]
    assert examples.files.tolist() == ["sub/ä b.png", "b.png", "a.png"]
    assert examples.test_part.tolist() == [False, False, True]
    assert examples.subjects.tolist() == ["p2", "p1", "p1"] and examples.groups.tolist() == ["h", "g", "g"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("l.csv", "Filename,Class\na.png,0\nb.png,2\n"),
        ("l.csv", "\ufeffpath;label\r\na.png;0\r\n\r\nb.png;2\r\n"),
        ("l.tsv", "image\tlabel\na.png\t0\nb.png\t2"),
        ("l.csv", 'label,file_name\n0,"a.png"\n2,b.png\n'),
    ],
)
def test_other_names_and_separators(folder: Path, name: str, text: str) -> None:
    examples = load(folder, text, name)
    assert np.array_equal(examples.images, PIXELS[:2]) and examples.labels.tolist() == [0, 2]
    assert examples.class_names == ("0", "1", "2") and examples.subjects is None and not examples.test_part.any()


def test_file_names_are_no_part_of_the_fingerprint_and_survive_a_subset(folder: Path) -> None:
    examples = load(folder, "file,label\na.png,0\nb.png,1\nsub/d.png,0\n")
    (folder / "b.png").rename(folder / "z.png")
    renamed = load(folder, "file,label\na.png,0\nz.png,1\nsub/d.png,0\n")
    assert renamed.fingerprint == examples.fingerprint and renamed.files.tolist() != examples.files.tolist()
    drawn = examples.with_label_noise(0.5, 0).subset(2, 1)
    rows = [examples.files.tolist().index(name) for name in drawn.files]
    assert np.array_equal(drawn.images, examples.images[rows])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "got an empty file"),
        ("file,label\n", "at least one row"),
        ("file,name\na.png,x\n", "one column for the label .* none among 'file', 'name'"),
        ("file,path,label\na.png,a.png,x\n", "one column for the file .* got 'file', 'path'"),
        ("file,file,label\na.png,a.png,x\n", "each column once, got 'file'"),
        ("file,label\na.png\n", "line 2: expected 2 fields as in its first line, got 1"),
        ("file,label\na.png,x,y\n", "got 3; put names"),
        ("file,label\na.png,\n", "line 2: expected a label in every row"),
        ("file,label\n,x\n", "line 2: expected a file in every row"),
        ("file,label\na.png,1\nb.png,x\n", "line 3: .* all whole numbers from 0 or all text, got 'x'"),
        ("file,label\na.png,1\nb.png,-1\n", "line 3: .*got '-1'"),
        ("file,label\na.png,0.5\n", r"line 2: .*got '0\.5'"),
        ("file,label\na.png,nan\n", "got 'nan'"),
        ("file,label\na.png,999999999\n", "labels below 65536"),
        ("file,label\na.png," + "9" * 5000 + "\n", "line 2"),
        ("file,label\na.png," + "y" * 10_000 + "\n", "at most 1000 characters"),
        ("file,label\n" + "y" * 10_000 + ",1\n", "line 2: .*File name too long"),
        ("file,label\na.png,a\0b\n", "without NUL"),
        ("file,label\na\0.png,a\n", "line 2: expected a file name relative"),
        ("file,label,part\na.png,x,val\n", "line 2: expected train or test as part, got 'val'"),
        ("file,label,part\na.png,x,test\n", "at least one training image"),
        ("file,label\na.png,x\n./a.png,x\n", r"each file once, got 1 again \('a.png'\)"),
        ("file,label\n../a.png,x\n", "line 2: expected a file name relative"),
        ("file,label\nsub/../a.png,x\n", "line 2: expected a file name relative"),
        ("file,label\n/etc/passwd,x\n", "line 2: expected a file name relative"),
        ("file,label\nsub,x\n", "regular file, got a folder"),
        ("file,label\nnone.png,x\n", "line 2: expected the file 'none.png' in .*No such file"),
        ("file,label\nlabels.csv,x\n", "line 2: expected an image"),
        ('file,label\n"a.png,x\n', "expected a table"),
        ('file,label\n"a.png"x,x\n', "expected a table"),
        ("file,label\na.png,x\n".encode("utf-16"), "expected a table"),
        (b"file,label\na.png,\xff\n", "expected a table"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "expected a table"),
    ],
)
def test_bad_tables(folder: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(DataError, match=words) as refusal:
        load(folder, text)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 900


def test_links_pipes_devices_and_loops(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    Image.fromarray(PIXELS[0]).save(outside / "x.png")
    (folder / "link.png").symlink_to(outside / "x.png")
    (folder / "away").symlink_to(outside)
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "null.png").symlink_to("/dev/zero")
    (folder / "same.png").symlink_to("a.png")
    os.mkfifo(folder / "pipe.png")
    for name, words in [
        ("link.png", "leads out of it"),
        ("away/x.png", "leads out of it"),
        ("loop.png", "symbolic links"),
        ("null.png", "leads out of it"),
        ("pipe.png", "got a pipe, socket or device"),
    ]:
        with pytest.raises(DataError, match=f"line 2: .*{words}"):
            load(folder, f"file,label\n{name},x\n")
    assert np.array_equal(load(folder, "file,label\nsame.png,x\n").images[0], PIXELS[0])


def test_the_table_itself_is_a_regular_file(folder: Path) -> None:
    os.mkfifo(folder / "pipe.csv")
    for path, words in [
        ("pipe.csv", "a pipe"),
        ("sub", "a folder"),
        ("none.csv", "got none"),
        ("n" * 5000, "too long"),
    ]:
        with pytest.raises(DataError, match=words):
            load_examples(f"imagecsv:{path}", base=folder)


@settings(max_examples=150, deadline=None)
@given(text=st.one_of(st.binary(max_size=200), st.text(alphabet='file,label\n\r";01x\0é', max_size=80).map(str.encode)))
def test_whatever_bytes_come_there_is_a_sentence(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    with pytest.raises(DataError):
        load(tmp_path_factory.getbasetemp(), b"file,label\nnone.png,x\n" + text)
    with pytest.raises(DataError):
        load(tmp_path_factory.getbasetemp(), text)


def test_the_time_grows_with_the_rows_and_not_with_their_square(tmp_path: Path) -> None:
    def cpu_seconds(rows: int) -> float:
        path = tmp_path / f"{rows}.csv"
        path.write_text("file,label,note\n" + "".join(f"images/{i:07d}.png,{i % 10},x\n" for i in range(rows)))
        start = time.process_time()
        table = read_columns(path, lambda header: {"file": "file", "label": "label"})
        assert len(table) == rows and table.values["file"][-1] == f"images/{rows - 1:07d}.png"
        return time.process_time() - start

    few = min(cpu_seconds(30_000) for _ in range(3))
    assert cpu_seconds(300_000) < 40 * few  # ten times as many rows: 10 is linear, 100 is quadratic
