"""All logits of a predictor, checked batch by batch."""

import numpy as np

from vestige.learners.arrays import Array
from vestige.learners.errors import ConfigError, DataError, VestigeError
from vestige.learners.external.predictors import Predictor, as_array
from vestige.learners.files.scratch import scratch_array
from vestige.learners.files.untrusted import reason
from vestige.learners.progress import Progress

ALONE = 3
"""Rows whose logits are computed a second time, each by itself."""

_NOISE = 2e-2
"""Largest difference between a row alone and in its batch, as a share of the largest of the compared logits. Sums in
another order cost some ten units in the last place for each layer (bfloat16: up to one per cent); a model that looks at
its neighbours differs by a tenth and more."""

_MOST_CLASSES = 65_536


def infer(predictor: Predictor, inputs: Array, *, batch_size: int = 512, progress: Progress | None = None) -> Array:
    """Logits ``[n, classes]`` for ``inputs [n, ...]``, float64 where the model gives those, else float32.

    Lies in a ``scratch_array``. progress: called with rows done and rows in all. Raises DataError where the model fails
    or gives something other than one finite row a row, always of as many classes, and where the logits of a row depend
    on the batch: those of the first rows are computed again, each alone.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size: expected 1 or more, got {batch_size}")
    if len(inputs) == 0:
        raise DataError("expected inputs for the model, got none")
    logits: Array | None = None
    for start in range(0, len(inputs), batch_size):
        stop = min(start + batch_size, len(inputs))
        values = _logits(predictor, inputs[start:stop], start, logits)
        if logits is None:
            _check_alone(predictor, inputs, values)
            logits = scratch_array((len(inputs), values.shape[1]), np.float64 if values.itemsize == 8 else np.float32)
        logits[start:stop] = values
        if progress is not None:
            progress(stop, len(inputs))
    assert logits is not None
    return logits


def _logits(predictor: Predictor, rows: Array, start: int, earlier: Array | None) -> Array:
    where = f"rows {start}..{start + len(rows) - 1}" if len(rows) > 1 else f"row {start}"
    try:
        values = as_array(predictor(rows))
    except VestigeError:
        raise
    except Exception as error:  # the model is the user's own, and may raise anything
        raise DataError(
            f"the model failed on {where} (input {rows.dtype} {list(rows.shape)}): {type(error).__name__}: "
            f"{reason(error)}; check the preprocessing"
        ) from error
    if values.ndim != 2 or len(values) != len(rows) or not 2 <= values.shape[1] <= _MOST_CLASSES:
        raise DataError(
            f"the model: expected logits of shape [{len(rows)}, classes] with 2 classes or more for {where}, "
            f"got {list(values.shape)}; return one row of logits for each input"
        )
    if values.dtype.kind != "f":
        raise DataError(f"the model: expected floating-point logits, got {values.dtype}; return logits, not labels")
    if earlier is not None and values.shape[1] != earlier.shape[1]:
        raise DataError(f"the model: expected {earlier.shape[1]} classes as before, got {values.shape[1]} for {where}")
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise DataError(
            f"the model: expected finite logits, got {bad} NaN or infinite of {values.size} values for {where}; "
            "look at the preprocessing, the weights, or the precision"
        )
    return values


def _check_alone(predictor: Predictor, inputs: Array, together: Array) -> None:
    rows = min(ALONE, len(together))
    try:
        alone = np.concatenate([_logits(predictor, inputs[row : row + 1], row, together) for row in range(rows)])
    except DataError as error:
        raise DataError(f"a model must give the same logits for a row alone as in a batch; {error}") from error
    scale = max(float(np.abs(together[:rows].astype(np.float64)).max()), 1e-30)
    difference = float(np.abs(alone.astype(np.float64) - together[:rows]).max())
    if difference > _NOISE * scale:
        raise DataError(
            f"the model: expected logits that do not depend on the batch, got a difference of {difference:.3g} between "
            f"rows 0..{rows - 1} alone and in a batch of {len(together)} (largest logit {scale:.3g}); "
            "put it into eval mode: batch normalisation or dropout is on"
        )
