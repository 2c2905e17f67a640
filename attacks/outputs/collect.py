"""Outputs of models that somebody holds as Python objects: networks, estimators, functions from inputs to logits."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vestige.attacks.outputs import checks
from vestige.attacks.outputs.outputs import Outputs
from vestige.learners.errors import DataError
from vestige.learners.external.inference import infer
from vestige.learners.external.predictors import as_predictor
from vestige.learners.files.scratch import scratch_array

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
    """Ask every model about every example, and put the answers side by side.

    inputs ``[n, ...]``: as the models take them, images or rows of a table. labels ``[n]``: whole numbers from 0. role
    ``[n]``: forget, unseen or retain. The models: a ``torch.nn.Module`` (asked in eval mode), a fitted scikit-learn
    classifier, or any function from a batch of inputs to logits ``[m, classes]``. candidate: the model that was asked
    to forget. original: before that. retrains: trained without the forget examples. shadows: without forget and unseen.
    group, subject, ids ``[n]``: as in ``Outputs``. probabilities: functions give softmax outputs (of estimators vestige
    takes decision values or log-probabilities itself, so leave it off). watch: called with (model, done, total).
    DataError where a model fails, answers with something that are no logits, or depends on the batch.
    """
    given = np.asarray(labels)
    if len(inputs) != len(given):
        raise DataError(f"expected a label for each input, got {len(inputs)} inputs and {len(given)} labels")
    classes = int(given.max()) + 1 if given.dtype.kind in "iu" and len(given) else None

    def answer(model: object, name: str) -> NDArray[Any]:
        progress = None if watch is None else lambda done, total: watch(f"asking {name}", done, total)
        try:
            return infer(as_predictor(model, classes=classes), inputs, batch_size=batch_size, progress=progress)
        except DataError as error:
            raise DataError(f"{name}: {error}") from error

    arrays = stack_answers(answer, candidate=candidate, retrains=retrains, original=original, shadows=shadows)
    texts = {"group": group, "subject": subject, "id": ids}
    arrays |= {name: np.asarray(values) for name, values in texts.items() if values is not None}
    arrays |= {"labels": given, "role": np.asarray(role)}
    if not probabilities:
        for name in checks.LOGITS:
            if name in arrays:
                checks.check_not_probabilities(name, arrays[name])
    return Outputs.from_arrays(arrays, probabilities=probabilities, without_retrains=True)


def stack_answers(
    answer: Callable[[Model, str], NDArray[Any]],
    *,
    candidate: Model,
    retrains: Sequence[Model],
    original: Model | None,
    shadows: Sequence[Model] = (),
) -> dict[str, NDArray[Any]]:
    """The arrays of ``Outputs`` by name, one model after the other.

    answer: gives the logits ``[n, classes]`` of a model; its second argument is what the model is called."""
    arrays = {"candidate": answer(candidate, "candidate")}
    if original is not None:
        arrays["original"] = _alike("original", answer(original, "original"), arrays["candidate"].shape)
    for kind, models in (("retrain", retrains), ("shadow", shadows)):
        stack: NDArray[Any] | None = None
        for place, model in enumerate(models):
            name = f"{kind} {place + 1}"
            logits = _alike(name, answer(model, name), arrays["candidate"].shape)
            if stack is None:
                stack = scratch_array((len(models), *logits.shape), logits.dtype)
            elif logits.dtype.itemsize > stack.dtype.itemsize:  # float32 before, float64 now
                wider = scratch_array(stack.shape, logits.dtype)
                wider[:place] = stack[:place]
                stack = wider
            stack[place] = logits
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
