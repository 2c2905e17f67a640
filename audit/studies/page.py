"""The page of a study, in Markdown: tables from its numbers, and notes that somebody wrote."""

import re
from collections.abc import Sequence
from typing import Any

from vestige.audit.files.markdown import marked, table
from vestige.audit.studies.records import FRESH, NO_OP, CandidateRecord, SettingRecord, Spread, Study, summarise
from vestige.learners.training.recipe import Recipe

SETTINGS = {"sample": "Examples", "class": "Whole classes", "subject": "Data subjects"}
COLUMNS = (
    "candidate",
    "RA",
    "UA",
    "TA",
    "MIA-efficacy (SVC, confidence)",
    "Avg. Gap",
    "M gap",
    "verdict (first reason)",
    "PFLOPs",
    "retrain = 1",
    "seconds",
)

DEFINITIONS = """\
All accuracies are in percent, in eval mode, without augmentation. None of the first four columns is better when higher
or lower: what counts is the distance to Retrain, whose values are in the first row. They are what papers report and do
not enter the verdict. A spread (±) is a standard deviation (n - 1): of a candidate over the seeds, of Retrain over all
retrains of all seeds.

- **RA**: accuracy on the retain set. **UA**: 100 minus the accuracy on the forget set. **TA**: accuracy on the test
  images; where a class is forgotten, on the test images of the remaining classes; where data subjects are, on the
  unseen examples. Data without a test part: on the unseen examples, or where a class is forgotten on the validation
  examples, which the stopping rules of some methods have seen.
- **MIA-efficacy (SVC, confidence)**: the share of forget examples that an attack calls non-members, as in l1-sparse,
  SalUn and CoUn. A support vector classifier (C = 3, gamma = "auto", radial kernel) learns the probability of the true
  label on the first m retain examples (members) and the first m images of TA (non-members; so, as in the released
  code, without a forgotten class), in stored order; m is the number of the images of TA, or of the retain examples
  where these are fewer. For the fit, probabilities are rounded to a thousandth, and equal ones merged into one with a
  weight. A forgotten class lies where the classifier has learnt from hardly any examples: there it says 100, or with
  few images 0 or 100 by chance.
- **Avg. Gap**: mean absolute difference to Retrain over these four, in percentage points; a gap of means over the
  seeds (those where the method did not refuse), not a mean of gaps. Noise does not cancel in it: `fresh_retrain`, one
  more retrain a seed, is the floor.
- **M gap**: AUC of the memory score of forget against unseen examples, candidate minus the mean of the retrains (or
  1/2, in a random draw).
- **verdict**: vestige's own, counted over the seeds, with the first reason codes.
- **PFLOPs**: counted 1e15 floating-point operations of the method, and as a share of one retrain's. **seconds**: wall
  time of the method on the machine that ran it; not comparable between machines. All three are means over the seeds."""


OUTCOMES = ("FAIL", "INCONCLUSIVE", "PASS")
PLANNED = re.compile(r"budget \([^()]*\)|nothing to do|single shot(, then a repair of \d+ epochs)?|last example \(.*\)")
"""Stops that say no more than that the method ran to its end."""


def render(study: Study, notes: str) -> str:
    """The whole page; ``notes`` go between their marks as they are."""
    parts = [f"# {study.title}", f"```\n{study.command}\n```"]
    count = len(study.settings[0].seeds)
    seeds = "one seed (0)" if count == 1 else f"{count} seeds (0 to {count - 1}), each with its own draw and models"
    parts.append(f"Written by this command (vestige {study.version}), apart from the notes; {seeds}.")
    parts.append(_facts(study.settings))
    for setting in study.settings:
        parts += [f"## {SETTINGS[setting.setting]} to forget: `{setting.file}`", _results(setting)]
        parts += [text for text in (_remarks(setting),) if text]
    parts += ["## Notes", marked(notes), "## What the columns mean", DEFINITIONS, "## Hyper-parameters"]
    parts.append(
        "As resolved for the size of the task; `*` marks what the audit file gave. Those left open are not listed."
    )
    for setting in study.settings:
        parts += [f"`{setting.file}`:", _parameters(setting)]
    return "\n\n".join(parts) + "\n"


def _facts(settings: Sequence[SettingRecord]) -> str:
    columns = [_facts_of(setting) for setting in settings]
    head = ["", *(f"`{setting.file}`" for setting in settings)]
    return table(head, [[name, *(facts[name] for facts in columns)] for name in columns[0]])


def _facts_of(setting: SettingRecord) -> dict[str, str]:
    first, recipe, policy = setting.seeds[0], setting.recipe, setting.policy
    roles = {"forget": "to forget", "retain": "to retain", "validation": "for stopping rules", "unseen": "unseen"}
    width = "" if recipe["width"] is None else f", width {recipe['width']}"
    usual = Recipe()
    always = ("epochs", "batch_size", "learning_rate", "momentum", "weight_decay", "schedule", "augmentation")
    kept = [key for key in recipe if key in always or recipe[key] != getattr(usual, key)]
    margins = f"AUC {policy['margin_auc']:g}, TPR {policy['margin_tpr']:g} at FPR {policy['fpr']:g}"
    return {
        "data": f"`{setting.data}`, {setting.classes} classes, images {' x '.join(map(str, setting.shape))}",
        "seed 0": first.split,
        "sizes": ", ".join(
            [f"{first.counts[role]:,} {words}" for role, words in roles.items()] + [f"TA on {first.counts['test']:,}"]
        ),
        "network": f"`{recipe['architecture']}`{width}, {first.original.forward_flops / 1e6:.3g} MFLOP forward",
        "recipe": ", ".join(f"{key} {_value(recipe[key])}" for key in kept if key not in ("architecture", "width")),
        "models": f"a seed: 1 original, {len(first.retrains)} retrains, {len(first.candidates)} candidates",
        "policy": f"`{policy['profile']}`: margins {margins}, accuracy {policy['margin_utility']:g}",
        "trained on": {"cpu": "CPU", "cuda": "GPU"}.get(setting.device, setting.device),
    }


def _results(setting: SettingRecord) -> str:
    reference = zip(*(retrain.four for retrain in setting.retrains), strict=True)
    spreads = (Spread.of(values) for values in reference)
    four = [
        _spread(Spread(mean, spread.deviation)) for mean, spread in zip(setting.retrain_means, spreads, strict=True)
    ]
    fixed = ["0 by definition", "0 by definition", "the reference", _retrain_pflops(setting), "1", "-"]
    rows = [["**Retrain**", *four, *fixed]]
    if NO_OP not in setting.names:
        original = zip(*(seed.original.four for seed in setting.seeds), strict=True)
        rows.append(["original", *(_spread(Spread.of(values)) for values in original), *["-"] * 6])
    return table(COLUMNS, rows + [_row(setting, name) for name in setting.names])


def _retrain_pflops(setting: SettingRecord) -> str:
    first = setting.seeds[0]
    flops = 3 * setting.recipe["epochs"] * first.counts["retain"] * first.original.forward_flops
    return f"{flops / 1e15:.3g}"


def _row(setting: SettingRecord, name: str) -> list[str]:
    label = {NO_OP: f"original (`{NO_OP}`)", FRESH: f"floor (`{FRESH}`)"}.get(name, f"`{name}`")
    found, verdict = summarise(setting, name), _verdict(setting.of(name))
    if found is None:
        return [label, *["-"] * 6, verdict, *["-"] * 3]
    numbers = [*(_spread(spread) for spread in found.four), f"{found.gap:.2f}"]
    memory = "not estimable" if found.memory is None else _spread(found.memory, "+.3f", ".3f")
    costs = [(found.pflops, ".3g"), (found.share_of_retrain, ".3g"), (found.seconds, ".1f")]
    return [label, *numbers, memory, verdict, *("-" if value is None else _plain(value, form) for value, form in costs)]


def _plain(value: float, form: str) -> str:
    """Three digits without an exponent for large numbers."""
    return f"{value:.0f}" if value >= 1000 else f"{value:{form}}"


def _spread(value: Spread, form: str = ".2f", deviation: str = ".2f") -> str:
    return f"{value.mean:{form}}" + ("" if value.deviation is None else f" ± {value.deviation:{deviation}}")


def _verdict(records: Sequence[CandidateRecord]) -> str:
    parts = []
    for outcome in OUTCOMES:
        ours = [
            candidate.judged
            for candidate in records
            if candidate.judged is not None and candidate.judged.outcome == outcome
        ]
        reasons = sorted({judged.reasons[0] for judged in ours if judged.reasons})
        if ours:
            parts.append(f"{outcome} {len(ours)}/{len(records)}" + (f" ({', '.join(reasons)})" if reasons else ""))
    refused = sum(candidate.refusal is not None for candidate in records)
    return ", ".join([*parts, f"refused {refused}/{len(records)}"] if refused else parts)


def _remarks(setting: SettingRecord) -> str:
    """Refusals, stops other than the budget, the methods' own notes, and controls that came out wrong."""
    remarks: dict[tuple[str, str], list[int]] = {}
    for seed in setting.seeds:
        for candidate in seed.candidates:
            sentences = [] if candidate.refusal is None else [f"refused: {candidate.refusal}"]
            stop = None if candidate.judged is None else candidate.judged.stop
            if stop and not PLANNED.fullmatch(stop):
                sentences.append(f"stopped by {stop}")
            sentences += [] if candidate.measured is None else candidate.measured.notes
            for sentence in sentences:
                remarks.setdefault((candidate.name, sentence), []).append(seed.seed)
    order = setting.names
    listed = [
        f"- `{name}`, seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}: {sentence}"
        for (name, sentence), seeds in sorted(remarks.items(), key=lambda item: (order.index(item[0][0]), item[1]))
    ]
    wrong = [
        f"- **The controls are wrong**, seed {seed.seed}: {text}" for seed in setting.seeds for text in seed.problems
    ]
    lines = wrong + (["Refusals, stops before the budget, and what methods recorded:", "", *listed] if listed else [])
    return "\n".join(lines)


def _parameters(setting: SettingRecord) -> str:
    rows = []
    for name in setting.names:
        records = setting.of(name)
        known = next(
            (candidate.judged.parameters for candidate in records if candidate.judged is not None), records[0].given
        )
        given = records[0].given
        text = ", ".join(
            f"{key} = {_value(value)}{'*' if key in given else ''}" for key, value in known.items() if value is not None
        )
        rows.append([f"`{name}`", f"`{records[0].method}`", text or "none"])
    return table(("candidate", "method", "hyper-parameters"), rows)


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
