"""Audits that add retrains until they are decided."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.audit.test_run import TOML
from tests.command import say
from vestige.audit.config.config import AuditConfig, parse_config
from vestige.audit.gate.gate import Requirement, gate
from vestige.audit.models.workspace import Workspace
from vestige.audit.policy import LOOKS, Policy, level_of
from vestige.audit.report.html import write_report
from vestige.audit.statistics.intervals import gap_error
from vestige.audit.workflows.request import Terms
from vestige.audit.workflows.run import run_until_decided
from vestige.learners.errors import ConfigError, DataError


@pytest.mark.parametrize("ratio", [0.3, 0.6, 0.9, 1.15, 1.5])
def test_all_looks_together_err_no_oftener_than_one_simulation(ratio: float) -> None:
    """A true gap at the margin, values of seeds N(0, 1), example errors of ``ratio``; 20,000 audits: shown to be within
    at some look from five on no oftener than at a single look at five with all of alpha, and in 5 % where the example
    errors are no smaller than the seeds'. Without the division it would be more."""
    random, audits = np.random.default_rng(1), 20_000
    retrains, candidate = random.normal(size=(audits, LOOKS[-1])), random.normal(size=audits)
    wrong = {level: np.zeros(audits, np.bool_) for level in (0.05, level_of(0.05, True))}
    alone = 0.0
    for look in LOOKS[LOOKS.index(5) :]:
        mean, spread = retrains[:, :look].mean(axis=1), retrains[:, :look].std(axis=1, ddof=1)
        factor = 1 + 1 / look
        errors = np.sqrt((ratio**2 + (look - 1) * factor * spread**2) / look)
        assert gap_error(ratio, float(spread[0]), factor, look, 1.0).error == pytest.approx(errors[0])
        for level, found in wrong.items():
            found |= candidate - mean < -stats.t.ppf(1 - level, look) * errors
        alone = alone or float(wrong[0.05].mean())
    rates, error = {level: float(found.mean()) for level, found in wrong.items()}, np.sqrt(0.05 * 0.95 / audits)
    assert rates[0.025] <= max(0.05, alone) + 3 * error and rates[0.05] > rates[0.025] + 0.02
    assert rates[0.025] <= 0.05 + 3 * error or ratio < 0.9


@pytest.fixture
def config() -> AuditConfig:
    return parse_config(tomllib.loads(TOML))


def until(config: AuditConfig, folder: Path, most: int, **terms: Any) -> Any:
    return run_until_decided(config, Workspace(folder), Terms(policy=config.policy, folder=folder, **terms), most)


def retrains_in(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (folder / "models").glob("retrain-*.safetensors")}


def test_it_stops_where_everything_is_decided(config: AuditConfig, tmp_path: Path) -> None:
    """The original itself is a FAIL at the first look."""
    only = replace(config, candidates=tuple(spec for spec in config.candidates if spec.name == "no_op"))
    report = until(only, tmp_path, 20)
    assert report.audits[0].verdict.outcome == "FAIL" and report.audits[0].reference.retrains == 3
    assert len(retrains_in(tmp_path)) == 3 and report.policy.sequential


def test_what_stays_open_gets_more_retrains_and_none_is_trained_twice(config: AuditConfig, tmp_path: Path) -> None:
    tight = replace(config, policy=replace(config.policy, margin_auc=0.001))
    report = until(tight, tmp_path, 5)
    first = retrains_in(tmp_path)
    assert report.audits[0].reference.retrains == 5 and len(first) == 5
    assert len(list(tmp_path.glob("registration-*.json"))) == 3  # one of each look: the policy is one
    assert {audit.verdict.outcome for audit in report.audits} > {"INCONCLUSIVE"}
    again = until(tight, tmp_path, 6)
    assert again.audits[0].reference.retrains == 6
    assert first.items() < retrains_in(tmp_path).items()
    assert not again.policy.changed


def test_the_gate_wants_the_same_policy(config: AuditConfig, tmp_path: Path) -> None:
    write_report(until(config, tmp_path, 3), tmp_path / "report")
    policy = replace(config.policy, sequential=True)
    found = gate([tmp_path / "report"], Requirement.of(policy))
    assert found.candidates[0].report.policy.alpha == 0.05  # of all looks together
    memory = found.candidates[0].audit.endpoints[0]
    assert memory.half_width is not None and memory.df is None  # vestige drew the forget set: the examples say all
    assert memory.half_width == pytest.approx(stats.norm.ppf(1 - 0.025) * (memory.example_error or 0))
    with pytest.raises(DataError, match="sequential: true in the report, false in the policy given"):
        gate([tmp_path / "report"], Requirement.of(config.policy))


@pytest.mark.parametrize(("count", "most"), [(7, 7), (9, 9), (21, 20)])
def test_a_range_without_a_look_is_refused(config: AuditConfig, tmp_path: Path, count: int, most: int) -> None:
    config = replace(config, retrains=replace(config.retrains, count=count))
    with pytest.raises(ConfigError, match=f"between retrains.count and it, {count} and {most}"):
        until(config, tmp_path, most)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--max", "5"), "--until-decided"),
        (("--until-decided", "--reference-only"), "number of retrains"),
        (("--until-decided", "--plan", "p.json"), "number of retrains"),
        (("--until-decided", "--max", "2"), "3<=x<=20"),
    ],
)
def test_the_command_refuses(
    options: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "audit.toml"
    file.write_text(TOML)
    said = say(capsys, "run", file, *options)
    assert said.code == 2 and words in said.err


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "audit.toml"
    file.write_text(TOML)
    said = say(capsys, "run", file, "--workspace", tmp_path / "w", "--until-decided", "--max", "4")
    assert said.code in (0, 1, 3), said.err
    assert "retrains, of 4 at most." in said.out
    assert "--until-decided --max 4" in (tmp_path / "w" / "report" / "report.json").read_text()
    assert Policy.of({"sequential": True}).level == 0.025
