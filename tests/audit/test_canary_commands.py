"""``vestige canaries``: plantings and scores from files, hostile ones too."""

import json
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vestige.audit.canaries.planting import read_planting, write_planting
from vestige.audit.cli.entry import main
from vestige.audit.statistics.canary_scores import read_scores
from vestige.audit.statistics.epsilon import one_run_epsilon
from vestige.audit.statistics.one_run import plant
from vestige.learners.errors import ConfigError, DataError

M = 40


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    write_planting(tmp_path / "p.json", plant(M, 9))
    return tmp_path / "p.json"


def table(scores: Any) -> str:
    return "index,score\n" + "".join(f"{index},{score}\n" for index, score in enumerate(scores))


def test_plant_then_bound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "p.json"
    code, out, _ = run(capsys, "canaries", "plant", "--count", M, "--out", path)
    content = json.loads(path.read_text())
    assert code == 0 and content["digest"] in out and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert run(capsys, "canaries", "plant", "--count", M, "--out", path)[0] == 4  # never by accident
    inside = np.zeros(M)
    inside[content["included"]] = 1
    (tmp_path / "s.csv").write_text(table(inside))
    np.save(tmp_path / "s.npy", inside.astype(np.float32))
    for name in ("s.csv", "s.npy"):
        words = ("canaries", "bound", path, tmp_path / name, "--json", "--digest", content["digest"])
        code, out, _ = run(capsys, *words)
        found = json.loads(out)
        most = M - abs(M // 2 - len(content["included"]))
        assert code == 0 and found["epsilon"] == found["ceiling"] == pytest.approx(one_run_epsilon(M, M, most, 1e-5))
    code, out, _ = run(capsys, "canaries", "bound", path, tmp_path / "s.csv", "--method", "clopper_pearson")
    assert code == 0 and "independent trial" in out and "not compared" in out


def test_two_plantings_without_a_seed_differ(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        run(capsys, "canaries", "plant", "--count", M, "--out", tmp_path / name)
    assert json.loads((tmp_path / "a").read_text())["seed"] != json.loads((tmp_path / "b").read_text())["seed"]


def test_rows_in_any_order_and_other_columns(planted: Path) -> None:
    scores = planted.with_name("s.csv")
    lines = [f"x{index},{index / 2}, {index}" for index in reversed(range(M))]
    scores.write_text("name,score,index\n\n" + "\n".join(lines))
    assert read_scores(scores, M).tolist() == [index / 2 for index in range(M)]


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"assignment": "observed"}, ConfigError, "only observed"),
        ({"assignment": "half"}, ConfigError, "drawn otherwise"),
        ({"digest": "0" * 64}, DataError, "digest"),
        ({"seed": 10}, DataError, "coins of its seed"),
        ({"included": list(range(20))}, DataError, "coins of its seed"),
        ({"included": [0, 0]}, DataError, "coins of its seed"),
        ({"included": [-1]}, DataError, r"included\.0"),
        ({"included": [True]}, DataError, r"included\.0"),
        ({"included": [1.5]}, DataError, r"included\.0"),
        ({"canaries": 0}, DataError, "canaries"),
        ({"canaries": 10**15}, DataError, "canaries"),
        ({"canaries": 41}, DataError, "coins of its seed|digest"),
        ({"seed": -1}, DataError, "seed"),
        ({"seed": 10**400}, DataError, "seed"),
        ({"format": "other"}, DataError, "format"),
        ({"more": 1}, DataError, "more"),
    ],
)
def test_edited_plantings_are_refused(
    planted: Path, change: dict[str, Any], error: type[Exception], match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    planted.write_text(json.dumps({**json.loads(planted.read_text()), **change}))
    with pytest.raises(error, match=match):
        read_planting(planted)
    np.save(planted.with_name("s.npy"), np.zeros(M))
    code, out, said = run(capsys, "canaries", "bound", planted, planted.with_name("s.npy"))
    assert code == (2 if error is ConfigError else 4) and out == "" and said.count("\n") == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"format": NaN}', b"{}", b'{"included": 1e999}', b"\0" * 50],
)
def test_files_that_are_no_planting_are_refused(planted: Path, content: bytes) -> None:
    planted.write_bytes(content)
    with pytest.raises(DataError, match="expected a planting"):
        read_planting(planted)


def test_a_huge_planting_is_not_read(planted: Path) -> None:
    with planted.open("r+b") as stream:
        stream.truncate(10**9)
    with pytest.raises(DataError, match="at most"):
        read_planting(planted)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "column named index"),
        ("index,value\n0,1\n", "column named score"),
        ("index,score,score\n0,1,2\n", "one column named score"),
        ("index,score\n0,1\n", "39 are missing"),
        (table(range(M + 1)), r"0\.\.39"),
        (table(range(M)) + "3,1\n", "each canary once"),
        (table([*range(M - 1), "nan"]), "NaN or infinite"),
        (table([*range(M - 1), "-inf"]), "NaN or infinite"),
        (table([*range(M - 1), "high"]), "expected a number"),
        (table([*range(M - 1), ""]), "expected a number"),
        ("index,score\n-1,0\n", r"0\.\.39"),
        ("index,score\n1.0,0\n", r"0\.\.39"),
        ("index,score\n\u0663,0\n", r"0\.\.39"),
        ("index,score\n99999999999999999999,0\n", r"0\.\.39"),
        ("index,score\n1\n", "an index and a score"),
        ('index,score\n0,"1\n', "columns index and score"),
    ],
)
def test_tables_that_do_not_fit_are_refused(
    planted: Path, text: str, match: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = planted.with_name("s.csv")
    scores.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=match):
        read_scores(scores, M)
    assert run(capsys, "canaries", "bound", planted, scores)[0] == 4


@pytest.mark.parametrize(
    "values",
    [np.zeros(M - 1), np.zeros((M, 1)), np.zeros(M, complex), np.zeros(M, bool), np.array(["1"] * M), np.float64(1)],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, values: Any) -> None:
    np.save(tmp_path / "s.npy", values)
    with pytest.raises(DataError, match=r"expected numbers of shape \[40\]"):
        read_scores(tmp_path / "s.npy", M)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"PK\x03\x04" + b"\0" * 40,
        b"\x93NUMPY\x01\x00\x46\x00" + b"{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776,)}  \n",
        b"\x93NUMPY\x01\x00\x46\x00"
        + b"{'descr': '|O', 'fortran_order': False, 'shape': (40,), }            \n"
        + b"\0" * 320,
        b"\x93NUMPY\x01\x00\x46\x00"
        + b"{'descr': '<f8', 'fortran_order': False, 'shape': (-40,), }          \n"
        + b"\0" * 320,
        b"not an array",
    ],
)
def test_files_that_are_no_array_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.npy").write_bytes(content)
    with pytest.raises(DataError, match="expected"):
        read_scores(tmp_path / "s.npy", M)


def test_a_huge_or_missing_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "s.csv").open("wb") as stream:
        stream.truncate(10**9)
    with pytest.raises(DataError, match="got a file of"):
        read_scores(tmp_path / "s.csv", M)
    for path in (tmp_path / "none.npy", tmp_path):
        with pytest.raises(DataError, match="expected"):
            read_scores(path, M)


def test_another_digest_than_the_one_written_down_is_refused(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(planted.with_name("s.npy"), np.zeros(M))
    code, _, said = run(capsys, "canaries", "bound", planted, planted.with_name("s.npy"), "--digest", "1" * 64)
    assert code == 4 and "registered as 1111" in said
