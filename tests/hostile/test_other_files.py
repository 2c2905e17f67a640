"""Every other file that a command reads, cut, flipped, endless or nested: one sentence and its exit code."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.command import Said
from tests.hostile.conftest import write_npz
from vestige.audit.canaries.planting import write_planting
from vestige.audit.planning.plan_file import Sizes, make_plan, write_plan
from vestige.audit.policy import profile
from vestige.audit.statistics.one_run import plant
from vestige.learners.training.architectures import build_classifier
from vestige.learners.training.checkpoints import Checkpoint, read_header, save_checkpoint
from vestige.learners.training.recipe import Recipe

Run = Callable[..., Said]
RECIPE = Recipe(architecture="mlp", width=16, epochs=1, batch_size=16, learning_rate=0.1)
AUDIT_FILE = 'data = {source = "digits"}\nforget = {random = 100, unseen = 300}\nretrains = {count = 3}\n'


@pytest.fixture
def files(tmp_path: Path, arrays: dict[str, Any], vestige: Run) -> dict[str, Path]:
    """An honest file of each kind."""
    made = {"outputs": write_npz(tmp_path / "outputs.npz", **arrays)}
    made["policy"] = tmp_path / "policy.toml"
    made["policy"].write_text('[policy]\nprofile = "standard"\nmin_evidence = "C"\n')
    made["config"] = tmp_path / "audit.toml"
    made["config"].write_text(AUDIT_FILE)
    made["plan"] = tmp_path / "plan.json"
    write_plan(make_plan(profile("standard"), Sizes(forget=60, unseen=200, retrains=3)), made["plan"])
    made["planting"] = tmp_path / "planting.json"
    write_planting(made["planting"], plant(30, 7))
    made["scores"] = write_scores(tmp_path / "scores.csv")
    made["checkpoint"] = tmp_path / "model.safetensors"
    header = Checkpoint("original", RECIPE, (8, 8, 1), 10, 0, "d" * 64, "i" * 64)
    save_checkpoint(made["checkpoint"], build_classifier(RECIPE, (8, 8, 1), 10, seed=0), header)
    assert vestige("audit", "--outputs", made["outputs"], "--report", tmp_path / "report").code == 3
    made["report"] = tmp_path / "report" / "report.json"
    made["registration"] = next((tmp_path / "report").glob("registration-*.json"))
    return made


def write_scores(path: Path) -> Path:
    path.write_text("index,score\n" + "".join(f"{number},{number / 7}\n" for number in range(30)))
    return path


def reading(kind: str, files: dict[str, Path], vestige: Run, path: Path, folder: Path) -> Said:
    """The command that reads this kind of file, with ``path`` in its place."""
    outputs = ("audit", "--outputs", files["outputs"], "--report", folder / "new")
    if kind == "policy":
        return vestige(*outputs, "--policy", path)
    if kind == "plan":
        return vestige(*outputs, "--plan", path)
    if kind == "config":
        return vestige("run", path, "--workspace", folder / "new", "--reference-only")
    if kind == "planting":
        return vestige("canaries", "bound", path, files["scores"])
    if kind == "scores":
        return vestige("canaries", "bound", files["planting"], path)
    if kind == "report":
        return vestige("gate", path, "--profile", "standard")
    if kind == "registration":
        target = files["registration"]
        if path != target:
            target.unlink()
            target.symlink_to(path)
        return vestige("audit", "--outputs", files["outputs"], "--report", target.parent)
    assert kind == "checkpoint"
    return vestige("gate", files["report"], "--profile", "standard", "--evidence", path)


KINDS = ("policy", "plan", "planting", "report", "registration", "checkpoint", "scores")
SUFFIX = {"policy": ".toml", "checkpoint": ".safetensors", "scores": ".csv"}
JSON = ("plan", "planting", "report", "registration")


def place_for(kind: str, folder: Path) -> Path:
    return folder / f"hostile{SUFFIX.get(kind, '.json')}"


def broken() -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "zeros", bytes(1000)
    yield "a byte order mark", b"\xef\xbb\xbf"
    yield "UTF-16", '{"a": 1}'.encode("utf-16")
    yield "Latin-1", "profile = 'é'".encode("latin-1")
    yield "brackets", b"[" * 100_000
    yield "a nested value", b"x = " + b"[" * 100_000
    yield "nested keys", b"x" + b".x" * 50_000 + b" = 1"
    yield "objects", b'{"x":' * 100_000
    yield "a number of 5,000 digits", b"margin_auc = " + b"9" * 5000
    yield "a JSON number of 5,000 digits", b'{"schema_version": ' + b"9" * 5000 + b"}"
    yield "no such day", b"margin_auc = 2026-02-31"
    yield "an escape as key", b'"\\u001b]0;owned\\u0007\\n" = 1'
    yield "a long key", b'"' + b"k" * 100_000 + b'" = 1'
    yield "a long value", b'profile = "' + b"v" * 100_000 + b'"'
    yield "a lone surrogate", b'{"schema_version": "\\ud800", "format": "\\udfff"}'
    yield "a pickle", b"\x80\x04\x95\x19\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94."


BROKEN = dict(broken())


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_such_file(kind: str, files: dict[str, Path], vestige: Run, tmp_path: Path) -> None:
    for what, content in BROKEN.items():
        path = place_for(kind, tmp_path)
        path.write_bytes(content)
        said = reading(kind, files, vestige, path, tmp_path)
        if kind == "policy" and what == "empty":  # no setting but the defaults
            assert said.code in (0, 1, 3)
            continue
        assert said.refusal, what
        assert said.code == (2 if kind == "policy" else 4), (what, said)


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_audit_file(what: str, vestige: Run, tmp_path: Path) -> None:
    path = tmp_path / "hostile.toml"
    path.write_bytes(BROKEN[what])
    for arguments in (("run", path), ("attack", path), ("shadows", path), ("study", path)):
        said = vestige(*arguments, *(("--page", tmp_path / "p.md") if arguments[0] == "study" else ()))
        assert said.code == 2 and said.refusal
    assert [one.name for one in tmp_path.iterdir()] == ["hostile.toml"]


@pytest.mark.parametrize("kind", (*KINDS, "config"))
def test_places_that_are_no_plain_files(kind: str, files: dict[str, Path], vestige: Run, tmp_path: Path) -> None:
    """A device that never ends, a pipe that nobody writes into, a folder, a loop, nothing."""
    for path in (Path("/dev/zero"), tmp_path / "pipe", tmp_path / "folder", tmp_path / "loop", tmp_path / "none"):
        if path.name == "pipe":
            os.mkfifo(path)
        elif path.name == "folder":
            path.mkdir()
        elif path.name == "loop":
            path.symlink_to(path)
        if kind == "registration" and path.name in ("none", "loop"):
            continue  # then there is none yet, and one is written
        if kind == "config" and path.name == "none" or kind == "checkpoint" and path.name == "folder":
            continue  # an empty folder of evidence is no fault
        if kind == "report" and path.name == "pipe":
            continue  # tried below
        said = reading(kind, files, vestige, path, tmp_path)
        assert said.code == 4 and said.refusal, path


@pytest.mark.parametrize("kind", KINDS)
def test_every_cut_and_a_hundred_flipped_bits(kind: str, files: dict[str, Path], vestige: Run, tmp_path: Path) -> None:
    """A cut or flipped file is refused, or (a policy, which is text without a digest) means what it says."""
    content, path = files[kind].read_bytes(), place_for(kind, tmp_path)
    random = np.random.default_rng(3)
    whole = [content[: twentieth * len(content) // 20] for twentieth in range(1, 20)]
    # What judges or reads much is tried less often.
    for place in random.integers(0, min(len(content), 3000), 12 if kind in ("policy", "registration") else 60).tolist():
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(random.integers(8))
        whole.append(bytes(flipped))
    for number, one in enumerate(whole):
        path.write_bytes(one)
        said = reading(kind, files, vestige, path, tmp_path)
        assert "Traceback" not in said.err and "internal error" not in said.err, said.err
        assert said.code in (2, 4) and said.refusal or kind in ("policy", "registration", "scores", "report"), number
        if number < 19 and kind in JSON:
            assert said.code == 4, number


def test_a_checkpoint_header_that_asks_for_a_giant_is_refused_before_it_is_built(
    files: dict[str, Path], vestige: Run, tmp_path: Path
) -> None:
    content = files["checkpoint"].read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    for change in ({"classes": 65_536}, {"shape": [16_384, 16_384, 64]}, {"seed": -(2**70)}, {"classes": 10**30}):
        told = json.loads(header["__metadata__"]["vestige"]) | change
        text = json.dumps(header | {"__metadata__": {"vestige": json.dumps(told)}}).encode()
        path = tmp_path / "giant.safetensors"
        path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
        said = reading("checkpoint", files, vestige, path, tmp_path)
        if "seed" not in change:
            assert said.code == 4 and said.refusal
    assert read_header(files["checkpoint"]).classes == 10


def test_reports_as_report_compare_and_gate_read_them(files: dict[str, Path], vestige: Run, tmp_path: Path) -> None:
    """All three go through one reader; the page of a broken report is not written."""
    path = tmp_path / "hostile.json"
    for content in BROKEN.values():
        path.write_bytes(content)
        for arguments in (("report", path), ("compare", path, files["report"]), ("compare", files["report"], path)):
            said = vestige(*arguments)
            assert said.code == 4 and said.refusal
    assert vestige("report", Path("/dev/zero")).code == 4
    assert not (tmp_path / "report.html").exists()


INDICES: dict[str, bytes] = {
    "i.txt": b"1\n2\nthree\n",
    "empty.csv": b"",
    "long.csv": b"h" * 200_000,
    "nul.csv": b"index\n1\x00\n",
    "quote.csv": b'index\n"1\n' * 3,
    "latin.txt": b"\xe9\n",
    "big.txt": b"9" * 100_000,
    "unicode.txt": "١٢\n".encode(),
    "pickle.npy": b"\x93NUMPY\x01\x00\x46\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }" + b" " * 20,
    "promise.npy": b"\x93NUMPY\x01\x00\x76\x00"
    + b"{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000,), }".ljust(117)
    + b"\n"
    + bytes(64),
    "code.npy": b"\x93NUMPY\x01\x00\x76\x00" + b"__import__('os').system('true')".ljust(117) + b"\n",
    "deep.npy": b"\x93NUMPY\x01\x00\x60\xea" + b"(" * 60_000,
    "zip.npy": b"PK\x05\x06" + bytes(18),
}


@pytest.mark.parametrize("name", INDICES)
def test_index_files(name: str, vestige: Run, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(INDICES[name])
    config = tmp_path / "audit.toml"
    config.write_text(f'data = {{source = "digits"}}\nforget = {{file = "{name}", unseen = 300}}\n')
    said = vestige("run", config, "--workspace", tmp_path / "w")
    assert said.code == 4 and said.refusal and not list((tmp_path / "w").rglob("*"))


def test_workspace_files(vestige: Run, tmp_path: Path) -> None:
    """Models, outputs, and what is written down beside them, each broken in turn: refused by name, not replaced."""
    config, place = tmp_path / "audit.toml", tmp_path / "w"
    config.write_text(
        'workers = 1\ndata = {source = "digits"}\nforget = {random = 60, unseen = 100}\nmodel = {architecture = "mlp"'
        ", width = 16}\nrecipe = {epochs = 1}\nretrains = {count = 3}\nunlearners = {finetune = {}, controls = false}\n"
    )
    assert vestige("run", config, "--workspace", place).code in (0, 1, 3)
    chosen = [sorted((place / "models").iterdir())[0], sorted((place / "outputs").iterdir())[0]]
    chosen += list(place.glob("registration-*.json"))
    for path in chosen:
        content = path.read_bytes()
        for wrong in (b"", content[: len(content) // 2], bytes(len(content)), b"[" * 100_000):
            path.write_bytes(wrong)
            said = vestige("run", config, "--workspace", place)
            assert said.code == 4 and said.refusal and path.name in said.refusal, (path, said.err)
            assert path.read_bytes() == wrong  # whoever put it there is asked to take it away
        path.write_bytes(content)
    assert vestige("run", config, "--workspace", place).code in (0, 1, 3)
