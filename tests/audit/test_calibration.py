"""Calibration: a trial is a whole audit, figures are those of the trials, and the command writes what it found."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vestige.audit.cli.entry import main
from vestige.audit.endpoints.simulation import World, constant
from vestige.audit.policy import Policy
from vestige.audit.progress import ignore
from vestige.audit.results.setting import CHOSEN
from vestige.audit.statistics.intervals import clopper_pearson
from vestige.audit.studies.calibration import sources
from vestige.audit.studies.calibration.rates import steps, summarise
from vestige.audit.studies.calibration.sources import Calibrated, calibrate_worlds
from vestige.audit.studies.calibration.trials import RANDOM, REDRAWN, SHARES, Case, Cell, Pool, Trial, try_case
from vestige.audit.verdict.evidence import gather
from vestige.audit.verdict.rule import decide

SMALL = World(forget=300, unseen=1500, retain=300, retrains=4)
POLICY = Policy(min_evidence="C")
NAMES = ("M", "S", "T", "D")


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


def pool_of(world: World, seed: int, *, redraw: bool = False) -> Pool:
    table = world.draw(seed)
    return Pool(table.logits, table.labels, table.role, redraw=redraw)


@pytest.mark.parametrize("setting", [RANDOM, CHOSEN])
def test_a_trial_is_the_audit_of_a_candidate_with_the_leak_planted(setting) -> None:
    outputs = SMALL.draw(3).outputs()
    case = Case(4, (2, 0, 1, 3), seed=5)
    trial = try_case(pool_of(SMALL, 3), [3], POLICY, case)[Cell(setting.name, 3)]
    assert outputs.original is not None
    for share in (0.0, 1.0):
        place, leaking = SHARES.index(share), outputs.candidate.copy()
        leaking[: int(share * 300)] = outputs.original[: int(share * 300)]
        audited = replace(outputs, candidate=leaking, retrain=outputs.retrain[[2, 0, 1]])
        evidence = gather(audited, setting, POLICY, plots=False)
        assert trial.outcomes[place] == decide(evidence, POLICY).outcome
        stated = {endpoint.label: endpoint for endpoint in evidence.endpoints if endpoint.label in trial.gaps}
        assert set(NAMES) - {"T"} <= set(stated)
        for name, endpoint in stated.items():
            # A leak is planted on the common scale, so that the original's own scale takes no part in it.
            assert trial.gaps[name][place] == pytest.approx(endpoint.gap, abs=0.03 if share else 1e-9)
            if not share:
                low, high = endpoint.interval
                assert trial.covered[name] == (low <= 0 <= high)
                assert trial.errors[name] == pytest.approx(
                    np.sqrt(
                        ((endpoint.d0 or 0) * endpoint.example_error**2 + 2 * endpoint.factor * endpoint.spread**2) / 3
                    )
                    if setting is CHOSEN
                    else endpoint.example_error
                )
    assert trial.gaps["M"][0] < trial.gaps["M"][SHARES.index(0.5)] < trial.gaps["M"][-1]


def test_settings_and_k_are_those_that_can_be_tried() -> None:
    case = Case(4, (0, 1, 2, 3), seed=1)
    found = try_case(pool_of(SMALL, 1, redraw=True), [0, 1, 3], POLICY, case)
    assert set(found) == {
        *(Cell("random", k) for k in (0, 1, 3)),
        *(Cell(REDRAWN, k) for k in (0, 1, 3)),
        Cell("chosen", 3),
    }
    alone = found[Cell(REDRAWN, 0)]
    assert len(alone.outcomes) == 1 and not {"NO_SIGNAL", "UTILITY not measured"} & set(alone.reasons[0])


def test_a_redrawn_forget_set_is_a_random_draw_even_where_the_forget_set_is_not() -> None:
    """Forget examples that are far harder: as drawn the random setting is refused, dealt out anew it is not."""
    world = replace(SMALL, forget_difficulty=-1.5)
    pool = pool_of(world, 2, redraw=True)
    found = [try_case(pool, [2], POLICY, Case(4, (0, 1, 2, 3), seed)) for seed in range(10)]
    assert all(trials[Cell("random", 2)].reasons[0] == ("REFERENCE",) for trials in found)
    assert sum("REFERENCE" in trials[Cell(REDRAWN, 2)].reasons[0] for trials in found) <= 1
    gaps = [trials[Cell(REDRAWN, 2)].residuals["L"] for trials in found]
    assert len(set(gaps)) == 10


def test_another_temperature_is_tried_on_the_same_candidate() -> None:
    case = Case(4, (0, 1, 2, 3), seed=1, temperature=5.0)
    trials = try_case(pool_of(SMALL, 1), [1, 3], POLICY, case)
    for cell in (Cell("random", 1), Cell("chosen", 3)):
        trial = trials[cell]
        assert trial.twin is not None and trial.twin[0] == trial.outcomes[0]
        assert all(trial.gaps[name][0] == pytest.approx(gap, abs=1e-5) for name, gap in trial.twin[1].items())
        assert summarise(cell, [trial]).changed[:2] == (0, 1)
        swapped = replace(trial, twin=("FAIL", {"M": trial.gaps["M"][0] + 0.25}))
        assert summarise(cell, [swapped]).changed == (1, 1, pytest.approx(0.25))


def made(candidate: int, outcomes: dict[int, str], gap: float = 0.01) -> Trial:
    """A trial that is INCONCLUSIVE but for some shares, by place; M reaches its margin at the fourth share."""
    return Trial(
        candidate=candidate,
        outcomes=tuple(outcomes.get(place, "INCONCLUSIVE") for place in range(len(SHARES))),
        reasons=(("NEAR_MARGIN M",),) * len(SHARES),
        gaps={"M": (gap, *(0.0501 * share / SHARES[3] for share in SHARES[1:])), "T": (-1.0,) * len(SHARES)},
        covered={"M": candidate != 3, "T": True},
        errors={"M": 0.01, "T": 1.0},
        spreads={"M": 0.02, "T": 0.5},
        residuals={"M": gap, "T": 1.0},
        margins={"M": 0.05, "T": 0.02},
    )


def test_figures_are_those_of_the_trials() -> None:
    trials = [made(number, {0: "PASS", 3: "PASS", 4: "FAIL"} if number < 6 else {0: "FAIL"}) for number in range(8)]
    found = summarise(Cell("chosen", 5), trials)
    assert (found.passed.value, found.failed.value) == (0.75, 0.25)
    assert found.passed.interval == pytest.approx(clopper_pearson(6, 8))
    assert found.edge is not None and found.edge.share == SHARES[3] and found.edge.excess == pytest.approx(1.002)
    assert found.edge.passed.value == 0.75 and found.leaks[4].counts == (0, 6, 2)
    memory = found.precision["M"]
    assert memory.coverage.value == 0.875 and memory.ratio == pytest.approx(1.0) and memory.specified == 1.0
    assert memory.factor == pytest.approx(0.25) and found.precision["T"].specified == pytest.approx(1.4)
    assert found.reasons == {"NEAR_MARGIN M": 8}
    together = summarise(Cell("chosen", 5), [replace(trial, candidate=trial.candidate // 4) for trial in trials])
    assert together.passed.value == 0.75 and together.passed.interval[0] < found.passed.interval[0]
    assert summarise(Cell("random", 1), trials).precision["M"].factor is None
    missing = [*trials[1:], replace(trials[0], gaps={"T": trials[0].gaps["T"]})]
    assert set(summarise(Cell("chosen", 5), missing).precision) == {"T"}


def test_more_retrains_lose_what_was_decided_before_and_is_not_after() -> None:
    before = [made(0, {0: "PASS", 3: "FAIL"}), made(1, {0: "PASS"}), made(2, {2: "FAIL"})]
    after = [made(0, {3: "FAIL", 4: "FAIL"}), made(1, {0: "PASS"}), made(2, {0: "PASS"})]
    cells = {Cell("chosen", 5): before, Cell("chosen", 10): after, Cell("random", 2): before}
    (step,) = steps(cells, {cell: summarise(cell, trials) for cell, trials in cells.items()})
    assert (step.setting, step.fewer, step.more) == ("chosen", 5, 10)
    assert step.counts == (1, 1, 0, 1)  # a leak below the margin need not FAIL
    calibrated = Calibrated.of([dict(zip(cells, trials, strict=True)) for trials in zip(*cells.values(), strict=True)])
    assert calibrated.steps == [step]


def test_errors_are_those_of_the_rule_on_a_small_simulation() -> None:
    """10 trials: no retrain fails and no original passes; a shift that nobody can miss fails always."""
    worlds = [SMALL, replace(SMALL, original=constant(3.0))]
    ask = {"retrains": [0, 4], "runs": 10, "seed": 1, "workers": 1, "watch": ignore}
    seen = list(calibrate_worlds(worlds, POLICY, **ask))
    for (world, calibrated), original in zip(seen, worlds, strict=True):
        assert world.original == original.original and set(calibrated.cells) == {
            Cell("random", 0),
            Cell("random", 4),
            Cell("chosen", 4),
        }
        for found in calibrated.cells.values():
            assert found.failed.value == 0 and found.leaks[-1].passed.value == 0 and found.trials == 10
            assert found.leaks[-1].excess > found.leaks[3].excess > found.leaks[0].excess
    assert all(found.leaks[-1].counts[1] >= 9 for found in seen[1][1].cells.values())
    assert list(calibrate_worlds(worlds[:1], POLICY, **ask)) == seen[:1]


def test_the_command_on_synthetic_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "GRID", (SMALL, replace(SMALL, class_effect=0.5)))
    page = tmp_path / "page.md"
    words = ["calibrate", "--runs", "10", "--workers", "1", "--retrains", "3", "--retrains", "0", "--page", str(page)]
    assert run(*words, "--seed", "7") == 0
    assert "edge: PASS" in capsys.readouterr().out
    text = page.read_text()
    assert "vestige calibrate --seed 7 --runs 10 --retrains 3 --retrains 0 --page" in text and "90 % is nominal" in text
    assert "0 to 3" in text and "0.5 | random | 3" in text and "times .2" not in text
    page.write_text(text.replace("<!-- notes -->\n", "<!-- notes -->\nmine\n"))
    assert run(*words, "--json") == 0
    records = json.loads(capsys.readouterr().out)
    assert "mine" in page.read_text() and len(records) == 6
    assert records[-1]["setting"]["class effect"] == "0.5" and records[0]["leaks"][0]["counts"][1] == 0


def test_the_command_on_the_retrains_of_an_audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "audit.toml").write_text(
        '[data]\nsource = "digits"\n[forget]\nrandom = 150\nunseen = 500\n[model]\narchitecture = "mlp"\nwidth = 32\n'
        '[recipe]\nepochs = 3\nbatch_size = 64\n[policy]\nprofile = "standard"\n'
    )
    page = tmp_path / "page.md"
    words = ["calibrate", str(tmp_path / "audit.toml"), "--models", "5", "--retrains", "1", "--retrains", "4"]
    words += ["--sets", "2", "--workers", "1", "--workspace", str(tmp_path / "ws"), "--page", str(page), "--json"]
    assert run(*words) == 0
    records = json.loads(capsys.readouterr().out)
    assert {(record["setting"]["setting"], record["setting"]["retrains"]) for record in records} == {
        ("random", 1),
        ("random", 4),
        (REDRAWN, 1),
        (REDRAWN, 4),
        ("chosen", 4),
    }
    assert all(record["trials"] == 10 and {"M", "L"} <= set(record["precision"]) for record in records)
    assert len(list((tmp_path / "ws").rglob("*.safetensors"))) == 6
    assert "logits times .2, .5, 2 or 5" in page.read_text()


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--workspace", "w"], 2, "goes with AUDIT_FILE"),
        (["--title", "x"], 2, "--title goes with --page"),
        (["--page", "mine.md"], 4, "in a page of results"),
        (["audit.toml", "--models", "5", "--retrains", "5"], 2, "expected 0 to 4 of 5 models, got 5"),
        (["--retrains", "-1"], 2, "-1"),
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
