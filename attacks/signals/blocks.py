"""Large tables of logits a few rows at a time: nothing here needs memory for more than a block of them."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from vestige.attacks.signals.prepared import Prepared
from vestige.attacks.signals.signals import SIGNALS
from vestige.learners.arrays import Array, Floats, Labels, Logits
from vestige.learners.engine.jobs import available_workers

BLOCK = 2**20
"""Numbers in a block: 8 MiB as float64, which stays near the processor while every signal reads it."""
MOST_THREADS = 8
"""Each holds some ten tables of a block's size."""
FOR_THREADS = 2**24
"""Least numbers for which threads are worth it; fewer take a second, and other processes may be at work."""


def row_slices(shape: tuple[int, ...], block: int = BLOCK) -> list[slice]:
    """Slices that divide the rows of ``[..., n, classes]`` into blocks of about equal size, each of at most ``block``
    numbers of one model (or one row)."""
    rows, classes = shape[-2:]
    count = max(1, -(-rows // max(1, block // max(1, classes))))
    edges = np.linspace(0, rows, count + 1).astype(np.int64).tolist()
    return [slice(low, high) for low, high in zip(edges[:-1], edges[1:], strict=True)]


def blocks(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Views ``[m, classes]`` that together are ``values [n, classes]`` or ``[models, n, classes]``."""
    for model in values if values.ndim > 2 else (values,):
        for rows in row_slices(model.shape):
            yield model[rows]


def signal_tables(
    models: Sequence[Logits], labels: Labels, names: Sequence[str]
) -> dict[str, Float64[Array, "models n"]]:
    """Signals by name, of logits ``[n, classes]`` each; every block is read once for all of them."""
    tables: dict[str, Floats] = {name: np.empty((len(models), len(labels))) for name in names}

    def fill(place: int, rows: slice) -> None:
        prepared = Prepared.of(models[place][rows], labels[rows])
        for name, table in tables.items():
            table[place, rows] = SIGNALS[name].of(prepared)

    _on_threads(fill, models)
    return tables


def predictions_of(models: Sequence[Logits]) -> Int64[Array, "models n"]:
    """The class with the largest logit, of equal ones the first, of logits ``[n, classes]`` each."""
    predictions = np.empty((len(models), len(models[0])), np.int64)

    def fill(place: int, rows: slice) -> None:
        block = models[place][rows]
        # The processor compares halves one by one: converting them costs less.
        predictions[place, rows] = (block.astype(np.float32) if block.dtype == np.float16 else block).argmax(axis=1)

    _on_threads(fill, models)
    return predictions


def _on_threads(work: Callable[[int, slice], None], models: Sequence[Logits]) -> None:
    """``work(place, rows)`` for every block; the result cannot depend on the order, since each fills its own place."""
    jobs = [(place, rows) for place, logits in enumerate(models) for rows in row_slices(logits.shape)]
    workers = min(available_workers(), MOST_THREADS, len(jobs))
    if workers < 2 or sum(logits.size for logits in models) < FOR_THREADS:
        for place, rows in jobs:
            work(place, rows)
        return
    with ThreadPoolExecutor(workers) as pool:  # NumPy releases the interpreter while it computes
        for _ in pool.map(work, *zip(*jobs, strict=True)):
            pass


def equal(first: Logits, second: Logits) -> bool:
    """Whether two models' logits ``[n, classes]`` are the same numbers; ends at the first block that differs."""
    return first.shape == second.shape and all(
        np.array_equal(first[rows], second[rows]) for rows in row_slices(first.shape)
    )
