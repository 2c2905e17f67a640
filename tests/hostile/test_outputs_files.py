"""Outputs files with every fault: a sentence that names it, exit code 4, and nothing written."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.hostile.conftest import write_npz
from vestige.audit.results.json import read_report

TINY = np.float32(1e-42)  # a denormal number


def softmax(values: Any) -> Any:
    odds = np.exp(values.astype(np.float64) - values.max(-1, keepdims=True))
    return odds / odds.sum(-1, keepdims=True)


def put(name: str, value: float, type_: Any = np.float32) -> Any:
    def change(arrays: dict[str, Any]) -> dict[str, Any]:
        changed = arrays[name].astype(type_)
        changed.reshape(-1)[3] = value
        return {name: changed}

    return change


def half(arrays: dict[str, Any]) -> dict[str, Any]:
    with warnings.catch_warnings():  # the overflow is the point
        warnings.simplefilter("ignore")
        return {"candidate": (1e5 * arrays["candidate"]).astype(np.float16)}


FAULTS: dict[str, tuple[Any, str]] = {
    "NaN": (put("candidate", np.nan), "1 NaN"),
    "NaN in a retrain": (put("retrain", np.nan), "retrain: expected finite"),
    "inf": (put("original", np.inf), "1 infinite"),
    "-inf": (put("candidate", -np.inf), "1 infinite"),
    "float16 overflow": (half, "infinite"),
    "beyond float32": (put("candidate", 1e300, np.float64), "outside"),
    "complex": (lambda a: {"candidate": a["candidate"].astype(complex)}, "floating-point"),
    "integers as logits": (lambda a: {"candidate": a["candidate"].astype(int)}, "floating-point"),
    "text as logits": (lambda a: {"candidate": a["candidate"].astype(str)}, "floating-point"),
    "dates": (lambda a: {"id": np.arange(len(a["id"])).astype("datetime64[s]")}, "text"),
    "float labels": (lambda a: {"labels": a["labels"].astype(float)}, "integers"),
    "boolean labels": (lambda a: {"labels": a["labels"].astype(bool)}, "integers"),
    "negative labels": (lambda a: {"labels": a["labels"] - 5}, "labels: expected values"),
    "huge labels": (lambda a: {"labels": a["labels"] + 2**62}, "labels: expected values"),
    "roles as numbers": (lambda a: {"role": np.zeros(len(a["role"]), int)}, "text"),
    "no rows": (
        lambda a: {name: values[..., :0] if name == "labels" else values for name, values in a.items()},
        "shape",
    ),
    "nothing at all": (
        lambda a: {n: (v[:, :0] if n == "retrain" else v[:0]) for n, v in a.items()},
        "at least 1 example",
    ),
    "no classes": (lambda a: {n: a[n][..., :0] for n in ("candidate", "retrain", "original")}, "2 classes"),
    "too many axes": (lambda a: {"candidate": a["candidate"][None]}, "candidate"),
    "a scalar": (lambda a: {"labels": np.int64(3)}, "labels"),
    "roles that turn the terminal": (
        lambda a: {"role": np.where(np.arange(len(a["role"])) == 1, "\x1b]0;owned\x07\n\u202eforget", a["role"])},
        "role: expected",
    ),
    "a role of 10,000 characters": (
        lambda a: {"role": np.where(np.arange(len(a["role"])) == 1, "x" * 10_000, a["role"])},
        "rename that role",
    ),
    "ids that are all the same escape": (lambda a: {"id": np.full(len(a["id"]), "\x1b[2J" * 3000)}, "ids repeated"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_one_sentence(fault: str, arrays: dict[str, Any], vestige: Any, tmp_path: Path) -> None:
    change, words = FAULTS[fault]
    path = write_npz(tmp_path / "outputs.npz", **{**arrays, **change(arrays)})
    said = vestige("audit", "--outputs", path, "--report", tmp_path / "report")
    assert said.code == 4 and words in said.refusal
    assert not (tmp_path / "report").exists()


PROBABILITIES: dict[str, tuple[Any, str]] = {
    "negative": (lambda p: p - 0.01, "[0, 1]"),
    "just below zero": (lambda p: np.where(np.arange(p.size).reshape(p.shape) == 3, -1e-9, p), "[0, 1]"),
    "rows that sum to 2": (lambda p: np.minimum(2 * p, 1.0), "sum to 1"),
    "all zero": (lambda p: 0 * p, "sum to 1"),
    "logits": (lambda p: 9 * p - 4, "[0, 1]"),
    "NaN": (lambda p: np.where(p == p.max(), np.nan, p), "finite"),
    "above one": (lambda p: p + 0.5, "[0, 1]"),
}


@pytest.mark.parametrize("fault", PROBABILITIES)
def test_each_false_probability_is_one_sentence(
    fault: str, arrays: dict[str, Any], vestige: Any, tmp_path: Path
) -> None:
    change, words = PROBABILITIES[fault]
    honest = {name: softmax(arrays[name]) for name in ("candidate", "retrain", "original")}
    path = write_npz(tmp_path / "o.npz", **{**arrays, **honest, "candidate": change(honest["candidate"])})
    said = vestige("audit", "--outputs", path, "--report", tmp_path / "report", "--probabilities")
    assert said.code == 4 and words in said.refusal and not (tmp_path / "report").exists()


def test_denormal_numbers_are_numbers(arrays: dict[str, Any], vestige: Any, tmp_path: Path) -> None:
    tiny = {**arrays, "candidate": arrays["candidate"].astype(np.float64) * TINY}
    said = vestige("audit", "--outputs", write_npz(tmp_path / "o.npz", **tiny), "--report", tmp_path / "report")
    assert said.code in (0, 1, 3) and read_report(tmp_path / "report")
    odds = {name: softmax(arrays[name]) for name in ("candidate", "retrain", "original")}
    odds["candidate"] = np.where(odds["candidate"] < 0.1, 5e-324, odds["candidate"])
    odds["candidate"] /= odds["candidate"].sum(-1, keepdims=True)
    path = write_npz(tmp_path / "p.npz", **{**arrays, **odds})
    assert vestige("audit", "--outputs", path, "--report", tmp_path / "p", "--probabilities").code in (0, 1, 3)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_every_cut_is_refused(save: Any, arrays: dict[str, Any], vestige: Any, tmp_path: Path) -> None:
    whole = tmp_path / "whole.npz"
    save(whole, **arrays)
    content, path = whole.read_bytes(), tmp_path / "cut.npz"
    for twentieth in range(20):
        path.write_bytes(content[: twentieth * len(content) // 20])
        said = vestige("audit", "--outputs", path, "--report", tmp_path / "report")
        assert said.code == 4 and said.refusal and not (tmp_path / "report").exists()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_every_flipped_bit_is_refused_or_harmless(
    save: Any, arrays: dict[str, Any], vestige: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the reader lets through would be judged; judging itself is not what is tried here."""
    whole = tmp_path / "whole.npz"
    save(whole, **{name: values for name, values in arrays.items() if name != "retrain"}, retrain=arrays["retrain"])

    class Accepted(Exception):
        exit_code = 4

    def stop(*_: Any, **__: Any) -> None:
        raise Accepted("accepted; nothing to do")

    monkeypatch.setattr("vestige.audit.workflows.conclude.register", stop)
    content, path = whole.read_bytes(), tmp_path / "flipped.npz"
    random = np.random.default_rng(1)
    accepted = 0
    places = [random.integers(least, len(content), 150) for least in (0, len(content) - 900)]  # the last: the directory
    for place in np.concatenate(places).tolist():
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(random.integers(8))
        path.write_bytes(flipped)
        said = vestige("audit", "--outputs", path, "--report", tmp_path / "report")
        accepted += "accepted" in said.refusal
        assert said.code == 4
    assert accepted < 150  # comments, dates and attributes in the directory; never an array


@pytest.mark.parametrize("count", [1, 1000])
def test_an_archive_of_many_members_is_refused_at_the_first_stranger(count: int, vestige: Any, tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "many.npz", "w") as archive:
        for number in range(count):
            archive.writestr(f"../../\x1b[31m{number}.npy", b"")
    said = vestige("audit", "--outputs", tmp_path / "many.npz", "--report", tmp_path / "report")
    assert said.code == 4 and "remove it" in said.refusal and not list(tmp_path.rglob("*.npy"))
