"""``vestige calibrate --exchangeable``: the table, and the page in Markdown."""

from collections.abc import Sequence

from vestige.audit.files.markdown import marked, table
from vestige.audit.policy import Policy
from vestige.audit.studies.calibration.exchangeable_rates import ModeCalibration, Setting
from vestige.audit.studies.calibration.trials import Rate

COLUMNS = ("forget set drawn", "held against")
DEFINITIONS = """\
A trial draws a forget set from examples that no retrain saw and takes a retrain as the candidate. Drawn *at random*,
forget and unseen examples are exchangeable, and the declaration is true. *Classes N : 1*: the lower half of the labels
is N times as likely to be drawn; *difficulty N : 1*: the hardest example is N times as likely as the easiest: the
declaration is false, more so with N. *Contradicted*: how often the tests of exchangeability reject, which makes the
verdict INCONCLUSIVE. *Fresh*: how often the candidate, which never saw a forget example, passes and fails; a FAIL is
false. *Edge*: the same candidate with answers of a model that was trained on the example, on the smallest share of
the forget set tried whose mean gap, over that of the fresh candidate, is beyond the margin on some endpoint (*excess*:
as a multiple); a PASS is false. *Unguarded*: as if nothing had been contradicted. *Coverage*: how often the PASS
interval of a fresh candidate holds zero; {level} is nominal where the declaration is true. In brackets: 95 % intervals
(Clopper-Pearson; trials on one candidate count together). Judged is the rule but accuracy, with `min_evidence =
"{evidence}"`, margins {margins}, alpha {alpha:g}."""


def named(setting: Setting) -> tuple[str, str]:
    """How the forget set is drawn, and what the candidate is held against, in words."""
    drawn = "at random" if setting.by == "random" else f"{setting.by} {setting.ratio:g} : 1"
    models = [(setting.retrains, "retrain"), (setting.shadows, "shadow")]
    words = [f"{count} {name}{'' if count == 1 else 's'}" for count, name in models if count]
    return drawn, " and ".join(words) or "nothing"


def _errors(one: ModeCalibration, *, with_edge: bool) -> tuple[str, ...]:
    edge = one.edge
    words = "-" if edge is None else f"{100 * edge.share:g} % ({edge.excess:.2f})"
    return (
        *named(one.setting),
        str(one.contradicted),
        str(one.passed),
        str(one.false_fail),
        str(one.false_fail_unguarded),
        *((words,) if with_edge else ()),
        "-" if edge is None else str(edge.passed),
        "-" if edge is None else str(edge.passed_unguarded),
    )


def rate_rows(found: Sequence[ModeCalibration]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The table for a terminal: its head, and one row a setting."""
    head = (*COLUMNS, "contradicted", "fresh: PASS", "fresh: FAIL", "unguarded", "edge: PASS", "unguarded")
    return head, [_errors(one, with_edge=False) for one in found]


def render(
    found: Sequence[ModeCalibration], policy: Policy, *, title: str, about: str, command: str, version: str, notes: str
) -> str:
    """The whole page; ``notes`` go between their marks as they are."""
    rates = ("contradicted", "fresh: PASS", "fresh: FAIL", "unguarded", "edge (excess)", "edge: PASS", "unguarded")
    head = (*COLUMNS, *rates, "trials")
    errors = [(*_errors(one, with_edge=True), str(one.passed.trials)) for one in found]
    names = list(dict.fromkeys(name for one in found for name in one.coverage))
    covered = [(*named(one.setting), *(_rate(one.coverage.get(name)) for name in names)) for one in found]
    shares = [f"{100 * leak.share:g} %" for leak in found[0].leaks]
    failed = [(*named(one.setting), *(f"{leak.failed.value:.2f}" for leak in one.leaks)) for one in found]
    passed = [(*named(one.setting), *(f"{leak.passed.value:.2f}" for leak in one.leaks)) for one in found]
    excess = [(*named(one.setting), *(f"{leak.excess:.2f}" for leak in one.leaks)) for one in found]
    parts = [
        f"# {title}",
        f"```\n{command}\n```",
        f"Written by that command (vestige {version}), apart from the notes.",
        about,
        "## Error rates",
        table(head, errors),
        "## Notes",
        marked(notes),
        "## Coverage",
        table((*COLUMNS, *names), covered),
        "## FAIL rate by share of forget examples that leak",
        table((*COLUMNS, *shares), failed),
        "## PASS rate by that share",
        table((*COLUMNS, *shares), passed),
        "## Excess by that share",
        "From 1 on, the leak is beyond the margin.",
        table((*COLUMNS, *shares), excess),
        "## What the columns mean",
        DEFINITIONS.format(
            level=f"{100 * (1 - 2 * policy.alpha):g} %",
            evidence=policy.min_evidence,
            margins=policy.margins.removeprefix("margins "),
            alpha=policy.alpha,
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _rate(rate: Rate | None) -> str:
    return "-" if rate is None else str(rate)
