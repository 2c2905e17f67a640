"""How often does an honest retrain pass the demo? Runs the demo's audit, controls only, under many seeds.

    python -m benchmarks.demo_seeds --seeds 20

Prints one line a seed and the counts. The candidates are no_op (must FAIL), fresh_retrain and retrain (honest).
"""

import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import click

from vestige.audit.models.workspace import Workspace
from vestige.audit.workflows.demo import demo_config
from vestige.audit.workflows.run import run_audit

CANDIDATES = ("no_op", "fresh_retrain", "retrain")


@click.command()
@click.option("--seeds", type=click.IntRange(1, 1000), default=20, show_default=True)
def main(seeds: int) -> None:
    """Count the verdicts of the controls over seeds 0 .. SEEDS - 1."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in CANDIDATES}
    for seed in range(seeds):
        config = demo_config(seed)
        config = replace(config, candidates=tuple(spec for spec in config.candidates if spec.name in CANDIDATES))
        with tempfile.TemporaryDirectory() as folder:
            report = run_audit(config, Workspace(Path(folder)))
        line = []
        for audit in report.audits:
            counts[audit.candidate][audit.verdict.outcome] += 1
            gaps = " ".join(f"{one.name} {one.gap:+.3f}" for one in audit.endpoints if one.gap is not None)
            line.append(f"{audit.candidate}: {audit.verdict.outcome} ({', '.join(audit.verdict.codes)}) {gaps}")
        print(f"seed {seed}\n  " + "\n  ".join(line), flush=True)
    for name, outcomes in counts.items():
        print(f"{name}: " + ", ".join(f"{outcome} {count} of {seeds}" for outcome, count in outcomes.most_common()))


if __name__ == "__main__":
    main()
