"""Bad input: each kind has an outcome of its own, and a sentence that says why; from the command line an exit code."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.audit.judging import judge
from tests.audit.worlds import CLASS_CASES, SY, ClassWorld, verdict_on
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.cli.entry import main
from vestige.audit.endpoints.simulation import World, memorised, none
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Controls
from vestige.learners.errors import DataError

WORLD = World(forget=1200, unseen=5000, retain=200, retrains=5)
NOT_RUN = Controls("not run in this test", (), (), None)


def run(*words: str) -> int:
    """Exit code of the command."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def outputs() -> Outputs:
    return WORLD.draw(1).outputs()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("margin_auc = 0", "margin_auc: expected greater than 0"),
        ("margin_auc = 0.0", "margin_auc: expected greater than 0"),
        ("margin_auc = 2.0", "margin_auc: expected less than 0.5"),
        ("margin_tpr = 2.0", "margin_tpr: expected less than 1"),
        ("margin_group = 0.0", "margin_group: expected greater than 0"),
        ("margin_auk = 0.05", "margin_auk"),
        ("margin_auc = nan", "margin_auc"),
        ('worst_group = "ignore"', "worst_group: expected 'report' or 'enforce'"),
    ],
)
def test_a_policy_that_demands_nothing_or_the_unknown_is_a_usage_error(
    text: str, expected: str, outputs: Outputs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs.write(tmp_path / "outputs.npz")
    policy = tmp_path / "policy.toml"
    policy.write_text(text + "\n")
    report = tmp_path / "report"
    code = run("audit", "--outputs", str(tmp_path / "outputs.npz"), "--report", str(report), "--policy", str(policy))
    said = capsys.readouterr().err
    assert code == 2 and expected in said
    assert not report.exists()
    assert run("gate", str(tmp_path / "nothing.json"), "--policy", str(policy)) == 2


def _original(outputs: Outputs) -> Any:
    assert outputs.original is not None
    return outputs.original


def _class(case: str = "fresh", retrains: int = 6) -> Outputs:
    return ClassWorld(forget=600, unseen=1200, retain=400, retrains=retrains).draw(1, CLASS_CASES[case])


def _without_retain(outputs: Outputs) -> Outputs:
    rows = outputs.role != "retain"
    return Outputs(
        labels=outputs.labels[rows],
        role=outputs.role[rows],
        candidate=outputs.candidate[rows],
        retrain=outputs.retrain[:, rows],
        original=_original(outputs)[rows],
    )


def _one_per_class() -> Outputs:
    """Ten classes, one forget and one unseen example of each."""
    return replace(WORLD, forget=10, unseen=10, retain=0, original=memorised(20.0)).draw(0).outputs()


def _unrelated(outputs: Outputs) -> Any:
    """Logits that do not follow the retrains' at all: noise, with the label on top."""
    candidate = np.random.default_rng(0).normal(size=outputs.candidate.shape)
    candidate[np.arange(len(outputs)), outputs.labels] += 9
    return candidate


CASES: dict[str, tuple[Callable[[Outputs], Outputs], str, tuple[str, ...], str]] = {
    # what is given -> outcome, reasons, a phrase of the explanations or notes
    "contaminated retrains": (
        lambda _: replace(WORLD, retrain=memorised(1.5), candidate=memorised(1.5)).draw(2).outputs(),
        "INCONCLUSIVE",
        ("NO_SIGNAL",),
        "or the retrains were trained on it",
    ),
    "retrains that know the forget set and an original that does not": (
        lambda _: replace(WORLD, retrain=memorised(1.5), candidate=memorised(1.5), original=none).draw(2).outputs(),
        "INCONCLUSIVE",
        ("REFERENCE",),
        "the retrains saw the forget set",
    ),
    "byte-identical retrains": (
        lambda given: replace(given, retrain=given.retrain[[0, 1, 1, 3, 4]]),
        "INCONCLUSIVE",
        ("REFERENCE",),
        "retrain 2 and retrain 3 are byte-equal",
    ),
    "retrains equal up to rounding": (
        lambda given: replace(
            given,
            retrain=given.retrain[[0, 1, 1, 3, 4]] + np.arange(5)[:, None, None] * np.linspace(-1e-9, 1e-9, 10),
        ),
        "INCONCLUSIVE",
        ("REFERENCE",),
        "the same model up to rounding",
    ),
    "the original among the retrains": (
        lambda given: replace(given, retrain=np.concatenate([given.retrain, _original(given)[None]])),
        "INCONCLUSIVE",
        ("REFERENCE",),
        "retrain 6 is byte-equal to the original",
    ),
    "the original as candidate": (
        lambda given: replace(given, candidate=_original(given)),
        "FAIL",
        ("NOOP",),
        "nothing was unlearned",
    ),
    "the original at another temperature as candidate": (
        lambda given: replace(given, candidate=_original(given) * 0.5),
        "FAIL",
        ("LEAK", "TRACE"),
        "look more like training data",
    ),
    "a retrain as candidate": (
        lambda given: replace(given, candidate=given.retrain[0]),
        "INCONCLUSIVE",
        ("EVIDENCE",),
        "retrain 1 left out: byte-equal to the candidate",
    ),
    "every retrain is the candidate": (
        lambda given: replace(given, retrain=given.candidate[None].repeat(3, axis=0)),
        "INCONCLUSIVE",
        ("REFERENCE",),
        "every retrain is byte-equal to the candidate",
    ),
    "one retrain and no random draw": (
        lambda given: replace(given, retrain=given.retrain[:1]),
        "INCONCLUSIVE",
        ("EVIDENCE",),
        "a forget set that is a random draw",
    ),
    "no retrain and no random draw": (
        lambda given: replace(given, retrain=given.retrain[:0]),
        "INCONCLUSIVE",
        ("EVIDENCE",),
        "there are 0",
    ),
    "forget and unseen examples of different difficulty": (
        lambda _: replace(WORLD, forget_difficulty=-0.65, candidate=memorised(1.5)).draw(3).outputs(),
        "FAIL",
        ("LEAK", "TRACE"),
        "easier or harder by nature",
    ),
    "a candidate that never gives the label": (
        lambda given: replace(given, candidate=-given.candidate),
        "FAIL",
        ("UTILITY",),
        "confidence hardly follows that of the retrains",
    ),
    "a candidate unrelated to its retrains": (
        lambda given: replace(given, candidate=_unrelated(given)),
        "INCONCLUSIVE",
        ("UNSEEN",),
        "confidence hardly follows that of the retrains; only its median was aligned",
    ),
    "one example per class": (
        lambda _: _one_per_class(),
        "INCONCLUSIVE",
        ("NO_SIGNAL", "EVIDENCE"),
        "too few examples for PASS to require it",
    ),
    "a class without retain rows of other classes": (
        lambda _: _without_retain(_class()),
        "INCONCLUSIVE",
        ("EVIDENCE",),
        "retain rows of other classes",
    ),
    "a class and one retrain": (
        lambda _: _class(retrains=1),
        "INCONCLUSIVE",
        ("EVIDENCE",),
        "at least 3 retrains",
    ),
    "a masked class and one retrain": (
        lambda _: _class("masked", retrains=1),
        "FAIL",
        ("TRACE",),
        "the output of class 0 is switched off",
    ),
    "a masked class": (
        lambda _: _class("masked below the mean"),
        "FAIL",
        ("TRACE",),
        "masking hides knowledge from this interface",
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_each_kind_of_bad_input_has_its_own_outcome(kind: str, outputs: Outputs) -> None:
    make, outcome, codes, phrase = CASES[kind]
    verdict = judge(make(outputs), Policy(), name="candidate", controls=NOT_RUN).verdict
    assert verdict.outcome == outcome
    assert verdict.codes[: len(codes)] == codes or set(codes) <= set(verdict.codes) and outcome == "FAIL"
    assert phrase in " ".join((verdict.headline, *verdict.explanations, *verdict.notes))


@pytest.mark.parametrize("model", ["candidate", "original", "retrain"])
def test_outputs_that_are_equal_for_all_classes_are_refused(model: str, outputs: Outputs) -> None:
    flat = np.ones_like(outputs.candidate)
    changed = {"retrain": np.concatenate([outputs.retrain[:4], flat[None]])} if model == "retrain" else {model: flat}
    name = "retrain 5" if model == "retrain" else model
    with pytest.raises(DataError, match=f"{name}: expected logits that differ between classes, got the same for all"):
        verdict_on(replace(outputs, **changed))  # type: ignore[arg-type]


def test_a_candidate_with_one_answer_for_every_row_does_not_pass(outputs: Outputs) -> None:
    same = np.tile(np.linspace(0, 3, 10), (len(outputs), 1))
    verdict = verdict_on(replace(outputs, candidate=same))[1]
    assert verdict.outcome == "FAIL" and "UTILITY" in verdict.codes


@pytest.mark.parametrize("declared", ["chosen", "random", "class"])
def test_a_setting_that_the_data_contradict_is_refused(declared: Any, outputs: Outputs) -> None:
    given = outputs if declared == "class" else _class()
    with pytest.raises(DataError, match="setting: .* declare nothing"):
        verdict_on(given, declared)


def test_a_random_draw_that_is_none_is_found_by_its_retrains() -> None:
    """Declared random, but harder than the unseen examples by half a standard deviation."""
    given = replace(SY, forget_difficulty=-0.5).draw(1).outputs()
    verdict = verdict_on(given, "random")[1]
    assert (verdict.outcome, verdict.codes) == ("INCONCLUSIVE", ("REFERENCE",))
    assert "it is no random draw, or the retrains were trained on part of it" in verdict.explanations[0]


@pytest.mark.parametrize(("kind", "code"), [("a retrain as candidate", 3), ("the original as candidate", 1)])
def test_the_command_ends_with_the_code_of_the_outcome(kind: str, code: int, outputs: Outputs, tmp_path: Path) -> None:
    CASES[kind][0](outputs).write(tmp_path / "outputs.npz")
    report = tmp_path / "report"
    assert run("audit", "--outputs", str(tmp_path / "outputs.npz"), "--report", str(report)) == code
    verdict = json.loads((report / "report.json").read_text())["audits"][0]["verdict"]
    assert verdict["outcome"] == CASES[kind][1]
    # What the audit wrote goes through the gate with the same exit code.
    assert run("gate", str(report), "--profile", "standard") == code


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        (lambda given: {"labels": np.where(np.arange(len(given)) == 0, 70, given.labels)}, "labels"),
        (lambda given: {"candidate": np.full_like(given.candidate, np.nan)}, "candidate"),
        (lambda given: {"retrain": given.retrain[:, :-1]}, "retrain"),
        (lambda given: {"role": np.full(len(given), "forget")}, "role"),
        (lambda given: {"id": np.full(len(given), "same")}, "id"),
    ],
)
def test_files_that_cannot_be_meant_end_with_4_and_leave_no_report(
    change: Callable[[Outputs], dict[str, Any]],
    phrase: str,
    outputs: Outputs,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = ("labels", "role", "candidate", "retrain", "original")
    arrays = {name: getattr(outputs, name) for name in names}
    arrays |= change(outputs)
    with (tmp_path / "outputs.npz").open("wb") as file:
        np.savez(file, **arrays)
    report = tmp_path / "report"
    assert run("audit", "--outputs", str(tmp_path / "outputs.npz"), "--report", str(report)) == 4
    assert phrase in capsys.readouterr().err and not (report / "report.json").exists()
