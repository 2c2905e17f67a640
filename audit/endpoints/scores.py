"""From readings to the scores of the endpoints, higher = more member-like; no retrain is its own reference."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import NDArray

from vestige.attacks.scores.base import base
from vestige.attacks.scores.threshold import class_centred
from vestige.audit.endpoints.people import People
from vestige.audit.endpoints.readings import ForgottenClass, Readings
from vestige.audit.endpoints.scale import Alignment, align
from vestige.audit.results.setting import Setting
from vestige.audit.results.shadows import ULIRA, ShadowEvidence, ShadowTables
from vestige.learners.arrays import Array, Floats, Labels, Mask

LEAST_OF_CLASS = 20
"""Calibration rows from which on a class is centred by itself."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores ``[models, n]`` on forget and unseen units: examples, or people where somebody has several of them.

    Models: the ``retrains`` K, the candidate, the original if there is one. forget, calibration, evaluation: the last
    two part the unseen units. phi: logit-scaled confidence on the common scale. usual: mean phi of the model's
    references (the retrains other than itself). aligned: phi on the references' scale minus ``usual``, not centred.
    memory, residual: m and r, centred by class on calibration rows. retained: as ``aligned``, on retain rows. distance:
    of the other classes' outputs to the references', None where there is no reference or no third class. right: share
    of right answers. declared: the group of each unit. alignments: of each model, none without references. Source:
    docs/verdict.md, "From logits to scores".
    """

    setting: Setting
    retrains: int
    labels: Labels
    forget: Bool[Array, " n"]
    calibration: Bool[Array, " n"]
    evaluation: Bool[Array, " n"]
    phi: Float64[Array, "models n"]
    usual: Float64[Array, "models n"]
    aligned: Float64[Array, "models n"]
    memory: Float64[Array, "models n"]
    residual: Float64[Array, "models n"]
    retained: Float64[Array, "models r"]
    distance: Float64[Array, "models n"] | None
    right: Float64[Array, "models n"]
    alignments: tuple[Alignment, ...]
    classes: tuple[ForgottenClass, ...] = ()
    declared: NDArray[np.str_] | None = None
    people: People | None = None
    people_apart: bool = False
    classless: bool = False
    shadowed: ShadowTables | None = None

    @property
    def has_original(self) -> bool:
        """Whether the last row is the original."""
        return len(self.phi) > self.retrains + 1

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Number of forget, calibration and evaluation units."""
        return int(self.forget.sum()), int(self.calibration.sum()), int(self.evaluation.sum())

    @property
    def shadows(self) -> ShadowEvidence | None:
        """The shadow models behind the scores against them."""
        return None if self.shadowed is None else self.shadowed.evidence

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

    def parts(self, scores: Floats, among: Mask | bool = True) -> tuple[Floats, Floats, Floats]:
        """``scores [models, n]`` parted into forget, calibration and evaluation columns, of the units ``among``."""
        # Unlike scores[:, part] this leaves each model's scores side by side in memory, where they are ranked.
        parts = (part & among for part in (self.forget, self.calibration, self.evaluation))
        forget, calibration, evaluation = (scores.compress(part, axis=1) for part in parts)
        return forget, calibration, evaluation


def score(readings: Readings) -> Scores:
    """Every score that an endpoint needs."""
    people, k = readings.people, readings.retrains
    aligned, usual, memory = (np.empty_like(readings.phi) for _ in range(3))
    alignments, retained = [], np.zeros_like(readings.retain_phi)
    for model, references in _references(readings):
        phi = readings.phi[model]
        if not len(references):
            aligned[model], usual[model], memory[model] = phi, 0.0, phi
            continue
        line = _alignment(readings, model, references)
        mapped = line.apply(phi)
        usual[model] = readings.phi[references].mean(axis=0)
        aligned[model] = mapped - usual[model]
        memory[model] = base(mapped[None], readings.phi[references])[0]
        alignments.append(line)
        retained[model] = line.apply(readings.retain_phi[model]) - readings.retain_phi[references].mean(axis=0)
    tables = {"phi": readings.phi, "usual": usual, "aligned": aligned, "right": readings.right.astype(np.float64)}
    tables["memory"], tables["residual"] = (
        class_centred(table, readings.labels, readings.calibration, LEAST_OF_CLASS) for table in (memory, aligned)
    )
    distance = _distances(readings)
    first = slice(None) if people is None else people.first
    if people is not None:
        tables = {name: people.mean(table) for name, table in tables.items()}
        distance = None if distance is None else people.mean(distance)
    declared = readings.group
    if declared is not None and people is not None:
        declared = people.group(declared)
    forget, calibration = readings.forget[first], readings.calibration[first]
    return Scores(
        setting=readings.setting,
        retrains=k,
        labels=readings.labels[first],
        forget=forget,
        calibration=calibration,
        evaluation=~forget & ~calibration,
        retained=retained,
        distance=distance,
        alignments=tuple(alignments),
        classes=readings.classes,
        declared=declared,
        people=people,
        people_apart=readings.people_apart,
        classless=readings.classless,
        **tables,  # type: ignore[arg-type]
    )


def _references(readings: Readings) -> Iterator[tuple[int, list[int]]]:
    """Each model with the retrains other than itself."""
    for model in range(len(readings.phi)):
        yield model, [k for k in range(readings.retrains) if k != model]


def _alignment(readings: Readings, model: int, references: list[int]) -> Alignment:
    of_references, own = readings.scale_phi[references], readings.scale_phi[model]
    # With a single reference the model itself has to show how much two models differ.
    alike = of_references if len(references) > 1 else np.stack([of_references[0], own])
    noise = float(alike.var(axis=0, ddof=1).mean() if len(references) > 1 else (own - of_references[0]).var() / 2)
    return align(own, of_references.mean(axis=0), noise / len(references))


def _distances(readings: Readings) -> Floats | None:
    """Distance of the other classes' outputs to the mean of the references' on every row."""
    gram, k = readings.gram, readings.retrains
    if gram is None or not k:
        return None
    distances = np.zeros_like(readings.phi)
    rows, retrains = np.arange(len(gram)), readings.source[:k, 0]
    # Products with the sum of the retrains; a retrain's own part is taken out where it is no reference of itself.
    with_all = gram[:, :, retrains].sum(axis=2)
    among_all = with_all[:, retrains].sum(axis=1)
    for model, references in _references(readings):
        count, own = len(references), readings.source[model]
        if not references:
            continue
        with_references, among = with_all, among_all
        if count < k:
            left = own[0]
            with_references = with_all - gram[:, :, left]
            among = among_all - 2 * with_all[:, left] + gram[:, left, left]
        place = own[0] if (own == own[0]).all() else own  # leaks are planted in some rows only
        at = slice(None) if np.ndim(place) == 0 else rows
        squared = gram[at, place, place] - 2 * with_references[at, place] / count + among / count**2
        distances[model] = np.sqrt(np.maximum(squared, 0.0))
    return distances
