"""Hygiene checks: none left out, and each says what its own numbers and the rest of the report say."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from vestige.audit.data_checks.plausibility import far_below, near_chance
from vestige.audit.data_checks.rules import FREE, OF_DATA, Measurement, conclude, copied_models, of_outputs
from vestige.audit.files.text import one_line
from vestige.audit.gate.recompute.difference import Difference, differences
from vestige.audit.report.hygiene import warnings as hygiene_warnings
from vestige.audit.results.data_checks import Finding, Hygiene
from vestige.audit.results.report import Audit, Report

MIXED = ("class_mix",)
"""Checks whose interval is what chance gives, and need not hold the value."""


def of_hygiene(report: Report, *, texts: bool) -> Iterator[Difference]:
    """What does not follow. texts: the report is of this version, which makes every check and words it like this."""
    data = report.data
    if (data.hygiene is None) != (data.duplicates is None) and (texts or data.hygiene is not None):
        yield Difference("", "data", "hygiene is given", data.hygiene is not None, data.duplicates is not None)
    elif data.hygiene is not None and data.duplicates is not None:
        copies = (data.duplicates.in_retain, data.duplicates.in_unseen)
        known = {"copies_in_retain": copies[0], "copies_in_unseen": copies[1]}
        yield from _of("", data.hygiene, OF_DATA, known, data.forget, texts)
    for audit in report.audits:
        if audit.hygiene is not None:
            yield from _of_audit(report, audit, audit.hygiene, texts)
        elif texts:
            yield Difference(audit.candidate, "hygiene", "is given", False, True)


def remarks_on(source: str, report: Report) -> list[str]:
    """The warnings, for whoever reads the gate's result alone."""
    return [f"{source}: data and models: {one_line(sentence, 400)}" for sentence in hygiene_warnings(report)]


def _of_audit(report: Report, audit: Audit, hygiene: Hygiene, texts: bool) -> Iterator[Difference]:
    reference = audit.reference
    names = of_outputs(retrains=reference.retrains > 0, original=reference.original and report.data.retain > 0)
    known = {"class_mix": reference.classes_without_unseen}
    known |= dict.fromkeys(("difficulty", "confidence"), reference.forget)
    yield from _of(audit.candidate, hygiene, names, known, None, texts)
    for one in hygiene.findings:
        if one.check == "copied_models":
            # The control that does nothing is meant to be a copy, where it was known to be that control.
            control = audit.method is not None and audit.method.name == "no_op" and one.severity == "clear"
            own = copied_models(no_op=audit.no_op and not control, dropped=reference.dropped, problem=reference.problem)
            yield from _differ(audit.candidate, one, conclude(one.check, own), texts)
        elif one.check == "plausibility":
            least = _implausible(report, audit, one.value or 0.0)
            if one.count < least:
                yield Difference(audit.candidate, "hygiene plausibility", "count", one.count, least)


def _of(
    candidate: str,
    hygiene: Hygiene,
    names: Sequence[str],
    known: dict[str, int],
    forget: int | None,
    texts: bool,
) -> Iterator[Difference]:
    stated = tuple(one.check for one in hygiene.findings)
    if stated != tuple(names):
        yield Difference(candidate, "hygiene", "checks", stated, tuple(names))
        return
    for one in hygiene.findings:
        measured = Measurement(one.count, one.of, one.value, one.interval, one.sentence)
        yield from _differ(candidate, one, conclude(one.check, measured), texts or one.check in FREE)
        if (one.severity == "clear") != (not one.sentence):
            yield Difference(candidate, f"hygiene {one.check}", "sentence is given", bool(one.sentence), True)
        if one.check in known and one.count != known[one.check]:
            yield Difference(candidate, f"hygiene {one.check}", "count", one.count, known[one.check])
        if forget is not None and one.check in ("copies_in_retain", "near_copies_in_retain") and one.of != forget:
            yield Difference(candidate, f"hygiene {one.check}", "of", one.of, forget)
        if one.count > one.of:
            yield Difference(candidate, f"hygiene {one.check}", "count", one.count, f"at most {one.of}")
        low, high = one.interval or (0.0, 0.0)
        centred = one.interval is None or one.value is None or one.check in MIXED or low <= one.value <= high
        if not (low <= high and centred):
            yield Difference(candidate, f"hygiene {one.check}", "interval", one.interval, f"around {one.value}")


def _differ(candidate: str, stated: Finding, own: Finding, texts: bool) -> Iterator[Difference]:
    own = own if texts else replace(own, sentence=stated.sentence)
    yield from differences(candidate, f"hygiene {own.check}", stated, own, leave=() if texts else ("sentence",))


def _implausible(report: Report, audit: Audit, chance: float) -> int:
    """At least so many of original and retrains cannot be what they are said to be, by their accuracies on retain
    rows, where all of them are stated."""
    stated = next((one for one in audit.utility if one.role == "retain"), None)
    rows = report.data.retain
    if stated is None or audit.reference.dropped or not rows:
        return 0
    accuracies = [*stated.retrains, *(() if stated.original is None else (stated.original,))]
    return sum(
        near_chance(round(one * rows), rows, max(chance, 1 / report.data.classes))
        or far_below(one, accuracies[:place] + accuracies[place + 1 :], rows)
        for place, one in enumerate(accuracies)
    )
