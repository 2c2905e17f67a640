"""``vestige calibrate --exchangeable``: the table, and the page in Markdown."""

from collections.abc import Sequence

from vestige.audit.policy import Policy
from vestige.audit.studies.calibration.exchangeable_rates import ModeCalibration, Setting
from vestige.audit.studies.calibration.page import render as page_of
from vestige.audit.studies.calibration.rates import EDGE

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


def rate_rows(found: Sequence[ModeCalibration]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The table for a terminal: its head, and one row a setting."""
    shown = [name for name in found[0].rates if name != EDGE]
    rows = [(*named(calibration.setting), *(calibration.rates[name] for name in shown)) for calibration in found]
    return (*COLUMNS, *shown), rows


def render(found: Sequence[ModeCalibration], policy: Policy, **page: str) -> str:
    """The whole page; page: title, about, command, version and notes, as in the page of the other mode."""
    settings = [(dict(zip(COLUMNS, named(calibration.setting), strict=True)), calibration) for calibration in found]
    return page_of(settings, policy, definitions=DEFINITIONS, **page)
