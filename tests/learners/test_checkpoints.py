import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vestige.learners.data.examples import LabelNoise
from vestige.learners.errors import DataError
from vestige.learners.files.io import canonical_json
from vestige.learners.training.architectures import build_classifier
from vestige.learners.training.checkpoints import (
    Checkpoint,
    checkpoint_bytes,
    load_checkpoint,
    read_header,
    save_checkpoint,
    weights_digest,
)
from vestige.learners.training.recipe import Recipe

CPU = torch.device("cpu")
RECIPE = Recipe(architecture="cnn", width=4)
HEADER = Checkpoint(
    "original",
    RECIPE,
    (8, 8, 1),
    3,
    11,
    "d" * 64,
    "i" * 64,
    LabelNoise(0.1, 2, 30),
    "finetune",
    {"share": 0.3},
    {"flops": 5},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "m.safetensors", build_classifier(RECIPE, (8, 8, 1), 3, seed=11), HEADER)
    return tmp_path / "m.safetensors"


def test_round_trip(path: Path) -> None:
    model, header = load_checkpoint(path, CPU, data="d" * 64)
    assert header == HEADER == read_header(path)
    assert weights_digest(model) == weights_digest(build_classifier(RECIPE, (8, 8, 1), 3, seed=11))
    assert not model.training
    assert path.read_bytes() == checkpoint_bytes(model, HEADER)


def test_digest_sees_a_single_bit() -> None:
    model = build_classifier(RECIPE, (8, 8, 1), 3, seed=0)
    before = weights_digest(model)
    with torch.no_grad():
        model.head.bias[0] = torch.nextafter(model.head.bias[0], torch.tensor(9.0))
    assert weights_digest(model) != before


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99])
def test_a_truncated_file_is_refused(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match="not a whole safetensors file"):
        load_checkpoint(path, CPU)


def test_foreign_and_missing_and_mismatched_files_are_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found none"):
        load_checkpoint(tmp_path / "no.safetensors", CPU)
    save_file({"w": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(DataError, match="written by vestige"):
        load_checkpoint(tmp_path / "foreign.safetensors", CPU)
    with pytest.raises(DataError, match="trained on other data"):
        load_checkpoint(path, CPU, data="e" * 64)
    wider = dataclasses.replace(HEADER, recipe=Recipe(architecture="cnn", width=8))
    save_checkpoint(path, build_classifier(RECIPE, (8, 8, 1), 3, seed=11), wider)
    with pytest.raises(DataError, match="weights do not fit the header's recipe"):
        load_checkpoint(path, CPU)


def test_a_header_that_lies_is_refused(tmp_path: Path) -> None:
    save_file({"w": torch.zeros(2)}, tmp_path / "m.safetensors", metadata={"vestige": '{"role": 1}'})
    with pytest.raises(DataError, match="header cannot be read"):
        read_header(tmp_path / "m.safetensors")


def test_a_failed_write_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, build_classifier(RECIPE, (8, 8, 1), 3, seed=12), HEADER)
    assert path.read_bytes() == before and [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"classes": 10**13}, "header cannot be read"),
        ({"classes": -1}, "header cannot be read"),
        ({"shape": [8, -1, 1]}, "header cannot be read"),
        ({"shape": [8, 8]}, "header cannot be read"),
        ({"recipe": {"architecture": "abacus"}}, "names a network that cannot be built"),
        ({"recipe": {"width": "4"}}, "header cannot be read"),
    ],
)
def test_hostile_headers_get_a_sentence(tmp_path: Path, change: dict[str, object], words: str) -> None:
    header = json.loads(canonical_json(dataclasses.asdict(HEADER)))
    for key, value in change.items():
        header[key] = header[key] | value if isinstance(value, dict) else value
    save_file({"w": torch.zeros(2)}, tmp_path / "m.safetensors", metadata={"vestige": json.dumps(header)})
    with pytest.raises(DataError, match=words):
        load_checkpoint(tmp_path / "m.safetensors", CPU)
