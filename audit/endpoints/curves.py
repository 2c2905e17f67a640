"""What else a report shows than endpoints: operating points, ROC curves, histograms, report-only attacks."""

from collections.abc import Mapping, Sequence

import numpy as np

from vestige.attacks.metrics.roc import auc_rows, estimable, roc_curve, thin, threshold_at_fpr
from vestige.attacks.scores.threshold import class_centred
from vestige.audit.endpoints.scores import Scores
from vestige.audit.results.evidence import SignalAttack
from vestige.audit.results.figures import CalibratedPoint, Curve, Histogram
from vestige.audit.statistics import intervals
from vestige.learners.arrays import Floats

RATES = (0.1, 0.01, 0.001)
POINTS = 150
BINS = 40


def operating_points(scores: Scores) -> tuple[CalibratedPoint, ...]:
    """TPR of memory and residual at every estimable rate, each model at its own calibration threshold."""
    evaluation = int(scores.evaluation.sum())
    rates = [rate for rate in RATES if estimable(rate, evaluation)]
    return tuple(_point(name, table, scores, rate) for name, table in _named(scores).items() for rate in rates)


def _named(scores: Scores) -> dict[str, Floats]:
    return {"memory": scores.memory, "residual": scores.residual}


def _point(name: str, table: Floats, scores: Scores, rate: float) -> CalibratedPoint:
    forget, calibration, unseen = scores.parts(table)
    thresholds = np.array([threshold_at_fpr(negatives, rate) for negatives in calibration])[:, None]
    caught, false = (forget > thresholds).sum(axis=1), (unseen > thresholds).sum(axis=1)
    k, members, nonmembers = scores.retrains, forget.shape[1], unseen.shape[1]
    return CalibratedPoint(
        score=name,
        fpr=rate,
        tpr=float(caught[k] / members),
        tpr_interval=intervals.clopper_pearson(int(caught[k]), members),
        realised_fpr=float(false[k] / nonmembers),
        realised_fpr_interval=intervals.clopper_pearson(int(false[k]), nonmembers),
        retrain_tpr=float(caught[:k].mean() / members) if k else None,
        original_tpr=float(caught[k + 1] / members) if scores.has_original else None,
    )


def attack_results(signals: Mapping[str, Floats], scores: Scores) -> tuple[SignalAttack, ...]:
    """AUC of every signal, with one threshold for all (``threshold``) and class-centred (``threshold_classwise``).

    signals: each ``[models, n]`` on the forget and unseen rows, models in the order of ``scores``.
    """
    results = []
    people = scores.people
    calibration = scores.calibration if people is None else scores.calibration[people.unit]
    for signal, raw in signals.items():
        centred = class_centred(raw, scores.labels if people is None else people.labels, calibration)
        centred = centred if people is None else people.mean(centred)
        raw = raw if people is None else people.mean(raw)
        for name, table in (("threshold", raw), ("threshold_classwise", centred)):
            forget, _, unseen = scores.parts(table)
            values = [float(value) for value in auc_rows(forget, unseen)]
            k = scores.retrains
            original = values[k + 1] if scores.has_original else None
            results.append(SignalAttack(name, signal, values[k], tuple(values[:k]), original))
    return tuple(results)


def curves(scores: Scores, names: Sequence[str]) -> tuple[Curve, ...]:
    """ROC curves of memory and residual on every model; ``names [models]`` in the order of scores."""
    traced = []
    for score, table in _named(scores).items():
        forget, _, unseen = scores.parts(table)
        for name, members, nonmembers in zip(names, forget, unseen, strict=True):
            fpr, tpr = thin(*roc_curve(members, nonmembers), points=POINTS)
            traced.append(Curve(name, score, tuple(fpr.tolist()), tuple(tpr.tolist())))
    return tuple(traced)


def histograms(scores: Scores) -> tuple[Histogram, ...]:
    """Counts of phi (on the common scale) and the residual on candidate, original and pooled retrains.

    Common bins per score over the central 99.8 % of all values; what lies beyond counts in the outer bins.
    """
    tables = {"phi": scores.phi} | ({"residual": scores.residual} if scores.retrains else {})
    k = scores.retrains
    models = {"candidate": slice(k, k + 1)} | ({"retrains": slice(0, k)} if k else {})
    if scores.has_original:
        models["original"] = slice(k + 1, k + 2)
    counted = []
    for score, table in tables.items():
        forget, _, unseen = scores.parts(table)
        edges = _edges(np.concatenate([forget, unseen], axis=1))
        for name, rows in models.items():
            counts = (_counts(forget[rows], edges), _counts(unseen[rows], edges))
            counted.append(Histogram(name, score, tuple(edges.tolist()), *counts))
    return tuple(counted)


def _edges(values: Floats) -> Floats:
    low, high = np.quantile(values, [0.001, 0.999])
    edges = np.linspace(low, high, BINS + 1)
    if not np.all(np.diff(edges) > 0):  # all values alike, up to rounding
        edges = np.linspace(low - 0.5, low + 0.5, BINS + 1)
    return edges


def _counts(values: Floats, edges: Floats) -> tuple[int, ...]:
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return tuple(int(count) for count in counts)
