"""The pages of a calibration, in Markdown."""

from collections.abc import Mapping, Sequence

from vestige.audit.files.markdown import marked, table
from vestige.audit.policy import Policy
from vestige.audit.studies.calibration.trials import Calibration

Settings = Sequence[tuple[Mapping[str, str], Calibration]]
"""What was tried (words by column) and what came out."""

DEFINITIONS = """\
A trial takes a model that never saw the forget set as the candidate and holds it against other such models, the
retrains. *Fresh*: how often such a candidate passes and fails; a FAIL is false. *Edge*: the same candidate with a
leak planted, that is, answers of the original on a share of the forget examples, at the smallest share tried whose
mean gap is beyond the margin on some primary endpoint (*excess*: that gap over its margin); a PASS is false.
*Original*: how often a candidate that knows the forget set as the original does passes. *Coverage*: how often the
PASS interval of a fresh retrain's gap holds zero; {level} is nominal. In brackets: 95 % intervals (Clopper-Pearson;
trials on one candidate count together). Judged is the whole rule, groups included, but utility and controls, with
`min_evidence = "{evidence}"`, margins {margins}, alpha {alpha:g}."""


def render(
    settings: Settings, policy: Policy, *, title: str, about: str, command: str, version: str, notes: str
) -> str:
    """The whole page; ``notes`` go between their marks as they are."""
    columns = list(settings[0][0])
    names = list(settings[0][1].coverage)
    errors = [
        (
            *words.values(),
            str(one.passed),
            str(one.false_fail),
            "-" if one.edge is None else f"{100 * one.edge.share:g} % ({one.edge.excess:.2f})",
            "-" if one.edge is None else str(one.edge.passed),
            str(one.original_passed),
            str(one.passed.trials),
        )
        for words, one in settings
    ]
    head = (*columns, "fresh: PASS", "fresh: FAIL", "edge (excess)", "edge: PASS", "original: PASS", "trials")
    covered = [(*words.values(), *(str(one.coverage.get(name, "-")) for name in names)) for words, one in settings]
    shares = [leak.share for leak in settings[0][1].leaks]
    power = [(*words.values(), *(f"{leak.failed.value:.2f}" for leak in one.leaks)) for words, one in settings]
    excess = [(*words.values(), *(f"{leak.excess:.2f}" for leak in one.leaks)) for words, one in settings]
    leaking = (*columns, *(f"{100 * share:g} %" for share in shares))
    return (
        "\n\n".join(
            [
                f"# {title}",
                f"```\n{command}\n```",
                f"Written by that command (vestige {version}), apart from the notes.",
                about,
                "## Error rates",
                table(head, errors),
                "## Notes",
                marked(notes),
                "## Coverage",
                table((*columns, *names), covered),
                "## FAIL rate by share of forget examples that leak",
                table(leaking, power),
                "## Excess by that share",
                "From 1 on, the leak is beyond the margin.",
                table(leaking, excess),
                "## What the columns mean",
                DEFINITIONS.format(
                    level=f"{100 * (1 - 2 * policy.alpha):g} %",
                    evidence=policy.min_evidence,
                    margins=policy.margins.removeprefix("margins "),
                    alpha=policy.alpha,
                ),
            ]
        )
        + "\n"
    )
