"""The forgetting quality of an audit's candidates."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from tests.audit.test_swap import TOML
from vestige.audit.cli.entry import main
from vestige.audit.config.config import parse_config
from vestige.audit.models.workspace import Workspace
from vestige.audit.progress import ignore
from vestige.audit.studies.methods.quality import EpsilonSummary, quality_test
from vestige.audit.studies.methods.quality_scores import CAP, Epsilons
from vestige.learners.errors import ConfigError

CONFIG = parse_config(tomllib.loads(TOML))


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (folder / "models").iterdir()}


def test_summary_of_known_epsilons() -> None:
    values, undecided = np.array([0.0, 0.4, 0.6, CAP]), np.array([True, False, False, False])
    found = EpsilonSummary.of(Epsilons(values, undecided, (8, 8)))
    assert found.f == (1 + 1 + 0.5 + 0) / 4
    assert found.quantiles[0] == 0.5 and (found.perfect, found.undecided) == (0.25, 0.25)


def test_models_are_made_once_and_more_of_them_keep_the_first(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    first = quality_test(CONFIG, place, candidates=["no_op"], models=4, watch=ignore)
    before = times(tmp_path)
    assert len(before) == 12
    assert quality_test(CONFIG, place, candidates=["no_op"], models=4, watch=ignore) == first
    assert times(tmp_path) == before
    (one,) = first.candidates
    assert one.full.models == (4, 4) and one.half.models == one.reference.models == (2, 2)
    assert first.forget == 100 and one.ratios[1] == pytest.approx(1, abs=0.2)


def test_one_original_without_randomness_gives_equal_models_that_anything_separates(tmp_path: Path) -> None:
    found = quality_test(CONFIG, Workspace(tmp_path), candidates=["no_op"], models=4, one_original=True, watch=ignore)
    assert found.one_original and found.candidates[0].full.f == 0 and found.candidates[0].full.perfect == 1
    assert len(list((tmp_path / "models").glob("original-*"))) == 1


@pytest.mark.parametrize(
    ("candidate", "models", "match"),
    [("finetune", 3, "expected 4 to"), ("nobody", 4, "one of the audit file"), ("amnesiac", 4, "takes back")],
)
def test_what_cannot_be_measured_is_refused(candidate: str, models: int, match: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=match):
        quality_test(CONFIG, Workspace(tmp_path), candidates=[candidate], models=models, watch=ignore)
    assert not (tmp_path / "models").exists()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.toml").write_text(TOML)
    words = ["quality", str(tmp_path / "a.toml"), "--candidate", "fresh_retrain", "--models", "4"]
    words += ["--workspace", str(tmp_path / "w")]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0
    assert "report only" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main([*words, "--json"])
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["candidates"][0]["candidate"] == "fresh_retrain"
