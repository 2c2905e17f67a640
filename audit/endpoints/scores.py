"""From logits to the scores of the endpoints: which rows calibrate, which are evaluated, which model is which."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.scores.rlira import rlira
from vestige.attacks.scores.rmia import rmia
from vestige.attacks.scores.threshold import class_centred
from vestige.attacks.signals.signals import SIGNALS
from vestige.audit.endpoints.people import People
from vestige.audit.results.shadows import ULIRA, ShadowEvidence, ShadowTables
from vestige.learners.arrays import Floats, Labels, Logits, Mask
from vestige.learners.seeds import numpy_generator

MIN_RETRAINS = 3
"""R-LiRA's leave-one-out null and the spread over retrains need this many."""
READ = ("logit", "entropy", "modified_entropy")
"""Signals that the scores are made of."""
TABLES = ("phi", "centred", "z", "rmia", "entropy", "modified_entropy")
"""Fields of ``Scores`` with a row for each model."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores ``[models, n]`` on the forget and unseen rows, higher = more member-like.

    Models in order: the ``retrains`` K, the candidate, the original if there is one. labels, forget, calibration,
    evaluation: ``[n]``; the last two part the unseen rows. phi: logit-scaled confidence; centred: phi minus its median
    over the calibration rows of the class, on the same model; z: R-LiRA's score, a retrain's own always leave-one-out,
    None below three retrains; rmia: likewise. entropy, modified_entropy: class-centred, None where phi is all there is.
    shadowed: scores against shadow models, None without any.

    people: where a person has several rows, and then every column is a person: centred, entropy and modified_entropy
    are means of the rows' own, z and rmia are made of the mean phi, a label is that of one row.
    """

    retrains: int
    labels: Labels
    forget: Mask
    calibration: Mask
    evaluation: Mask
    phi: Floats
    centred: Floats
    z: Floats | None
    rmia: Floats | None
    entropy: Floats | None = None
    modified_entropy: Floats | None = None
    people: People | None = None
    shadowed: ShadowTables | None = None

    @property
    def has_original(self) -> bool:
        """Whether the last row is the original."""
        return len(self.phi) > self.retrains + 1

    @property
    def named(self) -> dict[str, Floats]:
        """The scores with operating points: phi (class-centred), z and abs_z (where there are enough retrains)."""
        scores = {"phi": self.centred}
        return scores if self.z is None else {**scores, "z": self.z, "abs_z": np.abs(self.z)}

    @property
    def by_name(self) -> dict[str, Floats]:
        """Every score that there is, also those of endpoints that can only cause FAIL and against shadow models."""
        fail_only = {"rmia": self.rmia, "entropy": self.entropy, "modified_entropy": self.modified_entropy}
        tables = {name: table for name, table in fail_only.items() if table is not None}
        return {**self.named, **tables, **({} if self.shadowed is None else self.shadowed.tables)}

    @property
    def shadows(self) -> ShadowEvidence | None:
        """The shadow models behind the scores against them."""
        return None if self.shadowed is None else self.shadowed.evidence

    def alone(self, place: int) -> "Scores":
        """The same with the model at ``place`` after the retrains as candidate, and the last one as original."""
        chosen = [*range(self.retrains), self.retrains + place, len(self.phi) - 1]
        tables = {name: getattr(self, name) for name in TABLES}
        shadowed = None if self.shadowed is None else self.shadowed.take(chosen)
        kept = {name: table[chosen] for name, table in tables.items() if table is not None}
        return replace(self, **kept, shadowed=shadowed)

    def with_shadows(self, shadows: ShadowTables | None) -> "Scores":
        """The same with what shadow models say about these models, row by row; of people the mean over their rows."""
        people = self.people
        if shadows is not None and people is not None:
            judged = people.mean(shadows.judged.astype(np.float64)) == 1
            evidence = shadows.evidence
            if ULIRA in shadows.tables:
                evidence = replace(evidence, unseen_evaluation=int((judged & self.evaluation).sum()))
            tables = {name: people.mean(table) for name, table in shadows.tables.items()}
            shadows = ShadowTables(evidence, tables, judged)
        return replace(self, shadowed=shadows)

    def centre(self, signal: Floats) -> Floats:
        """A signal ``[models, rows]`` of the logits, class-centred as phi is in ``centred``."""
        if self.people is None:
            return class_centred(signal, self.labels, self.calibration)
        return self.people.centred(signal, self.calibration)

    def rows(self, scores: Floats, score: str = "") -> tuple[Floats, Floats, Floats]:
        """``scores [models, n]`` parted into forget, calibration and evaluation columns; of U-LiRA (``score``) those
        on which it is defined."""
        judged = self.shadowed.judged if score == ULIRA and self.shadowed is not None else True
        # Unlike scores[:, part] this leaves each model's scores side by side in memory, where they are ranked.
        parts = (part & judged for part in (self.forget, self.calibration, self.evaluation))
        forget, calibration, evaluation = (scores.compress(part, axis=1) for part in parts)
        return forget, calibration, evaluation


def audited(outputs: Outputs) -> Mask:
    """The rows that attacks are judged on: forget and unseen."""
    return outputs.where("forget") | outputs.where("unseen")


def audited_signals(outputs: Outputs, models: Sequence[int], names: Iterable[str]) -> dict[str, Floats]:
    """Signals ``[models, n]`` by name on the audited rows; ``models``: places among ``outputs.models``."""
    rows = np.flatnonzero(audited(outputs))
    return {name: table[list(models)].take(rows, axis=1) for name, table in outputs.signals(*names).items()}


def people_of(outputs: Outputs) -> People | None:
    """The people of the audited rows of ``outputs``; None where nobody has several of them."""
    rows = audited(outputs)
    subjects = None if outputs.subject is None else outputs.subject[rows]
    return People.of(subjects, outputs.where("forget")[rows], outputs.labels[rows])


def calibration_rows(labels: Labels, unseen: Mask, share: float, seed: int) -> Mask:
    """Which of the ``unseen`` rows serve for thresholds and centring: ``share`` of every class, drawn with ``seed``.

    A class with at least two unseen rows gives at least one and keeps at least one; a class with a single unseen row
    keeps it for evaluation. Where that leaves no calibration row at all, one row of the unseen is taken.
    """
    random = numpy_generator(seed, "calibration")
    chosen = np.zeros(len(labels), np.bool_)
    for label in np.unique(labels[unseen]):
        rows = random.permutation(np.flatnonzero(unseen & (labels == label)))
        take = min(max(round(share * len(rows)), 1), len(rows) - 1)
        chosen[rows[:take]] = True
    if not chosen.any():
        chosen[random.choice(np.flatnonzero(unseen))] = True
    return chosen


def score(retrains: Logits, others: Logits, labels: Labels, forget: Mask, share: float, seed: int) -> Scores:
    """Every score that an endpoint needs.

    retrains ``[K, n, classes]``, others ``[1 or 2, n, classes]`` (candidate, original): logits on forget and unseen
    rows. share, seed: of the calibration part of the unseen rows.
    """
    tables = read_signals(np.concatenate([retrains, others]), labels)
    return score_signals(tables, len(retrains), labels, forget, share, seed)


def read_signals(logits: Logits, labels: Labels) -> dict[str, Floats]:
    """What the scores are made of, ``[models, n]`` by name, from logits ``[models, n, classes]``."""
    return {name: SIGNALS[name].function(logits, labels) for name in READ}


def score_signals(
    tables: Mapping[str, Floats],
    retrains: int,
    labels: Labels,
    forget: Mask,
    share: float,
    seed: int,
    people: People | None = None,
) -> Scores:
    """Every score, from what ``read_signals`` gives; the first ``retrains`` rows are the retrains."""
    scores = score_phi(tables["logit"], retrains, labels, forget, share, seed, people)
    entropy, modified = (scores.centre(tables[name]) for name in READ[1:])
    return replace(scores, entropy=entropy, modified_entropy=modified)


def score_phi(
    phi: Floats,
    retrains: int,
    labels: Labels,
    forget: Mask,
    share: float,
    seed: int,
    people: People | None = None,
) -> Scores:
    """What phi ``[K + 1 or K + 2, n]`` alone gives: the first ``retrains`` rows are the retrains."""
    if people is None:
        calibration = calibration_rows(labels, ~forget, share, seed)
        centred = class_centred(phi, labels, calibration)
    else:
        labels, forget = labels[people.first], forget[people.first]
        calibration = people.calibration(~forget, share, seed)
        centred, phi = people.centred(phi, calibration), people.mean(phi)
    z = confidence_ratio = None
    if retrains >= MIN_RETRAINS:
        calibrated = rlira(phi[:retrains], phi[retrains:], calibration)
        z = np.concatenate([calibrated.retrains, calibrated.others])
        relative = rmia(phi[:retrains], phi[retrains:], calibration)
        confidence_ratio = np.concatenate([relative.retrains, relative.others])
    return Scores(
        retrains=retrains,
        labels=labels,
        forget=forget,
        calibration=calibration,
        evaluation=~forget & ~calibration,
        phi=phi,
        centred=centred,
        z=z,
        rmia=confidence_ratio,
        people=people,
    )
