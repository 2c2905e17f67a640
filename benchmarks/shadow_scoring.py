"""Scores from a shadow bank, vectorised against the same formulas in plain loops over examples.

    OMP_NUM_THREADS=1 python -m benchmarks.shadow_scoring

For 16, 64 and 256 models and 5,000 to 50,000 examples; processor seconds of one thread. The loops compute the same
numbers, floor of the variances included, which is checked first; they are timed on a part of the examples (and of the
targets) and scaled. The floor is the time in which memory alone hands over the values. Memory is the peak of what a
call allocates, its result included, over the size of its inputs.
"""

import time
import tracemalloc
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks._timing import bandwidth, medians, table
from vestige.attacks.scores.lira import lira
from vestige.attacks.scores.lira_bank import lira_leave_pair_out
from vestige.attacks.scores.rmia import population_share
from vestige.attacks.scores.rmia_shadows import rmia_shadows

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
SIZES = ((16, 5_000), (16, 50_000), (64, 5_000), (64, 50_000), (256, 5_000), (256, 50_000))
PART, PART_TARGETS, LARGEST_PAIRS = 200, 4, 5_000
FLOOR = 0.01


def bank(models: int, examples: int) -> tuple[NDArray[np.float32], Mask]:
    """Normal values, shifted where a model trained on the example; complementary pairs."""
    random = np.random.default_rng(0)
    half = random.random((models // 2, examples)) < 0.5
    member = np.stack([half, ~half], axis=1).reshape(models, examples)
    return (random.normal(0, 2, (models, examples)) + member).astype(np.float32), member


def least_variances(values: NDArray[np.float32], member: Mask) -> tuple[float, float]:
    """A hundredth of the pooled variance of either side, from all examples."""
    least = []
    for mask in (member, ~member):
        wide = values.astype(np.float64)
        count = mask.sum(0)
        mean = np.where(mask, wide, 0).sum(0) / count
        least.append(FLOOR * float((np.where(mask, (wide - mean) ** 2, 0).sum(0) / count).mean()))
    return least[0], least[1]


def lira_loop(
    target: Floats,
    values: Floats,
    member: Mask,
    least: tuple[float, float],
    centre: Callable[[Floats], np.floating],  # type: ignore[type-arg]
) -> Floats:
    """Online LiRA with a variance for each example, an example at a time, as the field's scripts do."""
    scores = []
    for i in range(len(target)):
        inside, outside = values[member[:, i], i], values[~member[:, i], i]
        scales = [np.sqrt(max(side.var(), low)) for side, low in zip((inside, outside), least, strict=True)]
        scores.append(
            norm.logpdf(target[i], centre(inside), scales[0]) - norm.logpdf(target[i], centre(outside), scales[1])
        )
    return np.array(scores)


def refit_loop(values: Floats, member: Mask, least: list[tuple[float, float]]) -> Floats:
    """The first models in turn as the target, refitted without their pair."""
    scores = []
    for target, low in enumerate(least):
        rest = np.arange(len(values)) // 2 != target // 2
        scores.append(lira_loop(values[target], values[rest], member[rest], low, np.mean))
    return np.stack(scores)


def rmia_matrix(target: Floats, values: Floats, member: Mask, population: Mask) -> Floats:
    """The outer comparison of likelihood ratios, offline with a = 0.3."""
    p, own = 1 / (1 + np.exp(-values)), 1 / (1 + np.exp(-target))
    out = np.where(member, 0, p).sum(0) / (~member).sum(0)
    return outer_share(own / (0.5 * (1.3 * out + 0.7)), population)


def outer_share(ratio: Floats, population: Mask) -> Floats:
    """Every ratio against every ratio of the population."""
    return np.asarray((ratio[:, None] > ratio[population][None]).mean(1))


def peak(run: Callable[[], object]) -> int:
    """Bytes at the peak of what a call allocates."""
    tracemalloc.start()
    run()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def compare(models: int, examples: int) -> list[tuple[str, dict[str, float]]]:
    """For each attack: seconds of both sides, of memory alone, and its peak over its inputs."""
    values, member = bank(models, examples)
    target = np.random.default_rng(1).normal(0, 2, (1, examples))
    wide, few = values[:, :PART].astype(np.float64), member[:, :PART]
    some, least = min(PART_TARGETS, models), least_variances(values, member)
    without = [np.arange(models) // 2 != one // 2 for one in range(some)]
    each = [least_variances(values[rest], member[rest]) for rest in without]
    asked = min(examples, LARGEST_PAIRS)
    calibration = (np.arange(examples) < asked) & (np.arange(examples) % 2 == 0)
    plain_ratio = values[:, :asked].astype(np.float64)
    ours: dict[str, Callable[[], NDArray[np.floating]]] = {  # type: ignore[type-arg]
        "LiRA, one target": lambda: lira(target, values, member, variance="per_example").scores[0],
        "LiRA with medians, one target": lambda: lira(
            target, values, member, variance="per_example", centre="median"
        ).scores[0],
        "LiRA, every target": lambda: lira_leave_pair_out(values, member, variance="per_example").scores,
        "RMIA, one target": lambda: rmia_shadows(target, values, member, calibration, form="offline")[0],
    }
    plain: dict[str, tuple[Callable[[], Floats], float]] = {
        "LiRA, one target": (lambda: lira_loop(target[0, :PART], wide, few, least, np.mean), examples / PART),
        "LiRA with medians, one target": (
            lambda: lira_loop(target[0, :PART], wide, few, least, np.median),
            examples / PART,
        ),
        "LiRA, every target": (lambda: refit_loop(wide, few, each), examples / PART * models / some),
        "RMIA, one target": (
            lambda: rmia_matrix(target[0, :asked], plain_ratio, member[:, :asked], calibration[:asked]),
            examples / asked,
        ),
    }
    for name, run in ours.items():
        found, expected = run(), plain[name][0]()
        part = found[:some, :PART] if found.ndim == 2 else found[: len(expected)]
        worst = float(np.abs(part - expected).max())
        allowed = 1 / calibration.sum() if name.startswith("RMIA") else 1e-5 * float(np.abs(expected).max())
        assert worst <= allowed, (name, worst)
    seconds = medians(
        ours | {f"{name}, plain": run for name, (run, _) in plain.items()}, repeats=3, clock=time.process_time
    )
    inputs = values.nbytes + member.nbytes
    return [
        (
            name,
            {
                "ours": seconds[name],
                "plain": seconds[f"{name}, plain"] * plain[name][1],
                "bytes": values.nbytes * (2 if name == "LiRA, every target" else 1),
                "memory": peak(run) / inputs,
            },
        )
        for name, run in ours.items()
    ]


def pairs_of_ratios(count: int = 10_000) -> tuple[str, ...]:
    """RMIA's comparison alone: every one of ``count`` ratios against as many of a population."""
    ratio = np.random.default_rng(2).lognormal(size=count)
    everyone = np.ones(count, bool)
    assert np.array_equal(population_share(ratio, ratio), outer_share(ratio, everyone))
    seconds = medians(
        {"ours": lambda: population_share(ratio, ratio), "plain": lambda: outer_share(ratio, everyone)},
        repeats=5,
        clock=time.process_time,
    )
    ours, plain = seconds["ours"], seconds["plain"]
    memory = [peak(run) / (2 * ratio.nbytes) for run in (lambda: population_share(ratio, ratio),)]
    cells = (1e3 * ours, 1e3 * plain, plain / ours, memory[0])
    return (f"{count:,} x {count:,}", *(f"{cell:,.2f}" for cell in cells))


def main() -> None:
    """Print for each attack and size: milliseconds of ours, of the plain form, their ratio, the floor, the memory."""
    rate = bandwidth()
    header = ("models", "examples", "ours ms", "plain ms", "ratio", "memory alone ms", "ours / memory", "peak / inputs")
    tables: dict[str, list[tuple[str, ...]]] = {}
    for models, examples in SIZES:
        for name, one in compare(models, examples):
            least = one["bytes"] / rate
            cells = (1e3 * one["ours"], 1e3 * one["plain"], one["plain"] / one["ours"], 1e3 * least)
            row = (str(models), f"{examples:,}", *(f"{cell:,.1f}" for cell in (*cells, one["ours"] / least)))
            tables.setdefault(name, [header]).append((*row, f"{one['memory']:.2f}"))
    for name, rows in tables.items():
        table(name, rows)
    head = ("ratios", "ours ms", "plain ms", "ratio", "peak / inputs")
    table("RMIA, the comparison of likelihood ratios alone", [head, pairs_of_ratios()])


if __name__ == "__main__":
    main()
