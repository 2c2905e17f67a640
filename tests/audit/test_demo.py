import json
from dataclasses import replace
from pathlib import Path

import pytest

from vestige.audit.cli.entry import main
from vestige.audit.config.config import AuditConfig
from vestige.audit.results.evidence import ReasonAt
from vestige.audit.results.json import read_report
from vestige.audit.workflows.demo import control_problems, demo_config


def demo(folder: Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--workspace", str(folder)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def shorter_demo_config(seed: int) -> AuditConfig:
    """The demo with every method, on half of the retrains, half of the training and in this process alone."""
    whole = demo_config(seed)
    recipe = replace(whole.recipe, epochs=whole.recipe.epochs // 2)
    return replace(whole, recipe=recipe, retrains=replace(whole.retrains, count=5), workers=1)


@pytest.mark.slow
@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.long)])
def test_the_demo_from_nothing(
    whole: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not whole:
        monkeypatch.setattr("vestige.audit.workflows.demo.demo_config", shorter_demo_config)
    assert demo(tmp_path / "a") == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1].endswith("report.html") and "The controls are right" in said
    text = (tmp_path / "a" / "seed-0" / "report" / "report.json").read_text()
    verdicts = {audit["candidate"]: audit["verdict"] for audit in json.loads(text)["audits"]}
    assert verdicts["no_op"]["outcome"] == "FAIL" and verdicts["no_op"]["reasons"] == [{"code": "NOOP", "where": []}]
    assert verdicts["fresh_retrain"]["outcome"] != "FAIL"
    report = read_report(tmp_path / "a" / "seed-0" / "report")
    assert control_problems(report.audits) == []
    no_op, fresh, *rest = report.audits
    passed = replace(no_op, verdict=replace(no_op.verdict, outcome="PASS", reasons=()))
    failed = replace(fresh, verdict=replace(fresh.verdict, outcome="FAIL", reasons=(ReasonAt("LEAK", ("M",)),)))
    assert len(control_problems([passed, failed, *rest])) == 2
    hidden = replace(no_op, endpoints=tuple(replace(one, decision="within") for one in no_op.endpoints))
    assert "no endpoint that finds it" in control_problems([hidden, fresh])[0]
    assert len(control_problems(rest)) == 2 and control_problems(rest, only_present=True) == []
    assert control_problems([hidden, fresh], only_present=True) == []
