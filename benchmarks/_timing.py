"""Medians of interleaved runs: both sides warmed up, measured turn by turn in one process, one intra-op thread."""

import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np
import torch


def medians(
    sides: Mapping[str, Callable[[], object]], repeats: int = 5, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Median seconds of each side over ``repeats`` rounds, after one warm-up round. clock: ``time.process_time`` for
    work of one thread on a machine with neighbours."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(repeats + 1):
        for name, run in sides.items():
            started = clock()
            run()
            if turn:
                times[name].append(clock() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def matmul_flops(size: int = 768) -> float:
    """FLOP/s of a float32 matrix product on one thread: the floor under training."""
    a = torch.randn(size, size)
    return 2 * size**3 / medians({"product": lambda: a @ a})["product"]


def bandwidth(megabytes: int = 256) -> float:
    """Bytes read per second on one thread (a sum over a large array): the floor under scoring."""
    values = np.ones(megabytes * 2**20 // 8)
    return float(values.nbytes / medians({"sum": values.sum})["sum"])


def table(title: str, rows: list[tuple[str, ...]]) -> None:
    """Print rows under a title, columns aligned."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    print(f"\n{title}")
    for row in rows:
        print("  " + "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
