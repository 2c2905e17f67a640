"""Data and split for models made elsewhere, out of an audit file or of the command line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import make_examples
from vestige.audit.config.audit_data import data_from_options, parse_data, read_data, unseen_option
from vestige.audit.config.config import read_config
from vestige.learners.data.sources.load import load_examples
from vestige.learners.errors import ConfigError, DataError

DATA = '[data]\nsource = "digits"\nlabel_noise = 0.1\n'
FORGET = "[forget]\nrandom = 50\nunseen = 60\nvalidation = 20\n"


def save(path: Path, n: int, *, seed: int, size: int = 8, **arrays: Any) -> Path:
    made = make_examples(n, seed=seed, size=size)
    np.savez(path, images=made.images, labels=made.labels, **arrays)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tmp_path / "train.npz", 40, seed=0, subjects=np.arange(40) // 2)
    save(tmp_path / "nëw 1.npz", 12, seed=1, subjects=np.arange(12) + 100)
    save(tmp_path / "nobody.npz", 12, seed=1)
    (tmp_path / "forget.txt").write_text("3\n4\n5\n")
    (tmp_path / "später weg.csv").write_text("index\n30\n31\n")
    (tmp_path / "people.csv").write_text("subject,age\n1,30\n2,40\n")
    (tmp_path / "roles.csv").write_text(
        "forget,retain\n" + "".join(f"{int(i in (3, 4, 5))},{int(i < 3)}\n" for i in range(40))
    )
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "audit.toml"
    path.write_text(text)
    return path


def test_the_whole_file_gives_the_data_of_the_run(tmp_path: Path) -> None:
    text = f"seed = 7\n{DATA}{FORGET}random_draw = true\n[canaries]\ncount = 20\n[policy]\nprofile = 'strict'\n"
    path = write(tmp_path, text)
    data = read_data(path)
    path.write_text(text + '[model]\narchitecture = "mlp"\n[recipe]\nepochs = 2\n')
    examples, split = read_config(path).load_data(tmp_path)
    for found in (data, read_data(path)):
        assert found.examples.fingerprint == examples.fingerprint and found.split.fingerprint == split.fingerprint
    assert data.random_draw is True and data.seed == 7 and data.policy is not None and data.policy.profile == "strict"
    assert data.description == f"digits: {split.description}"
    assert read_data(path, seed=8).split.fingerprint != split.fingerprint


def test_without_policy_there_is_none(tmp_path: Path) -> None:
    assert read_data(write(tmp_path, DATA + FORGET)).policy is None


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", ConfigError, r"data: expected a table \[data\], got none"),
        (DATA, ConfigError, r"forget: expected a table \[forget\], got none"),
        (DATA + FORGET + "[modle]\n", ConfigError, "modle: expected one of the keys .*, got an unknown key"),
        (DATA + FORGET + "[model]\nx = 1\n[recipe]\ny = 2\n", None, ""),
        ("model = 3\n" + DATA + FORGET, ConfigError, "model: expected a table"),
        (DATA + "sauce = 1\n" + FORGET, ConfigError, "data.sauce: .*unknown key"),
        (DATA + FORGET + "file = 'x'\n", ConfigError, "exactly one of the keys .*found: random, file"),
        (
            DATA + FORGET + "exchangeable = true\n",
            ConfigError,
            "forget.exchangeable: expected its new name random_draw",
        ),
        (DATA + FORGET + "retain = 'x'\n", ConfigError, "forget: expected retain only together with file"),
        (DATA + "[forget]\nfile = 'x'\nretain_column = 'y'\n", ConfigError, "retain_column only together with retain"),
        (DATA + "[forget]\nfile = 'x'\nunseen = 3\nunseen_file = 'y'\n", ConfigError, "either unseen or unseen_file"),
        (DATA + "subset = 9\n[forget]\nfile = 'x'\n", ConfigError, "forget.file: expected no data.subset"),
        (DATA + "[forget]\nfile = 'absent.csv'\nunseen = 3\n", DataError, "absent.csv: expected a file, got none"),
        (DATA + '[forget]\nfile = "a\\u0000"\nunseen = 3\n', ConfigError, "forget.file: expected the path of a file"),
        (DATA + "[forget]\nfile = '~nobody-here/x'\nunseen = 3\n", ConfigError, "home folder"),
        ('[data]\nsource = "npz:a\\u0000"\n' + FORGET, ConfigError, "without NUL"),
        (f'[data]\nsource = "npz:{"y" * 5000}"\n' + FORGET, DataError, "too long"),
        ("seed = -1\n" + DATA + FORGET, ConfigError, r"seed: expected a whole number in 0\.\.9999, got -1"),
        ("seed = true\n" + DATA + FORGET, ConfigError, "seed: expected"),
        (DATA + FORGET + "[policy]\nprofile = 'lax'\n", ConfigError, "policy.profile"),
        ("= 1", ConfigError, "expected TOML"),
    ],
)
def test_other_files(tmp_path: Path, text: str, error: type[Exception] | None, words: str) -> None:
    path = write(tmp_path, text)
    if error is None:
        assert len(read_data(path).split.forget) == 50
        return
    with pytest.raises(error, match=words) as refusal:
        read_data(path)
    assert "\n" not in str(refusal.value)


def test_files_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="expected TOML"):
        read_data(tmp_path / "a.toml")
    with pytest.raises(DataError, match="got No such file"):
        read_data(tmp_path / "b.toml")


def test_unseen_from_a_second_source(folder: Path) -> None:
    data = parse_data(
        {"data": {"source": "npz:train.npz", "unseen_source": "npz:nëw 1.npz"}, "forget": {"file": "forget.txt"}},
        folder,
    )
    assert data.split.forget.tolist() == [3, 4, 5] and data.split.unseen.min() >= 40
    assert data.split.description.endswith("; the test part is all of npz:nëw 1.npz")
    assert data.examples.name == "npz:train.npz, unseen from npz:nëw 1.npz"
    with pytest.raises(DataError, match="npz:nobody.npz: expected subjects as in npz:train.npz, got none"):
        data_from_options("npz:train.npz", "forget.txt", unseen="npz:nobody.npz", base=folder)


def test_a_test_part_that_is_left_out_is_said(folder: Path) -> None:
    made = make_examples(5, seed=3)
    save(folder / "both.npz", 40, seed=0, test_images=made.images, test_labels=made.labels)
    data = data_from_options("npz:both.npz", "forget.txt", unseen="npz:nobody.npz", base=folder)
    assert len(data.examples) == 52
    assert data.split.description.endswith("; 5 test examples of npz:both.npz are not used")


def test_options_and_the_file_that_says_the_same(folder: Path) -> None:
    data = data_from_options(
        "npz:train.npz", "roles.csv", unseen="später weg.csv", retain="roles.csv", column="forget",
        retain_column="retain", base=folder,
    )  # fmt: skip
    assert data.split.forget.tolist() == [3, 4, 5] and data.split.retain.tolist() == [0, 1, 2]
    assert data.split.unseen.tolist() == [30, 31] and "listed in später weg.csv" in data.description
    forget = {
        "file": "roles.csv", "column": "forget", "retain": "roles.csv", "retain_column": "retain",
        "unseen_file": "später weg.csv",
    }  # fmt: skip
    same = parse_data({"data": {"source": "npz:train.npz"}, "forget": forget}, folder)
    assert same.split.fingerprint == data.split.fingerprint and same.description == data.description


def test_people_in_a_file_are_forgotten_by_person(folder: Path) -> None:
    data = data_from_options("npz:train.npz", "people.csv", unseen="10", base=folder)
    assert data.split.setting == "subject" and data.split.forget.tolist() == [2, 3, 4, 5]
    assert len(data.split.unseen) == 10


def test_unseen_texts_are_told_apart(folder: Path) -> None:
    assert unseen_option("10", folder) == ("forget", "unseen", 10)
    assert unseen_option("0.25", folder) == ("forget", "unseen", 0.25)
    assert unseen_option("forget.txt", folder) == ("forget", "unseen_file", "forget.txt")
    assert unseen_option("digits", folder) == ("data", "unseen_source", "digits")
    assert unseen_option("npz:nëw 1.npz", folder) == ("data", "unseen_source", "npz:nëw 1.npz")
    (folder / "10").write_text("1\n")
    assert unseen_option("10", folder) == ("forget", "unseen", 10)
    assert unseen_option("./10", folder) == ("forget", "unseen_file", "./10")
    (folder / "digits").write_text("1\n")
    assert unseen_option("digits", folder)[1] == "unseen_file"
    for text in ("absent.csv", "", "-3", "y" * 10_000, "a\0b", "~nobody-here/x", "nan", "digit"):
        with pytest.raises(ConfigError, match="unseen: expected a number or fraction, a file that lists") as refusal:
            unseen_option(text, folder)
        assert len(str(refusal.value)) < 300


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"unseen": None}, ConfigError, "npz:train.npz has no test part"),
        ({"unseen": "0"}, ConfigError, "forget.unseen: expected a whole number from 1"),
        ({"unseen": "forget.txt"}, DataError, r"unseen: expected examples that are not in forget, got 3"),
        ({"unseen": "cifar:10"}, ConfigError, "data.source: expected one of"),
        ({"forget": "people.csv", "column": "age"}, ConfigError, "column: expected a column of"),
        ({"forget": "x" * 5000}, DataError, "File name too long"),
        ({"forget": "."}, DataError, "got a folder"),
        ({"source": "npz:absent.npz"}, DataError, "absent.npz: expected a file, got none"),
        ({"retain": "forget.txt"}, DataError, "retain: expected examples that are not in forget"),
        ({"image_column": "x"}, ConfigError, "image_column and label_column for parquet and huggingface"),
    ],
)
def test_options_that_do_not_fit(folder: Path, options: dict[str, Any], error: type[Exception], words: str) -> None:
    given = {"source": "npz:train.npz", "forget": "forget.txt", "unseen": "10"} | options
    with pytest.raises(error, match=words) as refusal:
        data_from_options(given.pop("source"), given.pop("forget"), **given, base=folder)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 900


def test_without_a_second_source_the_examples_are_the_sources(folder: Path) -> None:
    data = data_from_options("npz:train.npz", "forget.txt", unseen="10", base=folder)
    assert data.examples.fingerprint == load_examples("npz:train.npz", base=folder).fingerprint
    assert data.split.description.startswith("3 training examples listed in forget.txt; 10 unseen examples from the")
