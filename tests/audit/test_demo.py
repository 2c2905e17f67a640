import json
from dataclasses import replace
from pathlib import Path

import pytest

from vestige.audit.cli.entry import main
from vestige.audit.results.json import read_report
from vestige.audit.workflows.demo import control_problems


def demo(folder: Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--workspace", str(folder)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.slow
def test_the_demo_from_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo(tmp_path / "a") == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1].endswith("report.html") and "The controls are right" in said
    text = (tmp_path / "a" / "seed-0" / "report" / "report.json").read_text()
    verdicts = {audit["candidate"]: audit["verdict"] for audit in json.loads(text)["audits"]}
    assert verdicts["no_op"]["outcome"] == "FAIL" and verdicts["no_op"]["reasons"][:2] == ["NOOP", "LEAK"]
    assert verdicts["fresh_retrain"]["outcome"] != "FAIL"
    report = read_report(tmp_path / "a" / "seed-0" / "report")
    assert control_problems(report.audits) == []
    no_op, fresh, *rest = report.audits
    passed = replace(no_op, verdict=replace(no_op.verdict, outcome="PASS", reasons=()))
    failed = replace(fresh, verdict=replace(fresh.verdict, outcome="FAIL", reasons=("LEAK",)))
    assert len(control_problems([passed, failed, *rest])) == 2
    assert control_problems(rest) != []
