"""Calibration of the second mode: roles drawn as a setting says, and rates that are those of the rule."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vestige.audit.cli.entry import main
from vestige.audit.endpoints.simulation import World
from vestige.audit.exchangeable.decisions import WORDS
from vestige.audit.policy import Policy
from vestige.audit.studies.calibration import exchangeable as module
from vestige.audit.studies.calibration.exchangeable import _Pool, _try, draw_forget
from vestige.audit.studies.calibration.exchangeable_rates import SHARES, ExampleTrials, Setting, summarise
from vestige.audit.studies.calibration.rates import join

POLICY = Policy(min_evidence="C", profile="screening")


def pool(models: int = 12) -> _Pool:
    """600 examples that no model saw; what a model answers that was trained on one."""
    table = World(forget=150, unseen=450, retrains=models + 2, seed_effect=0.0, classes=4, original=None).draw(1)
    random = np.random.default_rng(0)
    return _Pool(
        logits=table.logits[:models],
        phi=table.phi[:models],
        trained=table.phi[models] + random.exponential(3.0, 600),
        untrained=table.phi[models],
        difficulty=table.phi[models + 1],
        labels=table.labels,
        forget=150,
        policy=POLICY,
        seed=0,
    )


def test_roles_are_drawn_as_a_setting_says() -> None:
    shared = pool()
    hard = np.argsort(shared.difficulty)[:100]
    easy = np.argsort(shared.difficulty)[-100:]
    counts = {}
    for setting in (Setting("random", 1, 1, 0), Setting("difficulty", 16, 1, 0), Setting("classes", 3, 1, 0)):
        drawn = [
            draw_forget(setting, shared.labels, shared.difficulty, 150, np.random.default_rng(seed))
            for seed in range(40)
        ]
        assert {int(one.sum()) for one in drawn} == {150}
        share = np.mean(drawn, axis=0)
        counts[setting.by] = (share[hard].mean() / share[easy].mean(), share[shared.labels < 2].mean())
    assert counts["random"] == (pytest.approx(1, abs=0.1), pytest.approx(0.25, abs=0.02))
    assert counts["difficulty"][0] > 5
    assert counts["classes"][1] == pytest.approx(0.37, abs=0.03)  # a little under 3 : 1, as nothing is drawn twice


def tried(setting: Setting) -> ExampleTrials:
    shared = pool()
    return join([_try(shared, setting, (model, 0)) for model in range(12)])


def test_a_true_declaration_is_left_in_peace_and_a_false_one_is_contradicted_simulation() -> None:
    true, false = tried(Setting("random", 1, 1, 0)), tried(Setting("difficulty", 16, 1, 0))
    assert (true.outcomes[:, 0] == "FAIL").sum() == 0 and true.contradicted.mean() < 0.1
    assert (true.outcomes[:, -1] == "FAIL").mean() > 0.9  # everything leaks
    assert false.contradicted.mean() > 0.9
    assert set(false.outcomes[false.contradicted].ravel()) == {"INCONCLUSIVE"}
    assert (false.unguarded[:, 0] == "FAIL").any()  # what the contradiction keeps from being said
    bare = tried(Setting("difficulty", 16, 0, 0))
    assert bare.contradicted.mean() < 0.2 and (bare.outcomes[:, 0] == "FAIL").any()


def test_rates_are_counts() -> None:
    trials = 8
    outcomes = np.full((trials, len(SHARES)), "FAIL", dtype="<U12")
    outcomes[:, 0] = "PASS"
    outcomes[:2, 0] = "INCONCLUSIVE"
    outcomes[0, 4] = "PASS"
    gaps = np.full((trials, len(SHARES), len(WORDS)), np.nan)
    gaps[:, :, 0], gaps[:, :, 1] = 0.01, 0.02 + 0.1001 * np.array(SHARES) / SHARES[4]
    found = summarise(
        Setting("random", 1, 1, 0),
        ExampleTrials(outcomes, gaps, np.ones((trials, 5), bool), np.arange(trials), outcomes, np.arange(trials) < 2),
        POLICY,
    )
    assert (found.passed.value, found.false_fail.value, found.contradicted.value) == (0.75, 0.0, 0.25)
    assert found.edge is not None and (found.edge.share, found.edge.passed.value) == (SHARES[4], 0.125)
    assert found.edge.excess == pytest.approx(1.001) and list(found.coverage) == ["X1", "X2"]


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "audit.toml").write_text(
        '[data]\nsource = "digits"\n[forget]\nrandom = 150\nunseen = 500\n[model]\narchitecture = "mlp"\nwidth = 32\n'
        '[recipe]\nepochs = 3\nbatch_size = 64\n[policy]\nprofile = "standard"\n'
    )
    settings: Sequence[Setting] = (Setting("random", 1, 1, 0), Setting("classes", 3, 0, 2))
    monkeypatch.setattr(module, "calibrate_exchangeable", partial_of(settings))
    page = tmp_path / "page.md"
    words = ["calibrate", str(tmp_path / "audit.toml"), "--exchangeable", "--models", "6", "--sets", "1"]
    words += ["--workers", "1", "--workspace", str(tmp_path / "ws"), "--page", str(page)]
    assert run(*words) == 0
    assert "classes 3 : 1" in capsys.readouterr().out
    text = page.read_text()
    assert "650 examples that no retrain saw, of which 150" in text and "5 retrains, each the candidate 1 times" in text
    models = len(list((tmp_path / "ws").rglob("*.safetensors")))
    assert models == 8  # six retrains, the original, and one trained on the unseen examples instead
    page.write_text(text.replace("<!-- notes -->", "<!-- notes -->\n- mine"))
    assert run(*words, "--json") == 0
    rates = json.loads(capsys.readouterr().out)
    assert [one["setting"]["by"] for one in rates] == ["random", "classes"] and "- mine" in page.read_text()
    assert len(list((tmp_path / "ws").rglob("*.safetensors"))) == models
    monkeypatch.chdir(tmp_path)
    assert run("calibrate", "--exchangeable") == 2 and "goes with AUDIT_FILE" in capsys.readouterr().err
    assert run(*words[:4], "4") == 2 and "models: expected at least 5, got 4" in capsys.readouterr().err


def partial_of(settings: Sequence[Setting]):  # type: ignore[no-untyped-def]
    whole = module.calibrate_exchangeable
    return lambda *given, **named: whole(*given, **{**named, "settings": settings})


def test_settings_name_what_the_page_says() -> None:
    from vestige.audit.studies.calibration.exchangeable_page import named

    assert named(Setting("random", 1, 0, 0)) == ("at random", "nothing")
    assert named(replace(Setting("difficulty", 4, 1, 0), shadows=8)) == ("difficulty 4 : 1", "1 retrain and 8 shadows")
