"""Hygiene checks: none is left out, and each says what its own numbers and the rest of the report say."""

from collections.abc import Sequence
from dataclasses import dataclass

from vestige.audit.data_checks.plausibility import far_below, near_chance
from vestige.audit.data_checks.rules import FREE, OF_DATA, Measurement, conclude, copied_models, of_outputs
from vestige.audit.gate.recompute.claims import Claim, Claims, Rule, Stated, all_follow
from vestige.audit.gate.recompute.reference import MOST_ROWS
from vestige.audit.results.data_checks import Finding, Hygiene

MIXED = ("class_mix",)
"""Checks whose interval is what chance gives, and need not hold the value."""


@dataclass(frozen=True)
class Expected:
    """What the rest of the report says of some checks. names: of all checks, in order. counts, totals: by check."""

    names: Sequence[str]
    counts: dict[str, int]
    totals: dict[str, int]


def data_checks(stated: Stated) -> Claims:
    """Checks on pixels and split, which a report of this version makes wherever it looked for copies."""
    data = stated.report.data
    if data.hygiene is not None or stated.texts:
        yield Claim("data, hygiene is given", data.hygiene is not None, data.duplicates is not None)
    if data.hygiene is not None and data.duplicates is not None:
        counts = {"copies_in_retain": data.duplicates.in_retain, "copies_in_unseen": data.duplicates.in_unseen}
        totals = dict.fromkeys(("copies_in_retain", "near_copies_in_retain"), data.forget)
        yield from _findings(data.hygiene, Expected(OF_DATA, counts, totals), stated.texts)


def output_checks(stated: Stated) -> Claims:
    """Checks on the outputs of one candidate, which a report of this version makes always."""
    audit, reference = stated.audit, stated.audit.reference
    if audit.hygiene is None:
        yield Claim("hygiene, is given", False, stated.texts)
        return
    has_original = reference.original and stated.report.data.retain > 0
    names = of_outputs(retrains=reference.retrains > 0, original=has_original)
    counts = {"class_mix": reference.classes_without_unseen}
    counts |= dict.fromkeys(("difficulty", "confidence"), reference.forget)
    yield from _findings(audit.hygiene, Expected(names, counts, {}), stated.texts)
    for finding in audit.hygiene.findings:
        if finding.check == "copied_models":
            # The control that does nothing is meant to be a copy, where it was known to be that control.
            control = audit.method is not None and audit.method.name == "no_op" and finding.severity == "clear"
            no_op = audit.no_op and not control
            measured = copied_models(no_op=no_op, dropped=reference.dropped, problem=reference.problem)
            yield from _concluded(finding, measured, stated.texts)
        elif finding.check == "plausibility":
            least = _implausible(stated, finding.value or 0.0)
            yield Claim("hygiene plausibility, count", finding.count, Rule(finding.count >= least, f"{least} or more"))


def _findings(hygiene: Hygiene, expected: Expected, texts: bool) -> Claims:
    yield Claim("hygiene, checks", tuple(finding.check for finding in hygiene.findings), tuple(expected.names))
    for finding in hygiene.findings:
        path, count, total = f"hygiene {finding.check}", finding.count, finding.of
        yield Claim(f"{path}, of", total, Rule(total <= MOST_ROWS, f"at most {MOST_ROWS}"))
        yield Claim(f"{path}, of", total, expected.totals.get(finding.check, total))
        yield Claim(f"{path}, count", count, Rule(count <= total, f"at most {total}"))
        yield Claim(f"{path}, count", count, expected.counts.get(finding.check, count))
        low, high = finding.interval or (0.0, 0.0)
        free = finding.interval is None or finding.value is None or finding.check in MIXED
        rule = Rule(low <= high and (free or low <= (finding.value or 0.0) <= high), f"around {finding.value}")
        yield Claim(f"{path}, interval", finding.interval, rule)
        measured = Measurement(count, total, finding.value, finding.interval, finding.sentence)
        yield from _concluded(finding, measured, texts or finding.check in FREE)
        yield Claim(f"{path}, sentence is given", bool(finding.sentence), finding.severity != "clear")


def _concluded(finding: Finding, measured: Measurement, texts: bool) -> Claims:
    recomputed = conclude(finding.check, measured)
    yield from all_follow(f"hygiene {finding.check}", finding, recomputed, leave=() if texts else ("sentence",))


def _implausible(stated: Stated, chance: float) -> int:
    """At least so many of original and retrains cannot be what they are said to be, by their accuracies on retain
    rows, where all of them are stated."""
    data = stated.report.data
    part = next((part for part in stated.audit.utility if part.role == "retain"), None)
    if part is None or part.measure != "accuracy" or stated.audit.reference.dropped or not data.retain:
        return 0
    accuracies = [*part.retrains, *(() if part.original is None else (part.original,))]
    return sum(
        near_chance(round(accuracy * data.retain), data.retain, max(chance, 1 / data.classes))
        or far_below(accuracy, accuracies[:place] + accuracies[place + 1 :], data.retain)
        for place, accuracy in enumerate(accuracies)
    )
