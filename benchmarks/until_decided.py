"""How many retrains does an audit need that stops as soon as it is decided, and how often does it err?

    python -m benchmarks.until_decided --worlds 200

Synthetic scores, 1,000 forget and 5,000 unseen examples, setting chosen, the whole rule without controls: an audit at
LOOKS with half of alpha at each, beside one of 10 retrains with all of it. The edge is a candidate that kept so much of
every memory that its true gap of M, over 40 worlds of 20 retrains, is the margin.
"""

from collections.abc import Sequence
from dataclasses import replace

import click
import numpy as np

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.simulation import World, memorised, none
from vestige.audit.policy import LOOKS, Policy
from vestige.audit.results.evidence import Evidence, Outcome
from vestige.audit.results.setting import CHOSEN
from vestige.audit.verdict.evidence import gather
from vestige.audit.verdict.rule import decide

WORLD = World(forget=1000, unseen=5000, retain=500, retrains=LOOKS[-1])
FIXED = Policy()
SEQUENTIAL = Policy(sequential=True)
MEMORY = 1.5
"""Mean of what the original remembers of an example."""
SHARES = {"nothing": 0.0, "the margin": None, "half": 0.5, "everything": 1.0}


def judged(outputs: Outputs, retrains: int, policy: Policy) -> tuple[Evidence, Outcome]:
    """Evidence and outcome with the first ``retrains``."""
    evidence = gather(replace(outputs, retrain=outputs.retrain[:retrains]), CHOSEN, policy, plots=False)
    return evidence, decide(evidence, policy).outcome


def until_decided(outputs: Outputs) -> tuple[Outcome, int]:
    """Outcome, and the number of retrains at which it was reached."""
    outcome: Outcome = "INCONCLUSIVE"
    for look in LOOKS:
        outcome = judged(outputs, look, SEQUENTIAL)[1]
        if outcome != "INCONCLUSIVE":
            return outcome, look
    return outcome, LOOKS[-1]


def edge(worlds: int = 40) -> float:
    """Share of every memory at which the mean gap of M is the margin, by interpolation."""
    shares = np.array([0.1, 0.15, 0.2, 0.25, 0.3])
    gaps = [
        np.mean([_gap(replace(WORLD, candidate=memorised(share * MEMORY)), seed) for seed in range(worlds)])
        for share in shares
    ]
    return float(np.interp(FIXED.margin_auc, gaps, shares))


def _gap(world: World, seed: int) -> float:
    evidence, _ = judged(world.draw(10_000 + seed).outputs(), LOOKS[-1], FIXED)
    return next(endpoint.gap or 0.0 for endpoint in evidence.endpoints if endpoint.name == "M")


def _line(name: str, share: float, seeds: Sequence[int]) -> str:
    world = replace(WORLD, candidate=memorised(share * MEMORY) if share else none)
    ends, fixed = [], []
    for seed in seeds:
        outputs = world.draw(seed).outputs()
        ends.append(until_decided(outputs))
        fixed.append(judged(outputs, 10, FIXED)[1])

    def rates(of: list[Outcome]) -> str:
        return " / ".join(f"{100 * of.count(outcome) / len(of):.0f}" for outcome in ("PASS", "FAIL", "INCONCLUSIVE"))

    cells = [f"{name} ({share:.2f})", rates(fixed)]
    for most in (10, LOOKS[-1]):
        outcomes: list[Outcome] = [outcome if look <= most else "INCONCLUSIVE" for outcome, look in ends]
        cells.append(f"{rates(outcomes)}; {np.mean([min(look, most) for _, look in ends]):.1f}")
    return f"| {' | '.join(cells)} |"


@click.command()
@click.option("--worlds", type=click.IntRange(10, 10_000), default=200, show_default=True)
def main(worlds: int) -> None:
    """Print the table of docs/simulations.md."""
    print("| kept of every memory | 10 retrains: PASS / FAIL / open, % | until decided, --max 10; mean K | --max 20 |")
    print("|---|---|---|---|")
    for name, share in SHARES.items():
        print(_line(name, edge() if share is None else share, range(worlds)), flush=True)


if __name__ == "__main__":
    main()
