"""What is read of every model's logits, once: phi, right answers, the other classes' outputs, a forgotten class."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy.typing import NDArray

from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.signals.blocks import row_slices
from vestige.attacks.signals.signals import logit
from vestige.audit.endpoints.calibration import calibration_rows, digests_of, row_digests
from vestige.audit.endpoints.people import People
from vestige.audit.endpoints.scale import levels
from vestige.audit.results.setting import Setting
from vestige.learners.arrays import Array, Floats, Indices, Labels, Logits, Mask
from vestige.learners.errors import DataError


@dataclass(frozen=True, eq=False)
class ForgottenClass:
    """How models answer for one class that was forgotten. phi of that class on the class's own rows (forget, then
    unseen), ``members [models, m]``, and on retain rows, ``retain [models, r]``. deviations ``[models, 4]``: standard
    deviation of the class's logit over its rows: as it is, and relative to the mean, the largest and the logsumexp of
    the row's other logits. A constant in any of these ways is a mask."""

    label: int
    forget: int
    members: Float64[Array, "models m"]
    retain: Float64[Array, "models r"]
    own_members: Float64[Array, "models m"]
    own_retain: Float64[Array, "models r"]
    deviations: Float64[Array, "models ways"]

    def take(self, models: Sequence[int]) -> "ForgottenClass":
        """The same of some of the models."""
        tables = (self.members, self.retain, self.own_members, self.own_retain, self.deviations)
        return ForgottenClass(self.label, self.forget, *(table[list(models)] for table in tables))


@dataclass(frozen=True, eq=False)
class Readings:
    """n rows that are judged (forget and unseen; of a forgotten class its unseen rows alone), of every model.

    retrains: K; models are the retrains, the candidate, the original if there is one. calibration: unseen rows for
    thresholds and centring. phi: on the common scale. scale_phi, retain_phi: on the rows that the scale is taken from,
    and on retain rows. right: correct answers. gram: for every row the products of the other classes' outputs of two
    models, None for two classes; source: which of its models each model's row is taken from. group, people: None where
    there are none. people_apart: whose forget rows are somebody's of whom no other role has any. classless: outputs are
    one score each, written as logits [score, 0]. classes: of the class setting. level ``[models]``: what logits were
    divided by, in units of the retrains'.
    """

    setting: Setting
    retrains: int
    labels: Labels
    forget: Bool[Array, " n"]
    calibration: Bool[Array, " n"]
    phi: Float64[Array, "models n"]
    scale_phi: Float64[Array, "models s"]
    retain_phi: Float64[Array, "models r"]
    right: Bool[Array, "models n"]
    source: Int64[Array, "models n"]
    level: Float64[Array, " models"]
    gram: Float64[Array, "n real real"] | None = None
    group: NDArray[np.str_] | None = None
    people: People | None = None
    people_apart: bool = False
    classless: bool = False
    classes: tuple[ForgottenClass, ...] = ()

    @property
    def has_original(self) -> bool:
        """Whether the last model is the original."""
        return len(self.phi) > self.retrains + 1

    def choose(self, retrains: Sequence[int], others: Sequence[int]) -> "Readings":
        """The same with these models as retrains, and these as candidate and original."""
        models = [*retrains, *others]
        tables = {
            name: getattr(self, name)[models] for name in ("phi", "scale_phi", "retain_phi", "right", "source", "level")
        }
        classes = tuple(of_class.take(models) for of_class in self.classes)
        return replace(self, retrains=len(retrains), classes=classes, **tables)

    def plant(self, model: int, leaks: Sequence[Indices]) -> "Readings":
        """The same with a model for each leak in the candidate's place, then the original: ``model`` itself, but on
        the rows of the leak, where it answers as the original does."""
        original, last = len(self.phi) - 1, list(range(self.retrains))
        planted = self.choose([k for k in last if k != model], [*[model] * len(leaks), original])
        for table, values in ((planted.phi, self.phi), (planted.right, self.right), (planted.source, self.source)):
            for row, leak in zip(table[planted.retrains :], leaks, strict=False):
                row[leak] = values[original, leak]
        return planted


def judged_rows(outputs: Outputs, setting: Setting) -> Indices:
    """The forget and unseen rows that are compared: in the class setting unseen rows of the forgotten classes alone."""
    forget, unseen = outputs.where("forget"), outputs.where("unseen")
    if setting.of_class:
        unseen = unseen & np.isin(outputs.labels, outputs.labels[forget])
    return np.flatnonzero(forget | unseen)


def people_of(outputs: Outputs, rows: Indices) -> People | None:
    """The people of these rows; None where nobody has several of them."""
    subjects = None if outputs.subject is None else outputs.subject[rows]
    return People.of(subjects, outputs.where("forget")[rows], outputs.labels[rows])


def calibration_of(outputs: Outputs, rows: Indices, share: float) -> Mask:
    """Which of the ``rows`` calibrate: unseen rows class by class, or all rows of a person where people are judged."""
    people, unseen = people_of(outputs, rows), outputs.where("unseen")[rows]
    if people is None:
        return calibration_rows(row_digests(outputs, rows), outputs.labels[rows], unseen, share)
    assert outputs.subject is not None
    names = digests_of(name.encode() for name in outputs.subject[rows][people.first])
    return calibration_rows(names, np.zeros(len(names)), unseen[people.first], share)[people.unit]


def read(outputs: Outputs, setting: Setting, kept: Sequence[int], share: float) -> Readings:
    """Everything that the endpoints are made of. kept: places of the retrains that serve as reference; share: of the
    unseen rows that calibrate. DataError for a model that answers every row alike."""
    k = len(outputs.retrain)
    places = [*kept, *range(k, len(outputs.models))]
    models = [outputs.models[place] for place in places]
    names = [*(f"retrain {place + 1}" for place in kept), "candidate", "original"][: len(models)]
    rows = judged_rows(outputs, setting)
    if not outputs.where("unseen")[rows].sum() > 1:
        raise DataError(
            "role: expected at least 2 unseen rows of the forgotten classes, got fewer; give the audit unseen examples "
            "of these classes"
        )
    calibration, retain = calibration_of(outputs, rows, share), np.flatnonzero(outputs.where("retain"))
    on_scale = retain if setting.of_class and len(retain) else rows[calibration]
    level = levels(models, on_scale, names)
    usual = level[: len(kept)] if len(kept) else level[-1:]
    level = level / np.exp(np.log(usual).mean())
    labels = outputs.labels
    tables = _tables(models, level, labels, rows, on_scale)
    return Readings(
        setting=setting,
        retrains=len(kept),
        labels=labels[rows],
        forget=outputs.where("forget")[rows],
        calibration=calibration,
        phi=tables.phi,
        scale_phi=_phi(models, level, labels, on_scale),
        retain_phi=_phi(models, level, labels, retain),
        right=tables.right,
        source=np.repeat(np.arange(len(models))[:, None], len(rows), axis=1),
        level=level,
        gram=tables.gram,
        group=None if outputs.group is None else outputs.group[rows],
        people=people_of(outputs, rows),
        people_apart=_apart(outputs),
        classless=is_classless(outputs),
        classes=tuple(_forgotten(models, level, outputs, retain)) if setting.of_class else (),
    )


def is_classless(outputs: Outputs) -> bool:
    """Whether the outputs are scores and no classes: the logits of every model are [score, 0], the label is the
    first."""
    return (
        outputs.classes == 2 and not outputs.labels.any() and not any(np.any(model[:, 1]) for model in outputs.models)
    )


def _apart(outputs: Outputs) -> bool:
    if outputs.subject is None:
        return False
    forget = outputs.where("forget")
    return not np.isin(outputs.subject[forget], outputs.subject[~forget]).any()


@dataclass(frozen=True, eq=False)
class _Tables:
    phi: Floats
    right: Mask
    gram: Floats | None


def _scaled(models: Sequence[Logits], level: Floats, rows: Indices) -> Floats:
    """Logits ``[models, m, classes]`` of these rows on the common scale."""
    return np.stack([np.asarray(logits[rows], np.float64) / own for logits, own in zip(models, level, strict=True)])


def _phi(models: Sequence[Logits], level: Floats, labels: Labels, rows: Indices) -> Floats:
    phi = np.empty((len(models), len(rows)))
    for block in row_slices((len(rows), models[0].shape[1])):
        phi[:, block] = logit(_scaled(models, level, rows[block]), labels[rows[block]])
    return phi


def _tables(models: Sequence[Logits], level: Floats, labels: Labels, rows: Indices, on_scale: Indices) -> _Tables:
    n, classes = len(rows), models[0].shape[1]
    phi, right = np.empty((len(models), n)), np.empty((len(models), n), np.bool_)
    gram = np.empty((n, len(models), len(models))) if classes > 2 else None
    for block in row_slices((n, classes)):
        logits, own = _scaled(models, level, rows[block]), labels[rows[block]]
        phi[:, block], right[:, block] = logit(logits, own), logits.argmax(axis=2) == own
        if gram is not None:
            others = _others(logits, own).transpose(1, 0, 2)
            gram[block] = others @ others.transpose(0, 2, 1)
    if gram is not None:
        sizes = _sizes(models, level, labels, on_scale)
        gram /= sizes[:, None] * sizes
    return _Tables(phi, right, gram)


def _others(logits: Floats, labels: Labels) -> Floats:
    """The logits ``[models, m, classes - 1]`` of all classes but the label's, less their mean."""
    models, rows, classes = logits.shape
    kept = np.arange(classes)[None, :] != labels[:, None]
    others = logits[:, kept].reshape(models, rows, classes - 1)
    return np.asarray(others - others.mean(axis=2, keepdims=True))


def _sizes(models: Sequence[Logits], level: Floats, labels: Labels, rows: Indices) -> Floats:
    """Root mean square ``[models]`` of what ``_others`` gives on these rows; 1 for a model where that is 0."""
    squares, blocks = np.zeros(len(models)), row_slices((len(rows), models[0].shape[1]))
    for block in blocks:
        others = _others(_scaled(models, level, rows[block]), labels[rows[block]])
        squares += (others**2).sum(axis=(1, 2))
    sizes = np.sqrt(squares / (len(rows) * (models[0].shape[1] - 1)))
    return np.where(sizes > 0, sizes, 1.0)


def _forgotten(models: Sequence[Logits], level: Floats, outputs: Outputs, retain: Indices) -> list[ForgottenClass]:
    found = []
    for label in np.unique(outputs.labels[outputs.where("forget")]).tolist():
        of_class = outputs.labels == label
        rows = [np.flatnonzero(of_class & outputs.where(role)) for role in ("forget", "unseen")]
        members = np.concatenate(rows)
        read = [
            _of_class(model, own, label, members, retain) for model, own in zip(models, level.tolist(), strict=True)
        ]
        found.append(ForgottenClass(label, len(rows[0]), *(np.stack(table) for table in zip(*read, strict=True))))
    return found


def _of_class(model: Logits, level: float, label: int, members: Indices, retain: Indices) -> tuple[Floats, ...]:
    """What ``ForgottenClass`` holds of one model: phi of the class on its rows and on retain rows, its logit less the
    mean of the others there, and the deviations."""
    phi, own = [], []
    for rows in (members, retain):
        logits = np.asarray(model[rows], np.float64) / level
        phi.append(logit(logits[None], np.full(len(rows), label))[0])
        own.append((logits[:, label] - logits.mean(axis=1)) * logits.shape[1] / (logits.shape[1] - 1))
    logits = np.asarray(model[members], np.float64) / level
    return *phi, *own, _deviations(logits[:, label], np.delete(logits, label, axis=1), phi[0])


def _deviations(own: Floats, rest: Floats, phi: Floats) -> Floats:
    """Standard deviations of the class's logit ``own [m]``, given what else the row's logits ``rest [m, classes - 1]``
    say: as it is, less their mean, phi itself, and what remains of it after a straight line of any other class's logit
    or of the largest, the second largest, ... of them."""
    fixed = [own.std(), (own - rest.mean(axis=1)).std(), phi.std()]
    if rest.shape[1] < 2:
        return np.array(fixed)  # of two classes one may well be minus the other
    others = np.concatenate([rest, np.sort(rest, axis=1)], axis=1)
    others -= others.mean(axis=0)
    centred, variances = own - own.mean(), (others**2).mean(axis=0)
    shared = (centred @ others / len(own)) ** 2 / np.where(variances > 0, variances, 1.0)
    return np.array([*fixed, *np.sqrt(np.maximum(own.var() - shared, 0.0))])
