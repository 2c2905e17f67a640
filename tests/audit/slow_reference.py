"""The rule's numbers once more, from its description alone and without regard to speed: nothing of the audit is used.

Scores, endpoints and errors of a candidate that is compared with K >= 2 retrains, in the settings ``chosen`` and
``class``. ``docs/verdict.md`` has the formulas.
"""

from dataclasses import dataclass
from hashlib import sha256
from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from vestige.attacks.outputs.outputs import Outputs

Floats = NDArray[np.float64]


def digest(label: int, logits: Floats) -> bytes:
    """Of a row's content: the original's logit of the label, then all of them in order."""
    row = np.float32(logits)
    return sha256(np.array([row[label], *sorted(row)], np.float32).tobytes()).digest()


def calibration(outputs: Outputs, rows: NDArray[np.int64], share: float) -> list[int]:
    """Of every class the share of unseen rows with the smallest digests."""
    assert outputs.original is not None
    chosen: list[int] = []
    for label in sorted(set(outputs.labels[rows].tolist())):
        unseen = [i for i in rows if outputs.labels[i] == label and outputs.role[i] == "unseen"]
        unseen.sort(key=lambda i: digest(label, outputs.original[i]))  # type: ignore[index]
        chosen += unseen[: min(max(round(share * len(unseen)), 1), len(unseen) - 1)] if unseen else []
    return chosen


def level(logits: Floats) -> float:
    """Median over rows and classes of the distance from the row's median."""
    return float(np.median([abs(value - np.median(row)) for row in logits for value in row]))


def phi_of(logits: Floats, labels: list[int]) -> Floats:
    """z_y - logsumexp(others)."""
    return np.array(
        [
            row[y] - np.logaddexp.reduce([value for c, value in enumerate(row) if c != y])
            for row, y in zip(logits, labels, strict=True)
        ]
    )


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x))."""
    return np.asarray(1 / (1 + np.exp(-x)))


def aligned(own: Floats, references: Floats, scale_own: Floats, scale_references: Floats) -> Floats:
    """phi on the references' scale."""
    mean = scale_references.mean(0)
    low, high = np.quantile(mean, [0.01, 0.99])
    inside = [i for i in range(len(mean)) if low <= mean[i] <= high]
    x, y = mean[inside], scale_own[inside]
    between = np.mean([np.var(scale_references[:, i], ddof=1) for i in range(len(mean))]) / len(references)
    b = float(np.cov(x, y, ddof=0)[0, 1] / np.var(x)) / max(1 - between / np.var(x), 0.3)
    return np.asarray((own - (y.mean() - b * x.mean())) / b)


def auc(first: Floats, second: Floats) -> float:
    """Probability that a value of the first is larger; ties count half."""
    return float(np.mean([np.mean(value > second) + np.mean(value == second) / 2 for value in first]))


def places(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Placement of every value among those of the other side."""
    return (
        np.array([np.mean(value > second) + np.mean(value == second) / 2 for value in first]),
        np.array([np.mean(first > value) + np.mean(first == value) / 2 for value in second]),
    )


@dataclass
class Number:
    """An endpoint: values of the retrains and the candidate, example error, c squared, floor of s."""

    retrains: list[float]
    candidate: float
    e: float
    factor: float
    floor: float = 0.0

    @property
    def gap(self) -> float:
        """Candidate minus mean of the retrains."""
        return self.candidate - float(np.mean(self.retrains))

    def interval(self, alpha: float, d0: float = 1.0) -> tuple[float, float]:
        """v = (d0 e^2 + (K - 1) c^2 s^2) / (d0 + K - 1)."""
        k = len(self.retrains)
        s = max(float(np.std(self.retrains, ddof=1)), self.floor)
        v = (d0 * self.e**2 + (k - 1) * self.factor * s**2) / (d0 + k - 1)
        half = float(stats.t.ppf(1 - alpha, d0 + k - 1)) * sqrt(v)
        return self.gap - half, self.gap + half


def numbers(outputs: Outputs, fpr: float, of_class: bool = False, share: float = 0.2) -> dict[str, Number]:
    """Every endpoint by name."""
    k, labels = len(outputs.retrain), outputs.labels
    forgotten = set(labels[outputs.role == "forget"].tolist())
    judged = np.array(
        [
            i
            for i in range(len(labels))
            if outputs.role[i] == "forget" or (outputs.role[i] == "unseen" and (not of_class or labels[i] in forgotten))
        ]
    )
    cal = calibration(outputs, judged, share)
    retain = [i for i in range(len(labels)) if outputs.role[i] == "retain"]
    on_scale = retain if of_class else cal
    raw = [np.float64(model) for model in [*outputs.retrain, outputs.candidate]]
    levels = [level(model[on_scale]) for model in raw]
    common = float(np.exp(np.mean(np.log(levels[:k]))))
    models = [model * common / own for model, own in zip(raw, levels, strict=True)]
    phi = [phi_of(model, labels.tolist()) for model in models]
    members = [i for i in judged if outputs.role[i] == "forget"]
    evaluation = [i for i in judged if outputs.role[i] == "unseen" and i not in set(cal)]
    f, u, c = len(members), len(evaluation), len(cal)
    m_scores, r_scores, usual, distances = [], [], [], []
    others = []
    for model in models:
        rest = np.array([np.delete(row, y) for row, y in zip(model, labels, strict=True)])
        rest -= rest.mean(1, keepdims=True)
        others.append(rest / sqrt(float(np.mean(rest[on_scale] ** 2))))
    for j in range(k + 1):
        refs = [i for i in range(k) if i != j]
        of_refs = np.array([phi[i] for i in refs])
        mapped = aligned(phi[j], of_refs, phi[j][on_scale], of_refs[:, on_scale])
        mu = of_refs.mean(0)
        m = np.log(sigmoid(mapped)) - 0.75 * np.log(sigmoid(of_refs).mean(0))
        r = mapped - mu
        centre_m, centre_r = np.zeros(len(labels)), np.zeros(len(labels))
        for i in judged:
            own = [q for q in cal if labels[q] == labels[i]]
            own = own if len(own) >= 20 else cal
            centre_m[i], centre_r[i] = np.median(m[own]), np.median(r[own])
        m_scores.append(m - centre_m)
        r_scores.append(r - centre_r)
        usual.append(mu)
        distances.append(np.sqrt(((others[j] - np.mean([others[i] for i in refs], axis=0)) ** 2).sum(1)))
    right = [np.array([model[i].argmax() == labels[i] for i in range(len(labels))], float) for model in models]
    e0 = sqrt((f + u + 1) / (12 * f * u))

    def paired(scores: list[Floats], factor: float) -> Number:
        sides = [places(s[members], s[evaluation]) for s in scores]
        v10 = sides[k][0] - np.mean([side[0] for side in sides[:k]], axis=0)
        v01 = sides[k][1] - np.mean([side[1] for side in sides[:k]], axis=0)
        e = max(e0 / 2, sqrt(float(np.var(v10, ddof=1)) / f + float(np.var(v01, ddof=1)) / u))
        return number([auc(s[members], s[evaluation]) for s in scores], e, factor)

    def number(values: list[float], e: float, factor: float, floor: float = 0.0) -> Number:
        return Number(values[:k], values[k], e, factor, floor)

    found = {"M": paired(m_scores, 1.0), "S": paired([np.abs(r) for r in r_scores], 1 + 2 / k)}
    rates = []
    for r in r_scores:
        threshold = sorted(r[cal])[int(np.ceil((1 - fpr) * c - 1e-9)) - 1]
        rates.append(float(np.mean(r[members] > threshold)))
    rate = 1 - np.ceil((1 - fpr) * c - 1e-9) / (c + 1)
    top = max(rate, rates[k], float(np.mean(rates[:k])))
    found["T"] = number(rates, sqrt(top * (1 - top) / f + rate * (1 - rate) / c), 1 + 2 / k, 1 / f)
    parts = [members] if of_class else [members, evaluation]
    accuracies = [
        float(model[members].mean()) - (0.0 if of_class else float(model[evaluation].mean())) for model in right
    ]
    squares = [
        float(np.var(right[k][part] - np.mean([model[part] for model in right[:k]], axis=0), ddof=1)) / len(part)
        for part in parts
    ]
    found["L"] = number(accuracies, max(sqrt(sum(squares)), 1 / f), 1 + 2 / k, 1 / f)
    found["V"] = number([auc(-d[members], -d[evaluation]) for d in distances], e0, 1 + 2 / k)
    shapes = []
    for j in range(k + 1):
        edges = np.quantile(r_scores[j][evaluation], np.arange(1, 20) / 20)
        bins = [
            np.histogram(r_scores[j][part], [-np.inf, *edges, np.inf])[0] / len(part) for part in (members, evaluation)
        ]
        variation = float(np.abs(bins[0] - bins[1]).sum()) / 2
        ties, n = [], min(f, u)
        spread = float(np.subtract(*np.quantile(phi[j][evaluation], [0.75, 0.25])))
        for part in (members, evaluation):
            ties.append(followed(np.sort(phi[j][part]).tolist(), n, 0.25 / n * spread))
        shapes.append(max(variation, abs(ties[0] - ties[1])))
    found["D"] = number(shapes, 0.35 * sqrt(1 / f + 1 / u), 1 + 2 / k)
    if not of_class:
        quarter = []
        for j in range(k + 1):
            edge = np.quantile(usual[j][cal], 0.25)
            hard = [[i for i in part if usual[j][i] < edge] for part in (members, evaluation)]
            quarter.append((auc(m_scores[j][hard[0]], m_scores[j][hard[1]]), len(hard[0]), len(hard[1])))
        a, b = quarter[k][1:]
        found["G"] = number([q[0] for q in quarter], sqrt((a + b + 1) / (12 * a * b)), 1.0)
    else:
        (label,) = forgotten
        of_label = [i for i in range(len(labels)) if labels[i] == label]
        recognised = []
        for model in models:
            own = phi_of(model, [label] * len(labels))
            value = auc(own[of_label], own[retain])
            recognised.append(max(value, 1 - value))
        a, b = len(of_label), len(retain)
        found["B"] = number(recognised, sqrt((a + b + 1) / (12 * a * b)), 1 + 2 / k)
    return found


def followed(values: list[float], n: int, distance: float) -> float:
    """Share of a random n of the sorted values whose next one among the n is nearer than ``distance``."""
    share, p = 0.0, n / len(values)
    for lag in range(1, len(values)):
        weight = p * (1 - p) ** (lag - 1)
        if weight <= 1e-4:
            break
        near = [values[i + lag] - values[i] < distance for i in range(len(values) - lag)]
        share += weight * sum(near) / len(near)
    return share


def chance_of_shape(forget: int, unseen: int) -> float:
    """What D is by chance, over 20 bins."""
    return 10 * sqrt(2 / pi) * sqrt(0.05 * 0.95 * (1 / forget + 1 / unseen))


def holm(p_values: list[float], weights: list[float]) -> list[float]:
    """The largest alpha-free adjusted values, by the definition: the smallest level at which each is rejected."""
    adjusted, left, so_far = [0.0] * len(p_values), set(range(len(p_values))), 0.0
    while left:
        first = min(left, key=lambda i: (p_values[i] / weights[i], i))
        so_far = max(so_far, p_values[first] / weights[first] * sum(weights[i] for i in left))
        adjusted[first] = min(1.0, so_far)
        left.remove(first)
    return adjusted
