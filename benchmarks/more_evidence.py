"""Does more evidence ever decide less? From K to K + 1 retrains, from n to 2n examples, from undeclared to declared.

    python -m benchmarks.more_evidence --worlds 200 > docs/results/more-evidence.md

Synthetic scores, the whole rule without controls, min_evidence C; the same worlds for every K and both settings. Honest
candidates should PASS no less with more evidence, a leak of 35 % of every memory should FAIL no less.
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import pairwise

import click
import numpy as np
from numpy.typing import NDArray

from vestige.audit.endpoints.setting import Declared, setting_of
from vestige.audit.endpoints.simulation import World, memorised
from vestige.audit.policy import Policy
from vestige.audit.verdict.evidence import gather
from vestige.audit.verdict.rule import decide

RETRAINS = tuple(range(11))
BASE = World(forget=500, unseen=2500, retain=500, retrains=RETRAINS[-1])
SIZES = (1, 2, 4)
"""Times 500 forget and 2,500 unseen examples."""
SETTINGS: tuple[tuple[Declared, float], ...] = (("chosen", 0.03), ("random", 0.0))
"""With the seed effect: a random draw has none."""
KINDS = (("honest", "PASS"), ("a leak", "FAIL"))
POLICY = Policy(min_evidence="C")


def outcomes(size: int, setting: tuple[Declared, float], seed: int) -> NDArray[np.bool_]:
    """Whether the outcome is the hoped for ``[kind, K]``."""
    name, effect = setting
    world = replace(BASE, forget=size * BASE.forget, unseen=size * BASE.unseen, seed_effect=effect)
    worlds = (world, replace(world, candidate=memorised(0.35 * 1.5)))
    found = np.zeros((len(KINDS), len(RETRAINS)), np.bool_)
    for kind, (made, (_, hoped)) in enumerate(zip(worlds, KINDS, strict=True)):
        outputs = made.draw(seed).outputs()
        for place, k in enumerate(RETRAINS):
            if k < 2 and name != "random":
                continue
            few = replace(outputs, retrain=outputs.retrain[:k])
            evidence = gather(few, setting_of(few, name), POLICY, plots=False)
            found[kind, place] = decide(evidence, POLICY).outcome == hoped
    return found


def fall(fewer: NDArray[np.bool_], more: NDArray[np.bool_]) -> tuple[int, float]:
    """By how many worlds the hoped for outcome falls, and that in standard errors of paired worlds (McNemar)."""
    lost, won = int((fewer & ~more).sum()), int((~fewer & more).sum())
    return lost - won, (lost - won) / np.sqrt(max(lost + won, 1))


def worst(falls: list[tuple[str, int, float]]) -> str:
    """The largest fall, in words."""
    step, count, z = max(falls, key=lambda each: each[2])
    return f"{step}: {count} ({z:+.1f} se)" if count > 0 else "none"


@click.command()
@click.option("--worlds", type=click.IntRange(5, 5000), default=200, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True)
def main(worlds: int, workers: int) -> None:
    """Print the page."""
    cells = [(size, setting) for size in SIZES for setting in SETTINGS]
    found = {}
    with ProcessPoolExecutor(workers) as pool:
        for size, setting in cells:
            tried = partial(outcomes, size, setting)
            found[size, setting[0]] = np.stack(list(pool.map(tried, range(worlds), chunksize=5)))
    command = f"python -m benchmarks.more_evidence --worlds {worlds} > docs/results/more-evidence.md"
    print(f"# Does more evidence decide less?\n\n```\n{command}\n```\n")
    print(f"{worlds} synthetic worlds a cell; counts by K; the largest fall from one K to the next, paired by world.\n")
    print(f"| n | setting | candidate | {' | '.join(map(str, RETRAINS))} | largest fall |")
    print(f"|{'---|' * (len(RETRAINS) + 4)}")
    for (size, name), table in found.items():
        for kind, (words, hoped) in enumerate(KINDS):
            steps = [(f"{a} to {b}", *fall(table[:, kind, a], table[:, kind, b])) for a, b in pairwise(RETRAINS)]
            steps = [step for step, k in zip(steps, RETRAINS, strict=False) if name == "random" or k >= 2]
            counts = [
                f"{count}" if name == "random" or k >= 2 else "-" for k, count in enumerate(table[:, kind].sum(0))
            ]
            sizes = f"{size * BASE.forget:,} / {size * BASE.unseen:,}"
            print(f"| {sizes} | {name} | {words}: {hoped} | {' | '.join(counts)} | {worst(steps)} |")
    print("\nFrom n to 2n, largest fall over K (other worlds, so the error is that of a difference):\n")
    print("| n to 2n | setting | honest: PASS | a leak: FAIL |\n|---|---|---|---|")
    for small, large in pairwise(SIZES):
        for name, _ in SETTINGS:
            sizes = f"{small * BASE.forget:,} to {large * BASE.forget:,}"
            print(f"| {sizes} | {name} | {_growth(found, small, large, name)} |")


def _growth(found: dict[tuple[int, str], NDArray[np.bool_]], small: int, large: int, name: str) -> str:
    cells = []
    for kind in range(len(KINDS)):
        fewer, more = (found[size, name][:, kind].mean(0) for size in (small, large))
        n = len(found[small, name])
        error = np.sqrt((fewer * (1 - fewer) + more * (1 - more)) / n + 1e-12)
        falls = (fewer - more) / np.maximum(error, 1 / n)
        place = int(np.argmax(falls))
        change = round(n * (fewer - more)[place])
        cells.append(f"K = {place}: {change} ({falls[place]:+.1f} se)" if change > 0 else "none")
    return " | ".join(cells)


if __name__ == "__main__":
    main()
