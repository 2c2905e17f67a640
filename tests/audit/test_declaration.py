"""Who vouches for exchangeability, from the audit file to the verdict, the registration and the exit code."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vestige.audit.cli.entry import main
from vestige.audit.config.config import parse_config
from vestige.audit.endpoints.simulation import World
from vestige.audit.gate.gate import Requirement, gate
from vestige.audit.models.making import plan_models
from vestige.audit.policy import Policy
from vestige.audit.workflows.declaration import declaration, unused
from vestige.learners.errors import ConfigError

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


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(
    ("forget", "option", "test_part", "found"),
    [
        ({"random": 20}, False, False, "known"),
        ({"random": 20}, False, True, None),
        ({"random": 20}, True, True, "declared"),
        ({"random": 20, "exchangeable": True}, False, True, "declared"),
        ({"random": 20, "exchangeable": False}, False, False, None),
        ({"random": 20, "exchangeable": False}, True, False, "declared"),
        ({"classes": [1]}, False, False, None),
        ({"classes": [1], "exchangeable": True}, False, False, "declared"),
    ],
)
def test_who_vouches(
    forget: dict[str, Any], option: bool, test_part: bool, found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = parse_config({**SMALL, "forget": {"unseen": 10, **forget}})
    plan = plan_models(config, Path())
    part = np.zeros(len(plan.examples), np.bool_)
    part[-300:] = test_part
    plan = replace(plan, examples=replace(plan.examples, test_part=part))
    assert declaration(plan, declared=option) == found


def test_a_declaration_that_is_not_needed_is_said_to_be_unused() -> None:
    assert unused(True, 2) == unused(False, 5) == ""
    assert "with 3 retrains the verdict is over retrains" in unused(True, 3)


def test_no_retrain_is_refused_where_nobody_vouches(tmp_path: Path) -> None:
    from vestige.audit.models.workspace import Workspace
    from vestige.audit.workflows.run import run_audit

    config = parse_config(
        {**SMALL, "retrains": {"count": 0}, "forget": {"random": 150, "unseen": 500, "exchangeable": False}}
    )
    with pytest.raises(ConfigError, match=r"retrains\.count: .*needs retrains, or a declaration of exchangeability"):
        run_audit(config, Workspace(tmp_path / "ws"))


@pytest.mark.parametrize("count", [0, 1])
def test_a_whole_run_with_too_few_retrains(count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "audit.toml").write_text(
        'workers = 1\n[data]\nsource = "digits"\nlabel_noise = 0.1\n[forget]\nrandom = 150\nunseen = 500\n[model]\n'
        'architecture = "mlp"\nwidth = 32\n[recipe]\nepochs = 20\nbatch_size = 64\nlearning_rate = 0.05\n'
        f'weight_decay = 0.0\n[retrains]\ncount = {count}\n[unlearners.finetune]\n[policy]\nprofile = "screening"\n'
        'min_evidence = "C"\n'
    )
    place = tmp_path / "ws"
    assert run("run", str(tmp_path / "audit.toml"), "--workspace", str(place)) in (1, 3)
    report = json.loads((place / "report" / "report.json").read_text())
    verdicts = {one["candidate"]: one["verdict"] for one in report["audits"]}
    assert {one["mode"] for one in verdicts.values()} == {"exchangeable"}
    assert verdicts["no_op"]["reasons"][0] == "NOOP" and verdicts["fresh_retrain"]["outcome"] != "FAIL"
    assert verdicts["finetune"]["headline"].startswith(
        "Assuming that forget and unseen examples are exchangeable (known, as both were drawn from one pool; "
    )
    (registered,) = place.glob("registration-*.json")
    assert json.loads(registered.read_text())["exchangeable"] == "known"
    assert gate([place / "report"], Requirement.of(Policy(profile="screening", min_evidence="C"))).candidates
    page = (place / "report" / "report.html").read_text()
    assert "Over exchangeable examples" in page and "None" not in page
    assert "X1 gap" in capsys.readouterr().out


def test_the_command_on_an_outputs_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = World(forget=400, unseen=1600, retrains=1, seed_effect=0.0).draw(2).outputs()
    outputs.write(tmp_path / "one.npz")
    with np.load(tmp_path / "one.npz") as archive:
        np.savez(tmp_path / "none.npz", **{name: archive[name] for name in archive.files if name != "retrain"})
    words = ["audit", "--profile", "standard", "--report", str(tmp_path / "report"), "--outputs"]
    assert run(*words, str(tmp_path / "none.npz")) == 3
    assert "a screening only: AUC of forget against unseen 0." in capsys.readouterr().out.splitlines()[0]
    assert gate([tmp_path / "report"], Requirement.of(Policy())).outcome == "INCONCLUSIVE"
    assert run(*words, str(tmp_path / "none.npz"), "--exchangeable") == 3
    assert "hardly tested" in capsys.readouterr().out
    assert run(*words, str(tmp_path / "one.npz"), "--exchangeable") == 3
    assert "(declared; not contradicted)" in capsys.readouterr().out
    assert run(*words, str(tmp_path / "one.npz")) == 3
    assert "exchangeable" not in capsys.readouterr().out.splitlines()[0]
    World(forget=400, unseen=1600, retrains=3).draw(2).outputs().write(tmp_path / "three.npz")
    assert run(*words, str(tmp_path / "three.npz"), "--exchangeable") == 3
    assert "--exchangeable changes nothing here: with 3 retrains" in capsys.readouterr().err


def test_other_commands_still_need_retrains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "audit.toml").write_text(
        '[data]\nsource = "digits"\n[forget]\nrandom = 150\nunseen = 500\n[retrains]\ncount = 0\n'
    )
    assert run("attack", str(tmp_path / "audit.toml"), "--workspace", str(tmp_path / "ws")) == 2
    assert "vestige attack compares with retrains" in capsys.readouterr().err
