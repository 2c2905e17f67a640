"""Which unseen rows serve for thresholds and centring only: chosen by what the rows hold, not by where they stand."""

from collections.abc import Iterable
from hashlib import sha256

import numpy as np
from jaxtyping import Shaped

from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.signals.blocks import row_slices
from vestige.learners.arrays import Array, Indices, Labels, Logits, Mask

Digests = Shaped[Array, " n"]
"""SHA-256 of each row, as bytes."""


def row_digests(outputs: Outputs, rows: Indices) -> Digests:
    """A digest of each of the ``rows``: of its ``id`` where there are ids, else of the original's logits (without an
    original the first retrain's), sorted, with the label's among them; without any of these of the row's number.

    Never of the candidate's outputs: it could choose its own calibration rows."""
    if outputs.id is not None:
        return digests_of(name.encode() for name in outputs.id[rows])
    model = outputs.original if outputs.original is not None else next(iter(outputs.retrain), None)
    if model is None:
        return digests_of(int(row).to_bytes(8, "little") for row in rows)
    blocks = row_slices((len(rows), outputs.classes))
    return np.concatenate([_of_logits(model, outputs.labels, rows[block]) for block in blocks])


def _of_logits(model: Logits, labels: Labels, rows: Indices) -> Digests:
    logits = np.asarray(model[rows], np.float32)
    own = np.take_along_axis(logits, labels[rows, None], axis=1)
    content = np.concatenate([own, np.sort(logits, axis=1)], axis=1) + np.float32(0)  # -0.0 and 0.0 are one number
    return digests_of(row.tobytes() for row in content)


def digests_of(contents: Iterable[bytes]) -> Digests:
    """SHA-256 of each."""
    return np.array([sha256(content).digest() for content in contents], dtype="S32")


def calibration_rows(digests: Digests, keys: Shaped[Array, " n"], unseen: Mask, share: float) -> Mask:
    """Which of the ``unseen`` rows calibrate: of each of the ``keys`` (classes) the ``share`` with the smallest
    ``digests``.

    A class with at least two different unseen rows gives at least one and keeps at least one. Rows with the same digest
    stand or fall together. Where that leaves nothing on one of the sides, one row calibrates."""
    chosen = np.zeros(len(keys), np.bool_)
    for key in np.unique(keys[unseen]):
        rows = np.flatnonzero(unseen & (keys == key))
        chosen[_smallest(digests, rows, min(max(round(share * len(rows)), 1), len(rows) - 1))] = True
    if not chosen.any() or not (unseen & ~chosen).any():
        rows = np.flatnonzero(unseen)
        chosen[:] = False
        chosen[rows[np.argmin(digests[rows])]] = True
    return chosen


def _smallest(digests: Digests, rows: Indices, take: int) -> Indices:
    """The ``take`` rows with the smallest digests; fewer where the last would be parted from its equals."""
    ranked = rows[np.argsort(digests[rows], kind="stable")]
    while 0 < take < len(ranked) and digests[ranked[take - 1]] == digests[ranked[take]]:
        take -= 1
    return ranked[:take]
