"""Bounds on epsilon from canaries, on the models of one audit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vestige.attacks.signals.signals import logit
from vestige.audit.canaries.planting import CanariesTable, canary_rows
from vestige.audit.endpoints.readings import Readings
from vestige.audit.endpoints.scores import score
from vestige.audit.results.canaries import CanaryAudit, CanaryBounds
from vestige.audit.results.setting import CHOSEN
from vestige.audit.statistics.epsilon import Mistakes, clopper_pearson_epsilon, one_run_epsilon
from vestige.audit.statistics.one_run import Canaries, Planting
from vestige.learners.arrays import Floats, Indices, Labels, Logits, Mask
from vestige.learners.data.split import Split

LEVEL, DELTA = 0.95, 1e-5
"""Confidence of each bound, and the delta at which epsilon is bounded."""
CONTROL = "retrain 1"


def judged_counts(planting: Planting) -> tuple[int, int]:
    """How many canaries that are in, and that are out, a threshold is judged on."""
    nothing = Canaries(planting.included, np.zeros(len(planting.included)), "coin")
    judged = nothing.halves(planting.seed)[1].included
    return int(judged.sum()), int((~judged).sum())


def ceilings(count: int, included: int, judged_in: int, judged_out: int) -> tuple[float, float]:
    """The largest bounds, one_run and clopper_pearson, that scores without a mistake would give here."""
    called = count // 2
    most = min(called, included) + min(count - called, count - included)
    perfect = Mistakes(0, judged_out, 0, judged_in)
    return one_run_epsilon(count, count, most, DELTA, LEVEL), clopper_pearson_epsilon(perfect, DELTA, LEVEL)


def _residuals(phi: Floats, retrains: int, labels: Labels, canary: Mask) -> Floats:
    """The residuals ``[models, n]`` of all models, the first of which are the ``retrains``; class-centred phi where
    there are none."""
    readings = Readings(
        setting=CHOSEN,
        retrains=retrains,
        labels=labels,
        forget=canary,
        calibration=~canary,  # nothing is judged on the unseen examples
        phi=phi,
        scale_phi=phi[:, ~canary],
        retain_phi=phi[:, :0],
        right=np.zeros(phi.shape, np.bool_),
        source=np.zeros(phi.shape, np.int64),
        level=np.ones(len(phi)),
    )
    return score(readings).residual


@dataclass(frozen=True, eq=False)
class CanaryQuestion:
    """The canaries of an audit after planting. registered: the digest that was written down before training. rows: all
    of them, rising. labels: of the unseen examples, then of the canaries, in the order of the models' outputs."""

    table: CanariesTable
    planting: Planting
    registered: str
    rows: Indices
    labels: Indices

    @classmethod
    def of(
        cls, table: CanariesTable, planting: Planting, registered: str, split: Split, labels: Indices
    ) -> "CanaryQuestion":
        """Of an audit whose examples have these ``labels``."""
        rows = canary_rows(split)
        return cls(table, planting, registered, rows, labels[np.concatenate([split.unseen, rows])])

    def bounds(self, retrains: Sequence[Logits], candidate: Logits, original: Logits) -> CanaryAudit:
        """From logits ``[n, classes]`` of the retrains, the candidate and the original, each of the unseen
        examples, then of the canaries.

        Every model guesses by the same score, fixed in advance: the residual to the retrains where there are two of
        them or more (a retrain's own leaves it out), else phi minus its class's median over unseen examples. Neither
        knows who was in. The retrain is the control: it saw no canary, so its bounds exceed 0 in at most one planting
        of twenty each.
        """
        phi = np.stack([logit(logits.astype(np.float64), self.labels) for logits in [*retrains, candidate, original]])
        canary = np.arange(len(self.labels)) >= len(self.labels) - len(self.rows)
        compared = len(retrains) if len(retrains) > 1 else 0
        table = _residuals(phi, compared, self.labels, canary)[:, canary]
        chosen = {"candidate": table[-2], "original": table[-1], CONTROL: table[0]}
        included = int(self.planting.included.sum())
        judged_in, judged_out = judged_counts(self.planting)
        one_run, clopper_pearson = ceilings(len(self.rows), included, judged_in, judged_out)
        return CanaryAudit(
            count=len(self.rows),
            included=included,
            judged_in=judged_in,
            judged_out=judged_out,
            labels=self.table.labels,
            seed=self.planting.seed,
            digest=self.registered,
            score="residual" if compared else "phi",
            level=LEVEL,
            delta=DELTA,
            ceiling_one_run=one_run,
            ceiling_clopper_pearson=clopper_pearson,
            models=tuple(self._bounds(name, scores) for name, scores in chosen.items()),
        )

    def _bounds(self, name: str, scores: Floats) -> CanaryBounds:
        canaries = Canaries.of(self.planting, scores, self.registered)
        first, second = canaries.halves(self.planting.seed)
        threshold = first.best_threshold(DELTA, LEVEL)
        mistakes = second.mistakes(threshold)
        return CanaryBounds(
            model=name,
            right=canaries.right_guesses(),
            one_run=canaries.bound(delta=DELTA, level=LEVEL).epsilon,
            clopper_pearson=clopper_pearson_epsilon(mistakes, DELTA, LEVEL),
            false_positives=mistakes.false_positives,
            false_negatives=mistakes.false_negatives,
        )
