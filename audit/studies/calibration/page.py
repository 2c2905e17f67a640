"""The pages of a calibration, in Markdown."""

from collections.abc import Mapping, Sequence

from vestige.audit.files.markdown import marked, table
from vestige.audit.policy import Policy
from vestige.audit.studies.calibration.rates import Calibration, Leak, Precision
from vestige.audit.studies.calibration.sources import Calibrated

Settings = Sequence[tuple[Mapping[str, str], Calibrated]]
"""What was tried (words by column) and what came out."""
Row = tuple[str, ...]

DEFINITIONS = """\
A trial takes a model that never saw the forget set as the candidate and compares it with K other such models, the
retrains; with more retrains the same ones are joined by others. *random*: the forget set counts as a random draw, which
the split is; *redrawn*: it is one in truth, as forget and unseen examples are dealt out anew among those that no
retrain saw (there is no original then, and that none was caught is no obstacle); *chosen*: nothing was declared.
*PASS*, *FAIL*: of such a candidate; a FAIL is false. *Edge*: the same candidate with answers of the original on a share
of the forget examples, at the smallest share tried whose mean gap is beyond the margin on an endpoint that PASS
requires (*excess*: that gap over its margin); a PASS is false. *Coverage*: how often the interval of an honest gap
holds zero; {level} is nominal. *Ratio*: root mean square of these gaps over that of the errors stated. *c²*: mean
square of the gaps to the retrains' mean over the retrains' mean leave-one-out variance; in brackets as the rule has it.
*With more retrains*: the same trials with the next K; candidates that PASS only with fewer (lost) or only with more
(gained), and likewise FAIL of leaks that are beyond the margin with both. In square brackets: 95 % intervals
(Clopper-Pearson; trials on one candidate count together). Judged is the whole rule but the null control, with
`min_evidence = "{evidence}"`, margins {margins}, alpha {alpha:g}."""
HEAD = ("PASS", "FAIL", "edge (excess)", "edge: PASS", "trials")


def rate_rows(settings: Settings) -> tuple[Row, list[Row]]:
    """The error rates as a header and rows."""
    columns, cells = _cells(settings)
    return (*columns, *HEAD), [(*words, *_rates(found)) for words, found in cells]


def _cells(settings: Settings) -> tuple[Row, list[tuple[Row, Calibration]]]:
    """What was tried: the columns, and in them every cell with its figures."""
    return (*settings[0][0], "setting", "K"), [
        ((*words.values(), cell.setting, str(cell.retrains)), found)
        for words, calibrated in settings
        for cell, found in calibrated.cells.items()
    ]


def _rates(found: Calibration) -> Row:
    edge = found.edge
    by_edge = ("-", "-") if edge is None else (f"{100 * edge.share:g} % ({edge.excess:.2f})", str(edge.passed))
    return str(found.passed), str(found.failed), *by_edge, str(found.trials)


def render(
    settings: Settings, policy: Policy, *, title: str, about: str, command: str, version: str, notes: str
) -> str:
    """The whole page; ``notes`` go between their marks as they are."""
    columns, cells = _cells(settings)
    names = list(dict.fromkeys(name for _, found in cells for name in found.precision))
    leaking = [(words, found.leaks) for words, found in cells if len(found.leaks) > 1]
    shares = [f"{100 * leak.share:g} %" for leak in leaking[0][1]]
    steps = [
        (*words.values(), step.setting, f"{step.fewer} to {step.more}", *map(str, step.counts))
        for words, calibrated in settings
        for step in calibrated.steps
    ]
    definitions = DEFINITIONS.format(
        level=f"{100 * (1 - 2 * policy.level):g} %",
        evidence=policy.min_evidence,
        margins=policy.margins,
        alpha=policy.alpha,
    )
    parts = [
        f"# {title}",
        f"```\n{command}\n```",
        f"Written by that command (vestige {version}), apart from the notes.",
        about,
        "## Error rates",
        table(*rate_rows(settings)),
        _twins([found for _, found in cells]),
        "## Notes",
        marked(notes),
        "## Leaks: PASS/FAIL/INCONCLUSIVE by share of the forget examples (excess)",
        table((*columns, *shares), [(*words, *map(_leak, leaks)) for words, leaks in leaking]),
        "## Coverage; ratio; c² (as specified)",
        table(
            (*columns, *names),
            [(*words, *(_precision(found.precision.get(name)) for name in names)) for words, found in cells],
        ),
        "## Why retrains did not PASS",
        table((*columns, "reasons"), [(*words, _reasons(found)) for words, found in cells if found.reasons]),
        "## With more retrains",
        table((*columns, "PASS lost", "PASS gained", "FAIL lost", "FAIL gained"), steps),
        "## What the columns mean",
        definitions,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _twins(cells: Sequence[Calibration]) -> str:
    changed, tried, largest = zip(*(found.changed for found in cells), strict=True)
    if not sum(tried):
        return ""
    return (
        f"The same candidates with logits times .2, .5, 2 or 5: {sum(changed)} of {sum(tried):,} outcomes changed, and "
        f"no gap by more than {max(largest):.1e}."
    )


def _leak(leak: Leak) -> str:
    return f"{'/'.join(map(str, leak.counts))} ({leak.excess:.2f})"


def _precision(found: Precision | None) -> str:
    if found is None:
        return "-"
    factor = "" if found.factor is None else f"; {found.factor:.2f} ({found.specified:.2f})"
    return f"{found.coverage.value:.2f}; {found.ratio:.2f}{factor}"


def _reasons(found: Calibration) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in found.reasons.items())
