"""The page of a bank under attack, in Markdown."""

from vestige.audit.files.markdown import marked, table
from vestige.audit.studies.attacks.bank_audit import BankStudy
from vestige.audit.studies.attacks.bank_study import BankResult, BankTable, TargetMean

DEFINITIONS = """\
Every shadow is a target once; it is held against all others but itself and its complement. AUC and TPR are means over
the targets: which examples did this model train on? Intervals are 95 %, with targets and examples both a sample
(two-way clustered; a pair of shadows counts as one model), for the given references: what other shadows to be held
against would have changed is not in them, which matters most for leads where models differ much. ± in "over targets"
is the standard deviation of the targets' own AUC. TPR at a false-positive rate is taken on each target's non-members
with the cut as given; it is left out where fewer than 10 false positives are expected. *Lead*: AUC minus that of the
attack named in the column, paired.
`lira_online` and `lira_offline` take one variance for all examples below 64 shadows, each example's own from 64 on;
where the banks are smaller than all shadows, these are parted into as many of them as there are, so that all columns
have the same targets. `vestige attacks NAME` explains each attack."""

RATES = ("TPR at 10 %", "TPR at 1 %", "TPR at 0.1 %")


def render(study: BankStudy, *, title: str, command: str, version: str, notes: str) -> str:
    """The whole page; ``notes`` go between their marks as they are."""
    whole = study.tables[-1]
    parts = [
        f"# {title}",
        f"```\n{command}\n```",
        f"Written by the last command (vestige {version}), apart from the notes.",
        _facts(study),
        f"## {whole.shadows} shadows",
        f"{whole.targets} targets; each trained on {whole.members:,.0f} of the judged examples and not on "
        f"{whole.nonmembers:,.0f}, on average.",
        *_results(whole),
    ]
    for one in study.unlearned:
        parts += [
            f"## After `{one.unlearned}`",
            f"{one.targets} shadows after the method ran on each: {one.members:,.0f} examples that it was told to "
            f"forget against {one.nonmembers:,.0f} of the same requests that it never saw, on average.",
            *_results(one),
        ]
    if len(study.tables) > 1:
        known = [place for place, value in enumerate(whole.results[0].tpr) if value is not None]
        parts += ["## What more shadows buy", _growth(study, None), *(_growth(study, place) for place in known[-1:])]
    parts += [f"Note: {problem}." for problem in study.problems]
    parts += ["## Notes", marked(notes), "## What the columns mean", DEFINITIONS]
    return "\n\n".join(parts) + "\n"


def _facts(study: BankStudy) -> str:
    recipe = study.recipe
    network = f"`{recipe['architecture']}`" + ("" if recipe["width"] is None else f", width {recipe['width']}")
    kept = ("epochs", "batch_size", "learning_rate", "momentum", "weight_decay", "schedule", "augmentation")
    cost = f"{study.seconds / 60:,.0f} minutes of one worker, {study.flops / 1e15:.3g} PFLOP"
    rows = [
        ("data", f"`{study.data}`, {study.classes} classes, images {' x '.join(map(str, study.shape))}"),
        ("network", network),
        ("recipe", ", ".join(f"{name} {recipe[name]}" for name in kept)),
        ("shadows", f"{study.tables[-1].shadows}, in pairs that halve the pool; {study.trained_on:,} examples each"),
        ("asked", f"{study.asked:,} examples under the views {', '.join(study.views)}"),
        ("accuracy in", _spread(study.accuracy_in)),
        ("accuracy out", _spread(study.accuracy_out)),
        ("cost", cost),
    ]
    return table(("", ""), rows)


def _spread(moments: tuple[float, float] | None) -> str:
    return "-" if moments is None else f"{moments[0]:.3f} ± {moments[1]:.3f}"


def _results(whole: BankTable) -> list[str]:
    lead = f"lead over {whole.against[0]} on {whole.against[1]}"
    head = ("attack", "signal", "AUC", "over targets", *RATES, lead)
    missing = [f"Not made: `{name}`: {why}" for name, why in whole.absent.items()]
    return [table(head, [_row(one) for one in whole.results]), *missing]


def _row(one: BankResult) -> tuple[str, ...]:
    return (
        f"`{one.attack}`",
        one.signal,
        _figure(one.auc),
        f"± {one.deviation:.4f}",
        *(_figure(value) for value in one.tpr),
        "-" if one.lead is None else _figure(one.lead, "+"),
    )


def _growth(study: BankStudy, place: int | None) -> str:
    """AUC (None) or the TPR at a place of ``RATES`` at each number of shadows, of attacks that read them."""
    rows = []
    for one in study.tables[-1].results:
        cells = []
        for each in study.tables:
            found = [two for two in each.results if (two.attack, two.signal) == (one.attack, one.signal)]
            value = None if not found else found[0].auc if place is None else found[0].tpr[place]
            cells.append(_figure(value))
        rows.append((f"`{one.attack}`", one.signal, *cells))
    head = (
        f"{'AUC' if place is None else RATES[place]}",
        "signal",
        *(f"{each.shadows} shadows" for each in study.tables),
    )
    return table(head, [row for row in rows if len(set(row[2:])) > 1])


def _figure(value: TargetMean | None, sign: str = "") -> str:
    if value is None:
        return "-"
    return f"{value.mean:{sign}.4f} ± {(value.interval[1] - value.interval[0]) / 2:.4f}"
