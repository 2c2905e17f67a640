"""Candidates whose truth is known, in a world of examples (SY) and in one of a forgotten class (KT)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.setting import Declared, setting_of
from vestige.audit.endpoints.simulation import Table, World, constant, memorised
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Evidence, Verdict
from vestige.audit.verdict.controls import run_controls
from vestige.audit.verdict.evidence import gather
from vestige.audit.verdict.rule import decide
from vestige.learners.seeds import numpy_generator

Floats = NDArray[np.float64]
Make = Callable[[int], Outputs]
SY = World(forget=1000, unseen=5000, retain=500, retrains=5)


def verdict_on(
    outputs: Outputs, declared: Declared | None = None, policy: Policy | None = None, *, controls: bool = False
) -> tuple[Evidence, Verdict]:
    """Evidence and verdict on a candidate. controls: run the null control and planted leaks too."""
    policy, setting = policy or Policy(), setting_of(outputs, declared)
    ran = run_controls(outputs, setting, policy) if controls else None
    evidence = gather(outputs, setting, policy, plots=False, controls=ran)
    return evidence, decide(evidence, policy)


def few(random: np.random.Generator, n: int) -> Floats:
    """A twentieth of the examples is remembered four standard deviations strong."""
    return np.where(np.arange(n) < n // 20, 4.0, 0.0)


def both_ways(random: np.random.Generator, n: int) -> Floats:
    """Half of the examples more familiar, half less."""
    return np.where(np.arange(n) % 2, 1.5, -1.5)


def fresh(seed: int) -> Outputs:
    """A retrain as candidate."""
    return SY.draw(seed).outputs()


def of(world: World) -> Make:
    """The candidate of this world."""
    return lambda seed: world.draw(seed).outputs()


def scaled(make: Make, factor: float) -> Make:
    """The same candidate at another temperature."""

    def changed(seed: int) -> Outputs:
        outputs = make(seed)
        return replace(outputs, candidate=outputs.candidate * factor)

    return changed


def edited(change: Callable[[Table, np.random.Generator], None]) -> Make:
    """A fresh candidate whose phi was changed in place."""

    def changed(seed: int) -> Outputs:
        table = SY.draw(seed)
        change(table, numpy_generator(seed, "edited candidate"))
        return table.outputs()

    return changed


def _knows_unseen(size: float) -> Callable[[Table, np.random.Generator], None]:
    def change(table: Table, random: np.random.Generator) -> None:
        audited = SY.forget + SY.unseen
        table.phi[SY.retrains, :audited] += random.exponential(size, audited)

    return change


def _nearly(table: Table, random: np.random.Generator) -> None:
    table.phi[SY.retrains] = table.phi[-1] + random.normal(0, 0.05, table.phi.shape[1])


def _squeezed(table: Table, random: np.random.Generator) -> None:
    """What is unusual about a forget example, brought to its usual size: each residual to the median of all."""
    usual = table.phi[: SY.retrains, : SY.forget].mean(axis=0)
    residual = table.phi[SY.retrains, : SY.forget] - usual
    size = np.abs(residual)
    band = np.median(size) * (size / np.median(size)) ** 0.5
    table.phi[SY.retrains, : SY.forget] = usual + np.sign(residual) * band


def _rounded(table: Table, random: np.random.Generator) -> None:
    own = table.phi[SY.retrains, : SY.forget]
    table.phi[SY.retrains, : SY.forget] = np.round(own * 2) / 2


def _same_half(table: Table, random: np.random.Generator) -> None:
    known = random.exponential(1.5, SY.forget // 2)
    table.phi[: SY.retrains + 1, : SY.forget // 2] += known


def _mirrored(table: Table, random: np.random.Generator) -> None:
    """Candidate's residuals turned round where they are large upwards: hides the upper tail."""
    usual = table.phi[: SY.retrains, : SY.forget].mean(axis=0)
    residual = table.phi[SY.retrains, : SY.forget] - usual
    table.phi[SY.retrains, : SY.forget] = usual + np.where(residual > 1.5, -residual, residual)


def others_permuted(seed: int) -> Outputs:
    """The logits of the other classes, permuted among these on every forget row."""
    outputs, random = fresh(seed), numpy_generator(seed, "permuted classes")
    candidate = outputs.candidate.copy()
    for row in np.flatnonzero(outputs.where("forget")):
        rest = np.delete(np.arange(outputs.classes), outputs.labels[row])
        candidate[row, rest] = candidate[row, random.permutation(rest)]
    return replace(outputs, candidate=candidate)


def others_of_original(seed: int) -> Outputs:
    """The original's logits of the other classes on forget rows, with a fresh phi: in this world as good as any."""
    outputs, table = fresh(seed), SY.draw(seed)
    assert outputs.original is not None
    rows = np.flatnonzero(outputs.where("forget"))
    candidate = outputs.candidate.copy()
    candidate[rows] = outputs.original[rows]
    own = table.phi[SY.retrains, rows] - table.phi[-1, rows]
    candidate[rows, outputs.labels[rows]] += own
    return replace(outputs, candidate=candidate)


def smoothed(seed: int) -> Outputs:
    """A recipe of its own: sharper where it is sure, as a retrain with other regularisation is, on every row."""
    outputs = fresh(seed)
    centred = outputs.candidate - outputs.candidate.mean(axis=1, keepdims=True)
    return replace(outputs, candidate=3 * np.tanh(centred / 3))


NO_OP = replace(SY, candidate=memorised(1.5))
CASES: dict[str, Make] = {
    "honest": fresh,
    "honest x.2": scaled(fresh, 0.2),
    "honest x5": scaled(fresh, 5.0),
    "smoothed": smoothed,
    "others of the original": others_of_original,
    "tail": of(replace(SY, candidate=few)),
    "tail x.2": scaled(of(replace(SY, candidate=few)), 0.2),
    "like the original": of(NO_OP),
    "nearly the original": edited(_nearly),
    "half of every memory": of(replace(SY, candidate=memorised(0.75))),
    "a fifth of every memory": of(replace(SY, candidate=memorised(0.3))),
    "over-forgetting": of(replace(SY, candidate=constant(-1.5))),
    "scatter": of(replace(SY, candidate=both_ways)),
    "no-op and unseen memorised": edited(_knows_unseen(1.5)),
    "half of both": edited(_knows_unseen(0.75)),
    "others permuted": others_permuted,
    "squeezed": edited(_squeezed),
    "rounded": edited(_rounded),
    "the same half": edited(_same_half),
}


@dataclass(frozen=True, kw_only=True)
class ClassWorld:
    """A class that was forgotten. Logits of example and class: what the example is like, N(0, 1), ``level`` for its own
    class, and N(0, noise) of the model. A retrain never learnt class 0: its output for it lies ``low``, but for a rest
    of ``rest`` on images of the class, as what it learnt of others helps.

    forget, unseen: rows of the class; others: unseen rows of each other class; retain: rows of other classes."""

    forget: int = 2000
    unseen: int = 4000
    others: int = 200
    retain: int = 2000
    retrains: int = 10
    classes: int = 10
    level: float = 4.0
    low: float = -3.0
    rest: float = 0.7
    noise: float = 0.7
    seed_effect: float = 0.05

    def draw(self, seed: int, candidate: Callable[["ClassWorld", Floats, Floats], Floats] | None = None) -> Outputs:
        """candidate: from a fresh model's logits and the original's ``[n, classes]`` to its own."""
        random = numpy_generator(seed, "class world")
        rest = np.arange(1, self.classes)
        labels = np.concatenate(
            [
                np.zeros(self.forget + self.unseen, np.int64),
                np.repeat(rest, self.others),
                rest[np.arange(self.retain) % len(rest)],
            ]
        )
        unseen = self.unseen + self.others * len(rest)
        role = np.repeat(["forget", "unseen", "retain"], [self.forget, unseen, self.retain])
        like = random.normal(size=(len(labels), self.classes))
        own = like.copy()
        own[np.arange(len(labels)), labels] += self.level
        retrains = np.stack([self._retrain(own, labels, random) for _ in range(self.retrains + 1)])
        original = own + random.normal(0, self.noise, own.shape)
        fresh = retrains[-1]
        made = fresh if candidate is None else candidate(self, fresh, original)
        return Outputs(labels=labels, role=role, candidate=made, retrain=retrains[:-1], original=original)

    def _retrain(self, own: Floats, labels: NDArray[np.int64], random: np.random.Generator) -> Floats:
        logits = own + random.normal(0, self.noise, own.shape)
        of_class = labels == 0
        logits[of_class, 0] -= self.level - self.rest - random.normal(0, self.seed_effect)
        logits[:, 0] += self.low
        return logits


def _tenth(world: ClassWorld, fresh: Floats, original: Floats) -> Floats:
    """On every tenth row, whatever its class, the original answers."""
    made = fresh.copy()
    made[::10] = original[::10]
    return made


def _masked(world: ClassWorld, fresh: Floats, original: Floats) -> Floats:
    made = original.copy()
    made[:, 0] = -20.0
    return made


def _masked_relative(world: ClassWorld, fresh: Floats, original: Floats) -> Floats:
    made = original.copy()
    made[:, 0] = made[:, 1:].mean(axis=1) - 8
    return made


def _masked_below(world: ClassWorld, fresh: Floats, original: Floats) -> Floats:
    made = original.copy()
    made[:, 0] = made[:, 1:].min(axis=1) - 1
    return made


def _masked_to_maximum(world: ClassWorld, fresh: Floats, original: Floats) -> Floats:
    made = original.copy()
    made[:, 0] = made[:, 1:].max(axis=1) - 5
    return made


def _lowered(world: ClassWorld, fresh: Floats, original: Floats) -> Floats:
    """Accuracy is 0 and the order of its outputs is the original's."""
    made = original.copy()
    made[:, 0] -= 30.0
    return made


CLASS_CASES: dict[str, Callable[[ClassWorld, Floats, Floats], Floats] | None] = {
    "fresh": None,
    "fresh x.2": lambda world, fresh, original: fresh * 0.2,
    "keeps": lambda world, fresh, original: original + 1e-3,
    "a tenth": _tenth,
    "lowered": _lowered,
    "masked": _masked,
    "masked below the mean": _masked_relative,
    "masked below the smallest": _masked_below,
    "masked below the largest": _masked_to_maximum,
}
