"""Scores from a shadow bank, vectorised against the same formulas in plain loops over examples.

    python -m benchmarks.shadow_scoring

For 16, 64 and 256 models and 5,000 to 50,000 examples. The loops compute the same numbers, which is checked first; they
are timed on a part of the examples (and of the targets) and scaled. The floor is the time in which memory alone hands
over the values.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from attacks import lira, lira_leave_pair_out, rmia_shadows
from benchmarks._timing import bandwidth, medians, table

Floats = NDArray[np.float64]
SIZES = ((16, 5_000), (16, 50_000), (64, 5_000), (64, 50_000), (256, 5_000), (256, 50_000))
PART, PART_TARGETS, LARGEST_PAIRS = 200, 4, 5_000


def bank(models: int, examples: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Normal values, shifted where a model trained on the example; complementary pairs."""
    random = np.random.default_rng(0)
    half = random.random((models // 2, examples)) < 0.5
    member = np.stack([half, ~half], axis=1).reshape(models, examples)
    return (random.normal(0, 2, (models, examples)) + member).astype(np.float32), member


def lira_loop(target: Floats, values: Floats, member: NDArray[np.bool_]) -> Floats:
    """Online LiRA with a variance for each example, an example at a time, as the field's scripts do."""
    scores = []
    for i in range(len(target)):
        inside, outside = values[member[:, i], i], values[~member[:, i], i]
        scores.append(
            norm.logpdf(target[i], inside.mean(), inside.std()) - norm.logpdf(target[i], outside.mean(), outside.std())
        )
    return np.array(scores)


def refit_loop(values: Floats, member: NDArray[np.bool_], targets: int) -> Floats:
    """Every model in turn as the target, refitted without its pair."""
    scores = []
    for target in range(targets):
        rest = np.arange(len(values)) // 2 != target // 2
        scores.append(lira_loop(values[target], values[rest], member[rest]))
    return np.stack(scores)


def rmia_matrix(target: Floats, values: Floats, member: NDArray[np.bool_], population: NDArray[np.int64]) -> Floats:
    """The outer comparison of likelihood ratios, offline with a = 0.3."""
    p, own = 1 / (1 + np.exp(-values)), 1 / (1 + np.exp(-target))
    out = np.where(member, 0, p).sum(0) / (~member).sum(0)
    ratio = own / (0.5 * (1.3 * out + 0.7))
    return np.asarray((ratio[:, None] > ratio[population][None]).mean(1))


def main() -> None:
    """Print for each size: milliseconds of ours, of the plain form, their ratio, and the floor."""
    rate = bandwidth()
    header = ("models", "examples", "ours ms", "plain ms", "ratio", "memory alone ms", "ours / memory")
    single, every, relative = [header], [header], [header]
    for models, examples in SIZES:
        values, member = bank(models, examples)
        target = np.random.default_rng(1).normal(0, 2, (1, examples))
        few, wide = slice(0, PART), values[:, :PART].astype(np.float64)
        some = min(PART_TARGETS, models)
        population = np.arange(min(examples, LARGEST_PAIRS)) % 2 == 0
        part = slice(0, len(population))
        calibration = np.zeros(examples, bool)
        calibration[part] = population

        def one(values=values, member=member, target=target):  # type: ignore[no-untyped-def]
            return lira(target, values, member, variance="per_example").scores[0]

        def all_targets(values=values, member=member):  # type: ignore[no-untyped-def]
            return lira_leave_pair_out(values, member, variance="per_example").scores

        def shares(values=values, member=member, target=target, calibration=calibration):  # type: ignore[no-untyped-def]
            return rmia_shadows(target, values, member, calibration, form="offline")[0]

        def one_plain(wide=wide, member=member, target=target):  # type: ignore[no-untyped-def]
            return lira_loop(target[0, :PART], wide, member[:, :PART])

        def all_plain(wide=wide, member=member, some=some):  # type: ignore[no-untyped-def]
            return refit_loop(wide, member[:, :PART], some)

        def shares_plain(values=values, member=member, target=target, part=part, population=population):  # type: ignore[no-untyped-def]
            return rmia_matrix(
                target[0, part], values[:, part].astype(float), member[:, part], np.flatnonzero(population)
            )

        # A deviation far below the pooled one is raised in ours; such examples are left out of the comparison.
        agree = np.isclose(one()[few], one_plain(), rtol=1e-6, atol=1e-6)
        assert agree.mean() > 0.97, agree.mean()
        assert np.isclose(all_targets()[:some, few], all_plain(), rtol=1e-6, atol=1e-6).mean() > 0.95
        assert np.abs(shares()[part] - shares_plain()).max() <= 2 / population.sum()
        seconds = medians(
            {
                "one": one,
                "one plain": one_plain,
                "all": all_targets,
                "all plain": all_plain,
                "rmia": shares,
                "rmia plain": shares_plain,
            }
        )
        floor = values.nbytes / rate
        scale = examples / PART
        cases = (
            (single, seconds["one"], seconds["one plain"] * scale, floor),
            (every, seconds["all"], seconds["all plain"] * scale * models / some, 2 * floor),
            (relative, seconds["rmia"], seconds["rmia plain"] * (examples / len(population)) ** 2, floor),
        )
        for rows, ours, plain, least in cases:
            cells = (1e3 * ours, 1e3 * plain, plain / ours, 1e3 * least, ours / least)
            rows.append((str(models), f"{examples:,}", *(f"{cell:,.1f}" for cell in cells)))
    table("LiRA online, one target", single)
    table("LiRA online, every model in turn as the target, its pair left out", every)
    table("RMIA offline, one target, half of the first 5,000 examples as population, plain form scaled", relative)


if __name__ == "__main__":
    main()
