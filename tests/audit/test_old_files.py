"""Files that were written before the modules got one import root: read as before, or refused in one sentence."""

import json
from pathlib import Path

import pytest

from tests.command import say
from vestige.audit.models.workspace import FORMAT, Workspace
from vestige.learners.errors import DataError

TOML = """
[data]
source = "digits"
[forget]
random = 100
unseen = 100
[model]
architecture = "mlp"
width = 8
[recipe]
epochs = 1
[retrains]
count = 1
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A workspace as it was: models, outputs and shadows, and nothing that says which version wrote them."""
    (tmp_path / "audit.toml").write_text(TOML)
    for name in ("models", "outputs", "shadows"):
        (tmp_path / "old" / name).mkdir(parents=True)
    (tmp_path / "old" / "models" / "original-0123456789abcdef.safetensors").write_bytes(b"weights of before")
    return tmp_path / "old"


COMMANDS = (("run",), ("shadows",), ("attack",), ("attack", "--on-shadows"), ("plan",), ("run", "--reference-only"))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_an_old_workspace_is_refused_and_left_as_it_is(
    old: Path, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(old.rglob("*"))
    said = say(capsys, words[0], old.parent / "audit.toml", *words[1:], "--workspace", old)
    assert said.code == 4 and "expected a workspace of this version" in said.refusal and "--workspace" in said.refusal
    assert sorted(old.rglob("*")) == before


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1}', '{"format": 99}', "[" * 5000])
def test_a_workspace_of_another_format_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "workspace.json").write_text(content)
    with pytest.raises(DataError, match="earlier or later version"):
        Workspace(tmp_path)


def test_a_new_workspace_says_its_format_before_anything_is_in_it(tmp_path: Path) -> None:
    Workspace(tmp_path / "w").record("audit.json", {})
    assert json.loads((tmp_path / "w" / "workspace.json").read_text()) == {"format": FORMAT}
    Workspace(tmp_path / "w")
    Workspace(tmp_path)  # other folders are nobody's workspace yet


@pytest.mark.parametrize("command", [("gate", "--profile", "standard"), ("report",)])
def test_a_report_of_battery_2_is_read_and_said_to_be_one(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its rule let PASS be bought, so that none of its verdicts counts; what it said is named."""
    report = Path(__file__).parent / "fixtures" / "report-0.1.0.json"
    said = say(capsys, command[0], report, *command[1:])
    assert said.code == 4 and "got one of battery 2 (small INCONCLUSIVE)" in said.err and "audit again" in said.err
