"""vestige export-outputs looks at images and people as vestige audit does, and says what its file cannot."""

import csv
import shutil
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image

from tests.audit.outside_world import FORGET, TEST, N, arguments, forget_module, make_world
from tests.command import say
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.cli.finish import BEFORE
from vestige.audit.config.config import parse_config
from vestige.audit.data_checks.near_duplicates import STAGE
from vestige.audit.models.making import MadeModel, plan_models
from vestige.audit.models.outputs import audited_rows, role_outputs
from vestige.learners.training.checkpoints import Checkpoint

MODULE = "net_of_the_exporting_tests"
COPIES = 7


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp("exporting") / "world", MODULE)


@pytest.fixture
def inside(world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the world that a test may change; also there as a folder of images."""
    forget_module(MODULE)
    folder = tmp_path / "inside"
    shutil.copytree(world, folder)
    monkeypatch.chdir(folder)
    return folder


def changed(folder: Path, change: str) -> None:
    """Data with altered or plain copies of forget images in the retain set, or with people in two roles."""
    with np.load(folder / "data.npz") as data:
        held = dict(data)
    if change == "altered":
        held["images"][FORGET : FORGET + COPIES] = held["images"][:COPIES, :, ::-1]
    elif change == "plain":
        held["images"][FORGET : FORGET + COPIES] = held["images"][:COPIES]
    else:
        people = np.array([f"p{k}" for k in range(N + TEST)])
        people[N - 1] = "p0"
        held["subjects"] = people
    np.savez(folder / "data.npz", **held)


def warnings(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(BEFORE)]


@pytest.mark.parametrize("change", ["altered", "people"])
def test_the_export_warns_in_the_words_of_an_audit(
    change: str, inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(inside, change)
    audited = say(capsys, "audit", *arguments(MODULE), "--report", "direct")
    assert audited.code in (0, 1, 3), audited.err
    said = say(capsys, "export-outputs", *arguments(MODULE), "--out", "out.npz")
    assert said.code == 0 and warnings(said.out) == []
    (told,) = warnings(said.err)
    words = f"{COPIES} of {FORGET} forget images have an altered" if change == "altered" else f"1 of {FORGET} people"
    assert words in told and told in warnings(audited.out)
    assert "out.npz cannot carry all of this" in said.err.splitlines()[-1]
    later = say(capsys, "audit", "--outputs", "out.npz", "--report", "later")
    assert later.code == audited.code and (told in warnings(later.out)) == (change == "people")  # the file has people


def test_a_clean_export_says_nothing_of_it_and_shows_that_it_looked(
    inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = say(capsys, "export-outputs", *arguments(MODULE), "--out", "out.npz")
    assert said.code == 0 and not warnings(said.err) and "cannot carry" not in said.err
    assert f"{STAGE}: 100 %" in said.err


def test_the_export_refuses_copies_as_an_audit_does(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed(inside, "plain")
    audited = say(capsys, "audit", *arguments(MODULE), "--report", "direct")
    said = say(capsys, "export-outputs", *arguments(MODULE), "--out", "out.npz")
    assert said.code == audited.code == 4 and said.refusal == audited.refusal
    assert (
        f"{COPIES} of {FORGET} forget images that stand in retain too" in said.refusal and not Path("out.npz").exists()
    )


def image_folder() -> list[str]:
    """Data as files of images below ``photos``; the names of the training part, in the order of data.npz."""
    with np.load("data.npz") as data:
        for part, key in (("train", ""), ("test", "test_")):
            for row, (image, label) in enumerate(zip(data[f"{key}images"], data[f"{key}labels"], strict=True)):
                path = Path("photos", part, f"class {label}", f"{row:03d}.png")
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image[..., 0]).save(path)
        return [f"train/class {label}/{row:03d}.png" for row, label in enumerate(data["labels"])]


def test_names_of_exposed_ids_are_those_of_the_outputs(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Image files with names: the list of altered copies and the outputs' ids say the same; indices beside them."""
    changed(inside, "altered")
    names = image_folder()
    Path("names.txt").write_text("\n".join(names[:FORGET]))
    given = arguments(MODULE, "--data", "imagefolder:photos", "--forget", "names.txt", leave_out=["--data", "--forget"])
    said = say(capsys, "audit", *given, "--channels", "grey", "--report", "report", "--exposed-ids", "exposed_ids")
    assert said.code in (0, 1, 3), said.err
    rows = list(csv.DictReader(Path("exposed_ids/near-duplicates.csv").read_text().splitlines()))
    assert {(row["forget"], row["other"]) for row in rows} == {(names[k], names[FORGET + k]) for k in range(COPIES)}
    assert say(capsys, "export-outputs", *given, "--channels", "grey", "--out", "out.npz").code == 0
    ids = Outputs.read(Path("out.npz")).id
    assert ids is not None and {row["forget"] for row in rows} <= set(ids.tolist())
    everything = sorted(names)  # the order of the folder
    assert all(everything[int(row["forget_index"])] == row["forget"] for row in rows)
    assert all(everything[int(row["other_index"])] == row["other"] for row in rows)


def test_models_of_this_project_are_asked_under_the_same_names(inside: Path) -> None:
    names = image_folder()
    told = {"data": {"source": "imagefolder:photos"}, "forget": {"random": 20, "unseen": 50}, "retrains": {"count": 3}}
    plan = plan_models(parse_config(told), inside)
    rows, roles = audited_rows(plan)
    made = MadeModel(np.zeros((len(rows), 3), np.float32), "", cast(Checkpoint, None), 0)
    ids = role_outputs(plan, rows, roles, [made] * 4, made).id
    assert ids is not None and set(ids[roles == "forget"].tolist()) <= set(names)
    assert np.array_equal(ids, plan.examples.names(rows))
