"""The pages of a calibration, in Markdown."""

from collections.abc import Mapping, Sequence

from vestige.audit.files.markdown import marked, table
from vestige.audit.policy import Policy
from vestige.audit.studies.calibration.exchangeable_rates import ModeCalibration
from vestige.audit.studies.calibration.trials import Calibration

Settings = Sequence[tuple[Mapping[str, str], Calibration | ModeCalibration]]
"""What was tried (words by column) and what came out."""

DEFINITIONS = """\
A trial takes a model that never saw the forget set as the candidate and compares it with other such models, the
retrains. *Fresh*: how often such a candidate passes and fails; a FAIL is false. *Edge*: the same candidate with a
leak planted, that is, answers of the original on a share of the forget examples, at the smallest share tried whose
mean gap is beyond the margin on some primary endpoint (*excess*: that gap over its margin); a PASS is false.
*Original*: how often a candidate that knows the forget set as the original does passes. *Coverage*: how often the
PASS interval of a fresh retrain's gap holds zero; {level} is nominal. In brackets: 95 % intervals (Clopper-Pearson;
trials on one candidate count together). Judged is the whole rule, groups included, but utility and controls, with
`min_evidence = "{evidence}"`, margins {margins}, alpha {alpha:g}."""


def render(
    settings: Settings,
    policy: Policy,
    *,
    title: str,
    about: str,
    command: str,
    version: str,
    notes: str,
    definitions: str = DEFINITIONS,
) -> str:
    """The whole page; ``notes`` go between their marks as they are."""
    (first_words, first), *_ = settings
    columns = list(first_words)
    names = list(dict.fromkeys(name for _, found in settings for name in found.coverage))
    leaking = (*columns, *(f"{100 * leak.share:g} %" for leak in first.leaks))
    errors = [(*words.values(), *found.rates.values(), str(found.passed.trials)) for words, found in settings]
    covered = [(*words.values(), *(str(found.coverage.get(name, "-")) for name in names)) for words, found in settings]
    failed = [(*words.values(), *(f"{leak.failed.value:.2f}" for leak in found.leaks)) for words, found in settings]
    passed = [(*words.values(), *(f"{leak.passed.value:.2f}" for leak in found.leaks)) for words, found in settings]
    excess = [(*words.values(), *(f"{leak.excess:.2f}" for leak in found.leaks)) for words, found in settings]
    parts = [
        f"# {title}",
        f"```\n{command}\n```",
        f"Written by that command (vestige {version}), apart from the notes.",
        about,
        "## Error rates",
        table((*columns, *first.rates, "trials"), errors),
        "## Notes",
        marked(notes),
        "## Coverage",
        table((*columns, *names), covered),
        "## FAIL rate by share of forget examples that leak",
        table(leaking, failed),
        "## PASS rate by that share",
        table(leaking, passed),
        "## Excess by that share",
        "From 1 on, the leak is beyond the margin.",
        table(leaking, excess),
        "## What the columns mean",
        definitions.format(
            level=f"{100 * (1 - 2 * policy.alpha):g} %",
            evidence=policy.min_evidence,
            margins=policy.margins.removeprefix("margins "),
            alpha=policy.alpha,
        ),
    ]
    return "\n\n".join(parts) + "\n"
