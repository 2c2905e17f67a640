"""Each part of the rule switched off turns a named case: no endpoint is there for nothing."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tests.audit.worlds import CASES, CLASS_CASES, SY, ClassWorld, Floats, Make, of, verdict_on
from vestige.audit.endpoints.endpoints import DEFINITIONS, Definition, measure
from vestige.audit.endpoints.scores import Scores
from vestige.audit.endpoints.simulation import constant
from vestige.audit.endpoints.statistic import Statistic
from vestige.audit.endpoints.tail import tpr
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Verdict

SEEDS = range(4)
LARGE = replace(SY, forget=2000, unseen=10_000, retrains=10)
CLASS = ClassWorld(forget=800, unseen=1500, retain=800, retrains=6)


def _pairs(random: np.random.Generator, n: int) -> Floats:
    """Half of every class more familiar, half less."""
    return np.where(np.arange(n) // 10 % 2, 0.85, -0.85)


def _one_class(random: np.random.Generator, n: int) -> Floats:
    return np.where(np.arange(n) % 10 == 4, -1.6, 0.0)


def _of_class(name: str) -> Make:
    return lambda seed: CLASS.draw(seed, CLASS_CASES[name])


CAUGHT_BY: dict[str, Make] = {
    "M": of(replace(LARGE, candidate=constant(-0.5))),
    "S": of(replace(LARGE, forget=4000, candidate=_pairs)),
    "T": of(replace(LARGE, candidate=lambda random, n: np.where(np.arange(n) < n // 20, 4.0, 0.0))),
    "L": _of_class("a tenth"),
    "B": _of_class("lowered"),
    "V": CASES["others permuted"],
    "D": CASES["squeezed"],
    "G": of(replace(LARGE, candidate=_one_class)),
}
"""Candidates that this endpoint alone makes FAIL."""


NO_SHAPE = Policy(margin_shape=0.4)
"""Under which D, that sees whatever moves half of a distribution, leaves M and S to themselves."""


def _verdicts(name: str) -> list[Verdict]:
    policy = NO_SHAPE if name in ("M", "S") else Policy()
    return [verdict_on(CAUGHT_BY[name](seed), None, policy)[1] for seed in SEEDS]


def _measured_by(monkeypatch: pytest.MonkeyPatch, definitions: list[Definition]) -> None:
    for place in ("evidence", "controls"):
        monkeypatch.setattr(f"vestige.audit.verdict.{place}.measure", partial(measure, definitions=definitions))


@pytest.mark.parametrize("name", CAUGHT_BY)
def test_without_an_endpoint_its_case_no_longer_fails(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for verdict in _verdicts(name):
        assert verdict.outcome == "FAIL"
        assert name in {label.partition(":")[0] for reason in verdict.reasons for label in reason.where}
    _measured_by(monkeypatch, [definition for definition in DEFINITIONS if definition.name != name])
    without = [verdict.outcome for verdict in _verdicts(name)]
    assert without.count("FAIL") <= 1, without


def test_a_tail_that_reads_the_memory_score_misses_a_strong_leak_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    def of_memory(scores: Scores, policy: Policy) -> Iterator[Statistic]:
        forget, calibration, _ = scores.parts(scores.memory)
        yield tpr(forget, calibration, scores.retrains, policy, random=scores.setting.random)

    _measured_by(
        monkeypatch,
        [replace(entry, compute=of_memory) if entry.name == "T" else entry for entry in DEFINITIONS],
    )
    assert "FAIL" not in {verdict.outcome for verdict in _verdicts("T")}


def _switched(path: str, value: object) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda monkeypatch: monkeypatch.setattr(path, value)


@pytest.mark.parametrize(
    ("make", "declared", "reason", "switch"),
    [
        (
            CASES["no-op and unseen memorised"],
            None,
            "UNSEEN",
            _switched("vestige.audit.verdict.evidence.unseen_check", lambda *given: None),
        ),
        (
            CASES["the same half"],
            "random",
            "REFERENCE",
            _switched("vestige.audit.verdict.evidence.reference_checks", lambda *given: ()),
        ),
        (
            lambda seed: ClassWorld().draw(seed, CLASS_CASES["masked below the smallest"]),
            None,
            "TRACE",
            _switched("vestige.audit.verdict.evidence.masked", lambda *given: ()),
        ),
    ],
)
def test_without_a_precondition_its_case_passes(
    make: Make,
    declared: str | None,
    reason: str,
    switch: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert all(reason in verdict_on(make(seed), declared)[1].codes for seed in SEEDS)  # type: ignore[arg-type]
    switch(monkeypatch)
    outcomes = [verdict_on(make(seed), declared)[1].outcome for seed in SEEDS]  # type: ignore[arg-type]
    assert "PASS" in outcomes, outcomes


def test_without_the_scale_a_temperature_changes_the_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = CASES["half of every memory"](1)
    cold = replace(outputs, candidate=outputs.candidate * 0.2)

    def gap(given: object) -> float:
        return verdict_on(given)[0].endpoints[0].gap or 0.0  # type: ignore[arg-type]

    assert gap(cold) == pytest.approx(gap(outputs), abs=1e-9)
    monkeypatch.setattr("vestige.audit.endpoints.readings.levels", lambda models, rows, names: np.ones(len(models)))
    assert abs(gap(cold) - gap(outputs)) > 0.001


def test_a_retrain_as_its_own_reference_would_flatter_the_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave-one-out is what makes the retrains' values those of fresh models."""
    outputs = CASES["honest"](2)
    honest = verdict_on(outputs)[0].endpoints[1]

    def all_of_them(readings: object) -> Iterator[tuple[int, list[int]]]:
        for model in range(len(readings.phi)):  # type: ignore[attr-defined]
            yield model, list(range(readings.retrains))  # type: ignore[attr-defined]

    monkeypatch.setattr("vestige.audit.endpoints.scores._references", all_of_them)
    assert verdict_on(outputs)[0].endpoints[1].retrains != honest.retrains
