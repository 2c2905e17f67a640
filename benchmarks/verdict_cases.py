"""Every candidate whose truth is known, what the rule says of it, and what a rule would say that only tells which it is
closer to, the original or a retrain (arXiv 2601.19755).

    python -m benchmarks.verdict_cases --worlds 20 --edge-worlds 100 --page docs/results/verdict-cases.md

The candidates are those of tests/audit/worlds.py: synthetic scores with K = 5, 1,000 forget and 5,000 unseen examples,
and a forgotten class with K = 10, 2,000 forget and 4,000 unseen rows. Every audit runs its controls, and nothing is
left out of the rule.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import click
import numpy as np
from scipy.special import softmax

from tests.audit.worlds import CASES, CLASS_CASES, SY, ClassWorld, Floats, Make, of, verdict_on
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.setting import Declared
from vestige.audit.endpoints.simulation import World, memorised, none
from vestige.audit.results.evidence import Evidence

CLASS = ClassWorld()
CLOSER = 0.05
KEPT = (0.0, 0.1, 0.2, 0.3, 0.4, 0.45, 0.5, 0.6, 0.8, 1.0)
OUTCOMES = ("PASS", "FAIL", "INCONCLUSIVE")


@dataclass(frozen=True)
class Row:
    """One kind of candidate: counts of outcomes, how often the rule of the closer one calls it forgotten, reasons."""

    name: str
    setting: str
    outcomes: Counter[str]
    closer: int
    reasons: Counter[str]

    def line(self, worlds: int) -> str:
        """A line of the table."""
        counts = "/".join(str(self.outcomes[outcome]) for outcome in OUTCOMES)
        reasons = ", ".join(f"{code} {count}" for code, count in self.reasons.most_common(3))
        return f"| {self.name} | {self.setting} | {counts} | {self.closer} of {worlds} | {reasons or '-'} |"


def row(name: str, make: Make, declared: Declared | None, worlds: int, controls: bool = True) -> Row:
    """The candidate in so many worlds."""
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    closer = 0
    for seed in range(2000, 2000 + worlds):
        evidence, verdict = verdict_on(make(seed), declared, controls=controls)
        outcomes[verdict.outcome] += 1
        reasons.update(verdict.codes)
        closer += _is_closer(evidence)
    return Row(name, declared or evidence.setting.name, outcomes, closer, reasons)


def _is_closer(evidence: Evidence) -> bool:
    """Whether it is shown that more than half of what the original knows is gone: closer to a retrain than to it."""
    share = evidence.share_forgotten
    return share is not None and share.closer_p is not None and share.closer_p < CLOSER


def of_class(name: str, seed: int) -> Outputs:
    """A candidate of the world of a forgotten class."""
    return CLASS.draw(seed, CLASS_CASES[name])


def kept(share: float) -> Make:
    """A candidate with this share of every memory."""
    return of(replace(SY, candidate=memorised(1.5 * share))) if share else CASES["honest"]


def few(share: float, random: np.random.Generator, n: int) -> Floats:
    """This share of the examples is remembered four standard deviations strong."""
    return np.where(np.arange(n) < share * n, 4.0, 0.0)


def both_ways(size: float, random: np.random.Generator, n: int) -> Floats:
    """Half of the examples more familiar, half less."""
    return np.where(np.arange(n) % 2, size, -size)


def some(share: float, world: ClassWorld, fresh: Floats, original: Floats) -> Floats:
    """On this share of all rows the original answers."""
    made = fresh.copy()
    chosen = np.arange(len(made)) % 100 < 100 * share
    made[chosen] = original[chosen]
    return made


def blended(share: float, world: ClassWorld, fresh: Floats, original: Floats) -> Floats:
    """This share of the original's output of the class is left in it, where accuracy does not show it."""
    made = fresh.copy()
    made[:, 0] = (1 - share) * fresh[:, 0] + share * (original[:, 0] - 8)
    return made


def as_float16(outputs: Outputs) -> Outputs:
    """Logits of two bytes."""
    return _of_models(outputs, lambda logits: logits.astype(np.float16).astype(np.float32))


def as_probabilities(outputs: Outputs, kind: type[np.floating] = np.float32) -> Outputs:
    """Probabilities in a file, read back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.npz"
        made = _of_models(outputs, lambda logits: softmax(logits, axis=-1).astype(kind))
        named = {name: getattr(made, name) for name in ("labels", "role", "candidate", "retrain", "original")}
        np.savez(path, **named)
        return Outputs.read(path, probabilities=True)


def in_pairs(outputs: Outputs) -> Outputs:
    """Neighbours of one role are one person."""
    return replace(outputs, subject=(np.arange(len(outputs)) // 2).astype(np.str_))


def _of_models(outputs: Outputs, change: Callable[[np.ndarray], np.ndarray]) -> Outputs:
    assert outputs.original is not None
    return replace(
        outputs,
        candidate=change(outputs.candidate),
        retrain=change(outputs.retrain),
        original=change(outputs.original),
    )


FORMS: dict[str, tuple[World, Callable[[Outputs], Outputs]]] = {
    "float16 logits": (SY, as_float16),
    "probabilities": (SY, as_probabilities),
    "float16 probabilities": (SY, partial(as_probabilities, kind=np.float16)),
    "people of two rows": (replace(SY, forget=2000, unseen=10_000), in_pairs),
    "scores without classes": (replace(SY, classes=1), lambda outputs: outputs),
}
"""What else a file may hold: the world, and its outputs in that form."""


def in_form(form: str, leak: bool, seed: int) -> Outputs:
    """A fresh candidate, or one with half of every memory, in another form."""
    world, change = FORMS[form]
    return change(replace(world, candidate=memorised(0.75) if leak else none).draw(seed).outputs())


@dataclass(frozen=True)
class Edge:
    """A family of candidates that grow until their mean gap on an endpoint is just beyond the margin."""

    endpoint: str
    of_size: Callable[[float], Make]
    sizes: Sequence[float]

    def at_margin(self, worlds: int = 30) -> tuple[float, float, str]:
        """The size at which the mean gap is the margin of PASS, the margin, and the setting."""
        gaps, margins = [], []
        for size in self.sizes:
            found = [verdict_on(self.of_size(size)(seed))[0] for seed in range(9000, 9000 + worlds)]
            points = [next(e for e in evidence.endpoints if e.label == self.endpoint) for evidence in found]
            gaps.append(float(np.mean([abs(point.gap or 0.0) for point in points])))
            margins.append(float(np.mean([point.margin_effective for point in points])))
        margin = float(np.mean(margins))
        return float(np.interp(1.04 * margin, gaps, self.sizes)), margin, found[0].setting.name


EDGES = (
    Edge("M", kept, (0.1, 0.15, 0.2, 0.25, 0.3)),
    Edge("S", lambda size: of(replace(SY, candidate=partial(both_ways, size))), (0.3, 0.5, 0.6, 0.7, 0.8)),
    Edge("T", lambda share: of(replace(SY, candidate=partial(few, share))), (0.01, 0.02, 0.03, 0.04)),
    Edge("L", lambda share: lambda seed: CLASS.draw(seed, partial(some, share)), (0.02, 0.04, 0.06, 0.08, 0.1)),
    Edge("B", lambda share: lambda seed: CLASS.draw(seed, partial(blended, share)), (0.1, 0.2, 0.3, 0.4, 0.5)),
)


def edge_line(place: int, worlds: int) -> str:
    """How often a candidate just beyond one margin passes."""
    edge = EDGES[place]
    size, margin, setting = edge.at_margin()
    found = row(edge.endpoint, edge.of_size(size), None, worlds, controls=False)
    counts = "/".join(str(found.outcomes[outcome]) for outcome in OUTCOMES)
    return f"| {edge.endpoint} | {setting} | {margin:.3f} | {size:.3f} | {counts} |"


def _row(job: tuple[str, str, Declared | None], worlds: int) -> str:
    kind, name, declared = job
    if kind == "class":
        return row(name, partial(of_class, name), declared, worlds).line(worlds)
    if kind == "form":
        form, _, candidate = name.partition(": ")
        return row(name, partial(in_form, form, candidate != "honest"), declared, worlds).line(worlds)
    if kind == "kept":
        return row(f"{100 * float(name):.0f} % of every memory", kept(float(name)), declared, worlds).line(worlds)
    return row(name, CASES[name], declared, worlds).line(worlds)


def page(worlds: int, edge_worlds: int, workers: int, path: Path) -> str:
    """The page that goes to ``path``, in Markdown."""
    settings: tuple[Declared | None, ...] = ("chosen", "random")
    jobs: list[tuple[str, str, Declared | None]] = [("case", name, where) for name in CASES for where in settings]
    jobs += [("class", name, None) for name in CLASS_CASES]
    jobs += [("kept", str(share), "chosen") for share in KEPT]
    jobs += [("form", f"{form}: {made}", "chosen") for form in FORMS for made in ("honest", "half of every memory")]
    with ProcessPoolExecutor(workers) as pool:
        lines = list(pool.map(partial(_row, worlds=worlds), jobs))
        edges = list(pool.map(partial(edge_line, worlds=edge_worlds), range(len(EDGES))))
    kinds = [kind for kind, _, _ in jobs]
    of_kept, of_forms = kinds.index("kept"), kinds.index("form")
    head = [
        "| candidate | setting | PASS/FAIL/open | closer to a retrain | reasons (most frequent) |",
        "|---|---|---|---|---|",
    ]
    return "\n".join(
        [
            "# The rule on candidates whose truth is known",
            "",
            "```",
            f"python -m benchmarks.verdict_cases --worlds {worlds} --edge-worlds {edge_worlds} --page {path}",
            "```",
            "",
            f"Written by that command. {worlds} synthetic worlds a row, controls included. *Closer to a retrain*: the",
            "rule of arXiv 2601.19755, which calls a candidate forgotten where it is shown to be closer to a retrain",
            "than to the original; here, where more than half of what the original knows is shown to be gone (5 %).",
            "",
            *head,
            *lines[:of_kept],
            "",
            "## Where the two rules disagree",
            "",
            "A candidate that kept a known share of every memory, in the setting chosen.",
            "",
            *head,
            *lines[of_kept:of_forms],
            "",
            "## Other forms of outputs",
            "",
            *head,
            *lines[of_forms:],
            "",
            "## Just beyond one margin",
            "",
            f"Candidates whose mean gap on one endpoint is 4 % beyond its margin; {edge_worlds} worlds, controls",
            "aside. A PASS is an error; 5 % are allowed.",
            "",
            "| endpoint | setting | margin of PASS | size | PASS/FAIL/open |",
            "|---|---|---|---|---|",
            *edges,
            "",
        ]
    )


@click.command()
@click.option("--worlds", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--edge-worlds", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option("--page", "path", type=click.Path(path_type=Path), required=True)
def main(worlds: int, edge_worlds: int, workers: int, path: Path) -> None:
    """Write the page."""
    path.write_text(page(worlds, edge_worlds, workers, path), encoding="utf-8")


if __name__ == "__main__":
    main()
