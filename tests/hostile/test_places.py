"""Places that cannot be written: a full disk, a read-only folder, a file where a folder should be, no output."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.command import Said
from tests.hostile.conftest import ENVIRONMENT, TINY, command, remains, write_npz
from vestige.audit.results.json import read_report
from vestige.learners.files.io import write_together

Run = Callable[..., Said]


@pytest.fixture
def file(tmp_path: Path, arrays: dict[str, Any]) -> Path:
    return write_npz(tmp_path / "outputs.npz", **arrays)


def fill(disk: Path, leave: int = 0) -> Path:
    """Fill the disk but for ``leave`` KiB."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            pass
        if leave:
            stream.truncate(max(0, ballast.stat().st_size - 1024 * leave))
    return ballast


@pytest.mark.parametrize("leave", [0, 4, 8, 16, 24, 40, 64])
def test_a_full_disk_leaves_no_half_report(
    leave: int, file: Path, small_disk: Path, vestige: Run, tmp_path: Path
) -> None:
    ballast = fill(small_disk, leave)
    arguments = (
        "audit",
        "--outputs",
        file,
        "--report",
        small_disk / "report",
        "--exposed-ids",
        small_disk / "exposed_ids",
    )
    said = vestige(*arguments)
    if said.code == 4:
        assert "No space left on device" in said.refusal and str(small_disk) in said.refusal
        there = {path.name for path in (small_disk / "report").glob("report.*")}
        assert not there
    assert not remains(small_disk)
    ballast.unlink()
    assert vestige(*arguments).code == 3
    assert read_report(small_disk / "report").audits[0].candidate == "outputs"
    assert len(list((small_disk / "exposed_ids").iterdir())) == 1


def test_a_full_disk_leaves_an_older_report_as_it_was(file: Path, small_disk: Path, vestige: Run) -> None:
    arguments = ("audit", "--outputs", file, "--report", small_disk / "report")
    assert vestige(*arguments).code == 3
    before = {path.name: path.read_bytes() for path in (small_disk / "report").iterdir()}
    page = len(before["report.html"])
    ballast = fill(small_disk, (len(before["report.json"]) + page // 2) // 1024)  # room for one of the two
    assert vestige(*arguments, "--name", "other").code == 4
    assert {path.name: path.read_bytes() for path in (small_disk / "report").iterdir()} == before
    ballast.unlink()


def test_a_full_disk_while_the_gate_writes(file: Path, small_disk: Path, vestige: Run, tmp_path: Path) -> None:
    assert vestige("audit", "--outputs", file, "--report", tmp_path / "report").code == 3
    ballast = fill(small_disk, 4)
    targets = [(f"--{kind}", small_disk / kind) for kind in ("junit", "summary", "sarif")]
    arguments = ("gate", tmp_path / "report", "--profile", "standard", *(word for pair in targets for word in pair))
    assert "No space left" in vestige(*arguments).refusal
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]
    ballast.unlink()
    assert vestige(*arguments).code == 3 and len(list(small_disk.iterdir())) == 3


def test_a_full_disk_while_outputs_plans_and_plantings_are_written(
    outputs: Any, small_disk: Path, vestige: Run
) -> None:
    ballast = fill(small_disk)
    with pytest.raises(OSError, match="No space left") as full:
        outputs.write(small_disk / "outputs.npz")
    assert full.value.filename == str(small_disk / "outputs.npz")
    for arguments in (
        ("plan", "--forget", "100", "--unseen", "400", "--retrains", "3", "--runs", "20", "--out", small_disk / "p"),
        ("canaries", "plant", "--count", "30", "--out", small_disk / "p"),
        ("init", small_disk / "audit.toml"),
    ):
        assert vestige(*arguments).code in (2, 4)
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]
    ballast.unlink()
    outputs.write(small_disk / "outputs.npz")


@pytest.mark.parametrize("leave", [0, 100])
def test_a_full_disk_under_a_workspace(leave: int, small_disk: Path, vestige: Run, tmp_path: Path) -> None:
    """A run and its shadows stop with a sentence, keep whole models only, and go on when there is room."""
    config = tmp_path / "audit.toml"
    small = TINY.replace('"cnn", width = 4', '"mlp", width = 256').replace("workers = 2", "workers = 1")
    config.write_text(small.replace("epochs = 6", "epochs = 1"))
    place = small_disk / "w"
    ballast = fill(small_disk, leave)
    for arguments in (("run", config, "--workspace", place), ("shadows", config, "--workspace", place, "--count", "2")):
        said = vestige(*arguments)
        assert said.code == 4 and ("No space left" in said.refusal or "free disk space" in said.refusal)
        assert not remains(small_disk)
    ballast.unlink()
    assert vestige("run", config, "--workspace", place).code in (0, 1, 3)
    assert vestige("shadows", config, "--workspace", place, "--count", "2").code == 0


def test_read_only_places_are_refused_before_anything_is_judged(
    file: Path, read_only: Path, vestige: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "audit.toml"
    config.write_text(TINY)

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("judged, or trained, for nothing")

    monkeypatch.setattr("vestige.audit.workflows.conclude.judge", never)
    monkeypatch.setattr("vestige.audit.workflows.run.train_missing", never)
    for arguments in (
        ("audit", "--outputs", file, "--report", read_only),
        ("audit", "--outputs", file, "--report", read_only / "a" / "b"),
        ("run", config, "--workspace", read_only / "w"),
        ("run", config, "--workspace", tmp_path / "w", "--report", read_only / "report"),
        ("run", config, "--workspace", tmp_path / "w", "--exposed-ids", read_only / "exposed_ids"),
        ("audit", "--outputs", file, "--report", tmp_path / "report", "--exposed-ids", read_only / "exposed_ids"),
    ):
        said = vestige(*arguments)
        assert said.code == 4 and str(read_only) in said.refusal
    assert not list(read_only.iterdir())


def test_a_file_in_the_place_of_a_folder(file: Path, vestige: Run, tmp_path: Path) -> None:
    taken, config = tmp_path / "taken", tmp_path / "audit.toml"
    taken.write_text("mine")
    config.write_text(TINY)
    for arguments in (
        ("audit", "--outputs", file, "--report", taken),
        ("audit", "--outputs", file, "--report", taken / "deeper"),
        ("audit", "--outputs", file, "--report", tmp_path / "report", "--exposed-ids", taken),
        ("run", config, "--workspace", taken),
        ("run", config, "--workspace", tmp_path / "w", "--report", taken),
        ("run", config, "--workspace", tmp_path / "w", "--exposed-ids", taken),
        ("shadows", config, "--workspace", taken),
        ("demo", "--workspace", taken),
    ):
        said = vestige(*arguments)
        assert said.code == 4 and str(taken) in said.refusal, arguments
    assert taken.read_text() == "mine" and not (tmp_path / "w").exists()


def test_a_folder_in_the_place_of_a_file(file: Path, vestige: Run, tmp_path: Path) -> None:
    for name in ("report.json", "report.html"):
        folder = tmp_path / name.replace(".", "-")
        (folder / name).mkdir(parents=True)
        said = vestige("audit", "--outputs", file, "--report", folder)
        assert said.code == 4 and name in said.refusal and not remains(folder)


def test_files_that_belong_together_change_together(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "folder" / "second"
    first.write_bytes(b"old")
    (tmp_path / "folder").write_bytes(b"in the way")
    with pytest.raises(OSError, match="second"):
        write_together({first: b"new", second: b"new"})
    assert first.read_bytes() == b"old" and sorted(path.name for path in tmp_path.iterdir()) == ["first", "folder"]


@pytest.mark.parametrize("where", ["/dev/full", "closed", "closed both"])
def test_no_place_to_print_never_looks_like_a_verdict(where: str) -> None:
    """Exit code 1 would be FAIL."""
    words = " ".join(f"'{word}'" for word in command(("attacks", "--json")))
    turned = {"/dev/full": "> /dev/full", "closed": ">&-", "closed both": ">&- 2>&-"}[where]
    if where == "/dev/full" and not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    done = subprocess.run(["sh", "-c", f"{words} {turned}"], env=ENVIRONMENT, capture_output=True, check=False)
    assert done.returncode == (4 if where == "/dev/full" else 0), done.stderr
    assert b"Traceback" not in done.stderr and done.stderr.count(b"Error: ") == (where == "/dev/full")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_that_cannot_show_a_name(encoding: str, file: Path, tmp_path: Path) -> None:
    arguments = ("audit", "--outputs", str(file), "--report", str(tmp_path / "r"), "--name", "ひ\u0301模")
    environment = {**ENVIRONMENT, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command(arguments), env=environment, capture_output=True, check=False)
    assert done.returncode == 3, done.stderr
    assert read_report(tmp_path / "r").audits[0].candidate == "ひ\u0301模"
