"""Bad input from the command line: each kind has an outcome of its own, an exit code, and a sentence that says why."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.audit.gating.conftest import run
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.simulation import World, memorised, none

WORLD = World(forget=1200, unseen=5000, retain=200, retrains=5)


def _audited(outputs: Outputs, folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Exit code of ``vestige audit`` on these outputs, and the candidate's entry in the report."""
    outputs.write(folder / "outputs.npz")
    code = run("audit", "--outputs", str(folder / "outputs.npz"), "--report", str(folder / "report"), *options)
    report = json.loads((folder / "report" / "report.json").read_text())
    return code, report["audits"][0]


def _with(outputs: Outputs, **arrays: Any) -> Outputs:
    return replace(outputs, **arrays)


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


CASES: dict[str, tuple[Callable[[Outputs], Outputs], int, str, tuple[str, ...], str]] = {
    # what is given -> exit code, outcome, reasons, a phrase of the explanation or the notes
    "contaminated retrains": (
        lambda _: replace(WORLD, retrain=memorised(1.5), candidate=memorised(1.5)).draw(2).outputs(),
        3,
        "INCONCLUSIVE",
        ("NO_ASSAY_SENSITIVITY",),
        "or the retrains were trained on it",
    ),
    "retrains that know the forget set and an original that does not": (
        lambda _: replace(WORLD, retrain=memorised(1.5), candidate=memorised(1.5), original=none).draw(2).outputs(),
        3,
        "INCONCLUSIVE",
        ("REFERENCE_INVALID",),
        "the retrains saw the forget set",
    ),
    "byte-identical retrains": (
        lambda one: _with(one, retrain=one.retrain[[0, 1, 1, 3, 4]]),
        3,
        "INCONCLUSIVE",
        ("REFERENCE_INVALID",),
        "retrain 2 and retrain 3 are byte-equal",
    ),
    "retrains equal up to rounding": (
        lambda one: _with(one, retrain=one.retrain[[0, 1, 1, 3, 4]] + np.arange(5)[:, None, None] * 1e-9),
        3,
        "INCONCLUSIVE",
        ("REFERENCE_INVALID",),
        "the same model up to rounding",
    ),
    "one model as all retrains": (
        lambda one: _with(one, retrain=one.retrain[[0, 0, 0]]),
        3,
        "INCONCLUSIVE",
        ("REFERENCE_INVALID",),
        "byte-equal",
    ),
    "the original among the retrains": (
        lambda one: _with(one, retrain=np.concatenate([one.retrain, _original(one)[None]])),
        3,
        "INCONCLUSIVE",
        ("REFERENCE_INVALID",),
        "retrain 6 is byte-equal to the original",
    ),
    "the original as candidate": (
        lambda one: _with(one, candidate=_original(one)),
        1,
        "FAIL",
        ("NOOP", "LEAK", "SCATTER", "TAIL"),
        "nothing was unlearned",
    ),
    "a retrain as candidate": (
        lambda one: _with(one, candidate=one.retrain[0]),
        3,
        "INCONCLUSIVE",
        ("EVIDENCE_GRADE",),
        "retrain 1 left out: byte-equal to the candidate",
    ),
    "every retrain is the candidate": (
        lambda one: _with(one, retrain=one.candidate[None].repeat(3, axis=0)),
        3,
        "INCONCLUSIVE",
        ("REFERENCE_INVALID",),
        "every retrain is byte-equal to the candidate",
    ),
    "forget and unseen examples of different difficulty": (
        lambda _: replace(WORLD, forget_difficulty=-0.65, candidate=memorised(1.5)).draw(3).outputs(),
        1,
        "FAIL",
        ("LEAK", "SCATTER", "TAIL"),
        "the comparison with unseen data is switched off",
    ),
    "constant scores": (
        lambda one: _with(
            one,
            candidate=np.ones_like(one.candidate),
            retrain=np.ones_like(one.retrain) * np.arange(1, 6)[:, None, None],
            original=np.zeros_like(one.candidate),
        ),
        3,
        "INCONCLUSIVE",
        ("REFERENCE_INVALID",),
        "the same model up to rounding",
    ),
    "a candidate with constant scores": (
        lambda one: _with(one, candidate=np.ones_like(one.candidate) * [0.0, 3.0]),  # never the label
        1,
        "FAIL",
        ("UTILITY",),
        "less accurate than the retrains",
    ),
    "one example per class": (
        lambda _: _one_per_class(),
        3,
        "INCONCLUSIVE",
        ("EVIDENCE_GRADE", "UTILITY_UNCERTAIN"),
        "the TPR endpoints are not estimable",
    ),
}


def _original(outputs: Outputs) -> Any:
    assert outputs.original is not None
    return outputs.original


def _one_per_class() -> Outputs:
    """Ten classes, one forget and one unseen example of each."""
    return replace(WORLD, forget=10, unseen=10, retain=0, classes=10, original=memorised(20.0)).draw(0).outputs()


@pytest.mark.parametrize("kind", CASES)
def test_each_kind_of_bad_input_has_its_own_outcome(kind: str, outputs: Outputs, tmp_path: Path) -> None:
    make, code, outcome, reasons, phrase = CASES[kind]
    found, audit = _audited(make(outputs), tmp_path)
    verdict = audit["verdict"]
    assert (found, verdict["outcome"], tuple(verdict["reasons"])) == (code, outcome, reasons)
    assert phrase in " ".join((*verdict["explanations"], *verdict["notes"]))
    # What the audit wrote goes through the gate with the same exit code.
    assert run("gate", str(tmp_path / "report"), "--profile", "standard") == code


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        (lambda one: {"labels": np.where(np.arange(len(one)) == 0, 7, one.labels)}, "labels"),
        (lambda one: {"candidate": np.full_like(one.candidate, np.nan)}, "candidate"),
        (lambda one: {"retrain": one.retrain[:, :-1]}, "retrain"),
        (lambda one: {"role": np.full(len(one), "forget")}, "role"),
        (lambda one: {"id": np.full(len(one), "same")}, "id"),
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
