"""Outputs of models that are Python objects: networks, estimators, functions from inputs to logits."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vestige.attacks.outputs import checks
from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.outputs.tables.places import put
from vestige.learners.errors import DataError
from vestige.learners.external.inference import infer
from vestige.learners.external.predictors import as_predictor

Model = TypeVar("Model")
Watch = Callable[[str, int, int], None]


def collect_outputs(
    inputs: NDArray[Any],
    labels: ArrayLike,
    role: ArrayLike,
    *,
    candidate: object,
    retrains: Sequence[object] = (),
    original: object | None = None,
    shadows: Sequence[object] = (),
    group: ArrayLike | None = None,
    subject: ArrayLike | None = None,
    ids: ArrayLike | None = None,
    probabilities: bool = False,
    batch_size: int = 512,
    watch: Watch | None = None,
) -> Outputs:
    """The outputs of every model on every example.

    inputs ``[n, ...]``: as the models take them, images or rows of a table. labels ``[n]``: whole numbers from 0. role
    ``[n]``: forget, unseen or retain. The models: a ``torch.nn.Module`` (in eval mode), a fitted scikit-learn
    classifier, or any function from a batch of inputs to logits ``[m, classes]``. candidate: the model after
    unlearning. original: before it. retrains: trained without the forget examples. shadows: without forget and unseen.
    group, subject, ids ``[n]``: as in ``Outputs``. probabilities: functions give softmax outputs (of estimators vestige
    takes decision values or log-probabilities itself, so leave it off). watch: called with (model, done, total).
    DataError where a model fails, gives something that is no logits, or depends on the batch.
    """
    truth = np.asarray(labels)
    if len(inputs) != len(truth):
        raise DataError(f"expected a label for each input, got {len(inputs)} inputs and {len(truth)} labels")
    classes = int(truth.max()) + 1 if truth.dtype.kind in "iu" and len(truth) else None

    def predict(model: object, name: str) -> NDArray[Any]:
        progress = None if watch is None else lambda done, total: watch(f"predictions of {name}", done, total)
        try:
            return infer(as_predictor(model, classes=classes), inputs, batch_size=batch_size, progress=progress)
        except DataError as error:
            raise DataError(f"{name}: {error}") from error

    arrays = stack_logits(predict, candidate=candidate, retrains=retrains, original=original, shadows=shadows)
    texts = {"group": group, "subject": subject, "id": ids}
    arrays |= {name: np.asarray(values) for name, values in texts.items() if values is not None}
    arrays |= {"labels": truth, "role": np.asarray(role)}
    if not probabilities:
        checks.check_not_probabilities(arrays)
    return Outputs.from_arrays(arrays, probabilities=probabilities, without_retrains=True)


def stack_logits(
    predict: Callable[[Model, str], NDArray[Any]],
    *,
    candidate: Model,
    retrains: Sequence[Model],
    original: Model | None,
    shadows: Sequence[Model] = (),
) -> dict[str, NDArray[Any]]:
    """The arrays of ``Outputs`` by name, one model after the other.

    predict: gives the logits ``[n, classes]`` of a model; its second argument is what the model is called."""
    arrays = {"candidate": predict(candidate, "candidate")}
    if original is not None:
        arrays["original"] = _alike("original", predict(original, "original"), arrays["candidate"].shape)
    for kind, models in (("retrain", retrains), ("shadow", shadows)):
        stack: NDArray[Any] | None = None
        for place, model in enumerate(models):
            name = f"{kind} {place + 1}"
            logits = _alike(name, predict(model, name), arrays["candidate"].shape)
            stack = put(stack, place, len(models), logits)
        if stack is not None:
            arrays[kind] = stack
    return arrays


def _alike(name: str, logits: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if logits.shape != shape:
        raise DataError(
            f"{name}: expected logits {list(shape)} like the candidate's, got {list(logits.shape)}; "
            "the models must have the same classes"
        )
    return logits
