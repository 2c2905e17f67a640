"""Calibration: a trial is a whole audit, rates are counts, and both commands write what they found."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vestige.attacks.signals.signals import logit
from vestige.audit.cli.entry import main
from vestige.audit.endpoints.endpoints import DEFINITIONS
from vestige.audit.endpoints.scores import read_signals
from vestige.audit.endpoints.simulation import World, constant
from vestige.audit.policy import Policy
from vestige.audit.statistics.intervals import clopper_pearson
from vestige.audit.studies.calibration import sources as worlds_module
from vestige.audit.studies.calibration.rates import Trials, join
from vestige.audit.studies.calibration.sources import calibrate_worlds
from vestige.audit.studies.calibration.trials import SHARES, summarise, try_model
from vestige.audit.verdict.evidence import gather
from vestige.audit.verdict.rule import decide

SMALL = World(forget=300, unseen=1500, retrains=4)
POLICY = Policy(min_evidence="C")


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_a_trial_is_the_audit_of_a_candidate_with_the_leak_planted(share: float) -> None:
    table = SMALL.draw(3)
    outputs, forget = table.outputs(), table.role == "forget"
    order = np.flatnonzero(forget)[::-1]
    models = (4, range(4), 5)
    trial = try_model(read_signals(table.logits, table.labels), models, table.labels, forget, POLICY, order)
    leaking = outputs.candidate.copy()
    chosen = order[: int(np.ceil(share * 300))]
    assert outputs.original is not None
    leaking[chosen] = outputs.original[chosen]
    evidence = gather(replace(outputs, candidate=leaking), POLICY, plots=False)
    place = SHARES.index(share)
    assert trial.outcomes[0, place] == decide(evidence, POLICY).outcome
    gaps = [np.nan if one.gap is None else one.gap for one in evidence.endpoints]
    assert trial.gaps[0, place].tolist() == pytest.approx(gaps, nan_ok=True)
    if share == 0:
        inside = [one.interval is None or one.interval[0] <= 0 <= one.interval[1] for one in evidence.endpoints]
        assert trial.covered[0].tolist() == inside


def test_rates_are_counts_and_trials_on_one_candidate_are_not_independent() -> None:
    outcomes = np.full((8, len(SHARES)), "FAIL", dtype="<U12")
    outcomes[:, 0], outcomes[:2, 0] = "PASS", "INCONCLUSIVE"
    outcomes[0, 3] = "PASS"
    gaps = np.zeros((8, len(SHARES), len(DEFINITIONS)))
    gaps[:, :, 1] = 0.0501 * np.array(SHARES) / SHARES[3]  # A2 reaches its margin at the fourth share
    gaps[:, :, [one.name for one in DEFINITIONS].index("F3")] = np.nan
    gaps[:, :, 3] = -1.0  # a tail endpoint counts upwards only
    apart = Trials(outcomes, gaps, np.arange(8)[:, None] >= np.zeros(len(DEFINITIONS)), np.arange(8))
    found = summarise(apart, POLICY)
    assert (found.passed.value, found.false_fail.value, found.original_passed.value) == (0.75, 0.0, 0.0)
    assert found.passed.interval == pytest.approx(clopper_pearson(6, 8))
    assert found.edge is not None and found.edge.share == SHARES[3] and found.edge.excess == pytest.approx(1.002)
    assert found.edge.passed.value == 0.125 and found.leaks[3].gaps["A2"] == pytest.approx(0.0501)
    assert "F3" not in found.coverage and found.coverage["A1"].value == 1
    together = summarise(replace(apart, candidates=np.repeat([0, 1], 4)), POLICY)
    assert together.passed.value == 0.75 and together.passed.interval[0] < found.passed.interval[0]
    nothing = summarise(replace(apart, gaps=np.zeros_like(gaps)), POLICY)
    assert nothing.edge is None
    assert join([apart, apart]).outcomes.shape == (16, len(SHARES))


def test_the_worlds_have_the_noise_and_the_class_effects_that_they_name() -> None:
    heavy = World(forget=20_000, unseen=20_000, retrains=1, difficulty=0.0, tails=5.0, original=None).draw(1).phi
    assert heavy.var() == pytest.approx(1, abs=0.05) and ((heavy / heavy.std()) ** 4).mean() > 4.5
    mixed = World(forget=1000, unseen=2000, retrains=8, classes=10, class_effect=3.0, difficulty=0.0).draw(2)
    assert np.bincount(mixed.labels[:1000]).tolist() == [100] * 10
    effects = np.stack([mixed.phi[:, mixed.labels == label].mean(1) for label in range(10)])
    assert 2 < effects.std() < 4
    assert np.allclose(logit(mixed.logits, mixed.labels), mixed.phi)


def test_errors_are_those_of_the_rule_on_a_small_simulation() -> None:
    """10 trials: no fresh retrain fails and no original passes; a shift that nobody can miss fails always."""
    seen = dict(
        calibrate_worlds(
            [SMALL, replace(SMALL, original=constant(3.0))],
            POLICY,
            runs=10,
            seed=1,
            workers=1,
            watch=lambda stage, done, total: None,
        )
    )
    for world, found in seen.items():
        assert found.false_fail.value == 0 and found.original_passed.value == 0 and found.passed.trials == 10
        assert found.leaks[-1].failed.value > 0.5 or world is SMALL
        assert found.leaks[-1].excess > found.leaks[3].excess > found.leaks[0].excess
    again = dict(calibrate_worlds([SMALL], POLICY, runs=10, seed=1, workers=1, watch=lambda stage, done, total: None))
    assert again[SMALL] == seen[SMALL]


def test_the_command_on_synthetic_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worlds_module, "GRID", (SMALL, replace(SMALL, classes=3, class_effect=0.5)))
    page = tmp_path / "page.md"
    assert run("calibrate", "--runs", "10", "--workers", "1", "--page", str(page), "--seed", "7") == 0
    said = capsys.readouterr().out
    text = page.read_text()
    assert "original: PASS" in said and "3 (± 0.5)" in said
    assert "vestige calibrate --seed 7 --runs 10 --page" in text and "90 % is nominal" in text
    page.write_text(text.replace("<!-- notes -->\n", "<!-- notes -->\nmine\n"))
    assert run("calibrate", "--runs", "10", "--workers", "1", "--page", str(page), "--json") == 0
    first, second = json.loads(capsys.readouterr().out)
    assert "mine" in page.read_text() and second["setting"]["classes"] == "3 (± 0.5)"
    assert first["leaks"][0]["passed"]["trials"] == 10 and first["original_passed"]["value"] == 0


def test_the_command_on_the_retrains_of_an_audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "audit.toml").write_text(
        '[data]\nsource = "digits"\n[forget]\nrandom = 150\nunseen = 500\n[model]\narchitecture = "mlp"\nwidth = 32\n'
        '[recipe]\nepochs = 3\nbatch_size = 64\n[policy]\nprofile = "standard"\n'
    )
    words = ["calibrate", str(tmp_path / "audit.toml"), "--models", "5", "--retrains", "3", "--retrains", "4"]
    words += ["--sets", "2", "--workers", "1", "--workspace", str(tmp_path / "ws"), "--json"]
    assert run(*words) == 0
    three, four = json.loads(capsys.readouterr().out)
    assert (three["setting"], four["setting"]) == ({"K": "3"}, {"K": "4"})
    assert three["passed"]["trials"] == 10 and set(three["coverage"]) >= {"A1", "A2", "A3"}
    assert len(list((tmp_path / "ws").rglob("*.safetensors"))) == 6


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--retrains", "5"], 2, "go with AUDIT_FILE"),
        (["--title", "x"], 2, "--title goes with --page"),
        (["--page", "mine.md"], 4, "in a page of results"),
        (["audit.toml", "--models", "5", "--retrains", "5"], 2, "expected 3 to 4 of 5 models, got 5"),
        (["audit.toml", "--models", "5", "--retrains", "2"], 2, "got 2"),
        (["nowhere.toml"], 4, "nowhere.toml"),
    ],
)
def test_usage_errors_are_sentences(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words, code, sentence
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.md").write_text("my own notes")
    (tmp_path / "audit.toml").write_text('[data]\nsource = "digits"\n[forget]\nrandom = 150\n')
    assert run("calibrate", *words) == code
    said = capsys.readouterr().err
    assert sentence in said and "Traceback" not in said
