"""Who says that the forget set is a random draw, from the audit file to the verdict, the registration and the gate."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.audit.test_cli import run
from vestige.audit.config.config import parse_config
from vestige.audit.config.declaration import declaration
from vestige.audit.endpoints.simulation import World
from vestige.audit.models.workspace import Workspace
from vestige.audit.policy import Policy
from vestige.audit.results.json import read_report
from vestige.audit.results.setting import Setting
from vestige.audit.workflows.outputs import audit_outputs
from vestige.audit.workflows.request import Terms
from vestige.audit.workflows.run import run_audit
from vestige.learners.errors import ConfigError, DataError

SMALL: dict[str, Any] = {
    "workers": 1,
    "data": {"source": "digits", "label_noise": 0.1},
    "forget": {"random": 150, "unseen": 500},
    "model": {"architecture": "mlp", "width": 32},
    "recipe": {"epochs": 20, "batch_size": 64, "learning_rate": 0.05, "weight_decay": 0.0},
    "retrains": {"count": 1},
    "unlearners": {"finetune": {}},
    "policy": {"profile": "screening", "min_evidence": "C"},
}


@pytest.mark.parametrize(
    ("forget", "option", "test_part", "found"),
    [
        ({"random": 20}, None, False, (None, True)),
        ({"random": 20}, None, True, (None, False)),
        ({"random": 20}, "random", True, ("random", False)),
        ({"random": 20}, "random", False, (None, True)),
        ({"random": 20}, "chosen", False, ("chosen", False)),
        ({"random": 20, "random_draw": True}, None, True, ("random", False)),
        ({"random": 20, "random_draw": True}, None, False, (None, True)),
        ({"random": 20, "random_draw": False}, None, False, ("chosen", False)),
        ({"random": 20, "random_draw": False}, "random", True, ("random", False)),
        ({"classes": [1]}, None, False, (None, False)),
        ({"classes": [1], "random_draw": True}, None, False, ("random", False)),
    ],
)
def test_who_says_so(forget: dict[str, Any], option: Any, test_part: bool, found: tuple[str | None, bool]) -> None:
    config = parse_config({**SMALL, "forget": {"unseen": 10, **forget}})
    examples, _ = config.load_data(Path())
    part = np.zeros(len(examples), np.bool_)
    part[-300:] = test_part
    assert declaration(config, replace(examples, test_part=part), option) == found


def test_the_old_key_is_refused_with_its_new_name() -> None:
    with pytest.raises(ConfigError, match="expected its new name random_draw, got the old one; rename the key"):
        parse_config({**SMALL, "forget": {"random": 150, "unseen": 500, "exchangeable": True}})


def test_no_retrain_is_refused_where_the_forget_set_was_chosen(tmp_path: Path) -> None:
    forget = {"random": 150, "unseen": 500, "random_draw": False}
    config = parse_config({**SMALL, "retrains": {"count": 0}, "forget": forget})
    with pytest.raises(ConfigError, match=r"retrains\.count: expected at least 3, .*only a random draw can be judged"):
        run_audit(config, Workspace(tmp_path / "ws"))
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("count", [0, 1])
def test_a_whole_run_of_a_random_draw_with_few_retrains(count: int, tmp_path: Path) -> None:
    """Known without a declaration, and judged: an original that was not changed fails, a retrain does not."""
    config = parse_config({**SMALL, "retrains": {"count": count}})
    place = Workspace(tmp_path / "ws")
    report = run_audit(config, place)
    verdicts = {audit.candidate: audit.verdict for audit in report.audits}
    assert {audit.setting for audit in report.audits} == {Setting("random", "known")}
    assert verdicts["no_op"].codes == ("NOOP",) and verdicts["fresh_retrain"].outcome != "FAIL"
    assert all("Assuming that the forget set is a random draw (known)" in each.headline for each in verdicts.values())
    (registered,) = place.root.glob("registration-*.json")
    assert json.loads(registered.read_text())["setting"] == {"name": "random", "source": "known"}


def test_an_audit_of_outputs_with_and_without_the_declaration(tmp_path: Path) -> None:
    outputs = World(forget=1000, unseen=5000, retain=400, retrains=1, seed_effect=0.0, classes=4).draw(2).outputs()
    outputs.write(tmp_path / "one.npz")
    policy = Policy(min_evidence="C")

    def judged(**more: Any) -> Any:
        (audit,) = audit_outputs(tmp_path / "one.npz", Terms(policy=policy, folder=tmp_path, **more)).audits
        return audit

    plain, declared = judged(), judged(declared="random")
    assert plain.setting == Setting("chosen", "default") and plain.verdict.codes == ("EVIDENCE",)
    assert declared.setting == Setting("random", "declared") and declared.verdict.outcome == "PASS"
    assert "Assuming that the forget set is a random draw (declared)." in declared.verdict.headline
    with pytest.raises(DataError, match=r"class.*declared.*declare nothing"):
        judged(declared="class")


def test_the_command_and_the_gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from vestige.audit.gate.gate import Requirement, gate

    World(forget=1000, unseen=5000, retain=400, retrains=1, seed_effect=0.0).draw(2).outputs().write(
        tmp_path / "one.npz"
    )
    words = ["audit", "--outputs", str(tmp_path / "one.npz"), "--report", str(tmp_path / "report")]
    assert run(*words) == 3
    assert capsys.readouterr().out.splitlines()[0].startswith("INCONCLUSIVE, EVIDENCE: PASS needs at least 3 retrains")
    for name in ("--random", "--exchangeable"):
        run(*words, name)
        assert "(declared)" in capsys.readouterr().out.splitlines()[0]
        assert read_report(tmp_path / "report").audits[0].setting == Setting("random", "declared")
    assert gate([tmp_path / "report"], Requirement.of(Policy())).candidates


def test_other_commands_still_need_retrains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "audit.toml").write_text(
        '[data]\nsource = "digits"\n[forget]\nrandom = 150\nunseen = 500\n[retrains]\ncount = 0\n'
    )
    assert run("attack", str(tmp_path / "audit.toml"), "--workspace", str(tmp_path / "ws")) == 2
    assert "vestige attack compares with retrains" in capsys.readouterr().err
