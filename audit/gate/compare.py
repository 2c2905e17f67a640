"""Two reports side by side: what got better, what worse, what became undecidable."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from vestige.audit.files.text import one_line
from vestige.audit.gate.formats.cases import OF_DECISION, OF_OUTCOME, OF_UTILITY, SCORES, State
from vestige.audit.gate.reading import read
from vestige.audit.gate.recompute.difference import agree
from vestige.audit.gate.text import shown
from vestige.audit.results.endpoint import Endpoint
from vestige.audit.results.evidence import Outcome, Utility
from vestige.audit.results.exchangeable import ExampleEndpoint
from vestige.audit.results.figures import Interval
from vestige.audit.results.report import Audit, Report
from vestige.audit.results.shadows import why_absent

Change = Literal["better", "worse", "became undecidable", "unchanged"]
Drift = Literal["closer", "further", "unchanged", "not known"]


@dataclass(frozen=True)
class Measure:
    """One gap in one report; None where it is not estimable."""

    decision: str
    gap: float | None
    interval: Interval | None


@dataclass(frozen=True)
class Compared:
    """An endpoint, or utility on a role, in both. change: of the decision. drift: of the gap, towards retraining or
    away from it. clear: the two intervals have no value in common."""

    name: str
    old: Measure
    new: Measure
    change: Change
    drift: Drift
    clear: bool


@dataclass(frozen=True)
class Pair:
    """A candidate that is in both reports."""

    candidate: str
    old: Outcome
    new: Outcome
    old_reasons: tuple[str, ...]
    new_reasons: tuple[str, ...]
    change: Change
    parts: tuple[Compared, ...]


@dataclass(frozen=True)
class Comparison:
    """unfair: what besides the candidates differs, so that a change may not be theirs. only_old, only_new: candidates
    that are in one report alone."""

    unfair: tuple[str, ...]
    pairs: tuple[Pair, ...]
    only_old: tuple[str, ...]
    only_new: tuple[str, ...]


def compare(old: Path, new: Path) -> Comparison:
    """Candidates of two reports, matched by name. DataError for a report that cannot be read; what the reports state is
    compared, not verified."""
    return compare_reports(read(old), read(new))


def compare_reports(old: Report, new: Report) -> Comparison:
    """The same of two reports that were read."""
    before, after = ({audit.candidate: audit for audit in report.audits} for report in (old, new))
    both = [name for name in before if name in after]
    return Comparison(
        unfair=tuple(_unfair(old, new, [(before[name], after[name]) for name in both])),
        pairs=tuple(_pair(before[name], after[name]) for name in both),
        only_old=tuple(name for name in before if name not in after),
        only_new=tuple(name for name in after if name not in before),
    )


def _pair(old: Audit, new: Audit) -> Pair:
    endpoints = {one.name: one for one in _all_endpoints(new)}
    roles = {one.role: one for one in new.utility}
    parts = [
        _endpoint(one, endpoints[one.name])
        for one in _all_endpoints(old)
        if one.name in endpoints and not (_untried(one, old) and _untried(endpoints[one.name], new))
    ]
    parts += [_utility(one, roles[one.role]) for one in old.utility if one.role in roles]
    before, after = old.verdict, new.verdict
    return Pair(
        candidate=old.candidate,
        old=before.outcome,
        new=after.outcome,
        old_reasons=before.reasons,
        new_reasons=after.reasons,
        change=_change(OF_OUTCOME[before.outcome], OF_OUTCOME[after.outcome]),
        parts=tuple(parts),
    )


def _all_endpoints(audit: Audit) -> tuple[Endpoint | ExampleEndpoint, ...]:
    """Those of the main rule, and those over examples where there are any."""
    return (*audit.endpoints, *(() if audit.exchangeable is None else audit.exchangeable.endpoints))


def _untried(one: Endpoint | ExampleEndpoint, audit: Audit) -> bool:
    """Whether an endpoint is not in force for want of shadow models: where neither report has them, nothing is to be
    said."""
    return one.candidate is None and bool(why_absent(SCORES.get(one.name, ""), audit.shadows))


def _change(old: State, new: State) -> Change:
    if old == new:
        return "unchanged"
    if new == "open":
        return "became undecidable"
    return "better" if new == "pass" else "worse"


def _endpoint(old: Endpoint | ExampleEndpoint, new: Endpoint | ExampleEndpoint) -> Compared:
    change = _change(OF_DECISION[old.decision], OF_DECISION[new.decision])
    before, after = (
        Measure(one.decision, one.gap, one.interval or getattr(one, "simultaneous", None)) for one in (old, new)
    )
    distance = [None if one.gap is None else one.gap if one.sides == "upper" else abs(one.gap) for one in (old, new)]
    return Compared(old.name, before, after, change, _drift(*distance), _apart(before.interval, after.interval))


def _utility(old: Utility, new: Utility) -> Compared:
    change = _change(OF_UTILITY[old.decision], OF_UTILITY[new.decision])
    before, after = (Measure(one.decision, one.gap, one.interval) for one in (old, new))
    return Compared(
        f"utility {old.role}", before, after, change, _drift(-old.gap, -new.gap), _apart(old.interval, new.interval)
    )


def _drift(old: float | None, new: float | None) -> Drift:
    if old is None or new is None:
        return "not known"
    return "unchanged" if agree(old, new) else "closer" if new < old else "further"


def _apart(old: Interval | None, new: Interval | None) -> bool:
    return old is not None and new is not None and (old[1] < new[0] or new[1] < old[0])


def _unfair(old: Report, new: Report, pairs: Sequence[tuple[Audit, Audit]]) -> Iterator[str]:
    """What differs besides the candidates, margins first."""
    keys = sorted(asdict(old.policy), key=lambda key: not key.startswith("margin"))
    for key in keys:
        before, after = getattr(old.policy, key), getattr(new.policy, key)
        if before != after and key not in ("hash", "registered_hash", "changed"):
            yield f"policy, {key}: {shown(before)}, then {shown(after)}"
    for name, report in (("old", old), ("new", new)):
        if report.policy.changed:
            yield f"policy: in the {name} report it was changed after it was registered"
    modes = [report.audits[0].verdict.mode for report in (old, new)]
    if modes[0] != modes[1]:
        yield f"mode of the verdict: over {', then over '.join(modes)}"
    batteries = [_battery(report) for report in (old, new)]
    if batteries[0] != batteries[1]:
        yield f"battery: {', '.join(batteries[0])}, then {', '.join(batteries[1])}"
    if old.tool.version != new.tool.version:
        yield f"version of vestige: {one_line(old.tool.version, 40)}, then {one_line(new.tool.version, 40)}"
    yield from _other_data(old, new)
    if old.models.recipe != new.models.recipe:
        yield "recipe: the models were trained by another one"
    yield from _other_shadows(pairs)
    for before, after in pairs:
        sizes = before.reference.retrains, after.reference.retrains
        if sizes[0] != sizes[1]:
            yield f"retrains: {sizes[0]}, then {sizes[1]}"
        elif not _same_reference(before, after):
            yield "retrains: their values differ, so the reference or the data is another one"
        else:
            continue
        break


def _other_shadows(pairs: Sequence[tuple[Audit, Audit]]) -> Iterator[str]:
    """Shadows that differ, the first such pair: with more of them LiRA and U-LiRA see more. A candidate's own unlearned
    shadows are part of what is compared."""
    for before, after in pairs:
        old, new = (None if one.shadows is None else (one.shadows.bank, one.shadows.shadows) for one in (before, after))
        if old != new:
            words = ["none" if one is None else f"{one[1]} ({one_line(one[0], 40)})" for one in (old, new)]
            yield f"shadows: {words[0]}, then {words[1]}"
            return
        counts = [0 if one.shadows is None else one.shadows.unlearned for one in (before, after)]
        if counts[0] != counts[1]:
            yield f"unlearned shadows of {one_line(before.candidate, 40)}: {counts[0]}, then {counts[1]}"
            return


def _battery(report: Report) -> tuple[str, ...]:
    return tuple(f"{one_line(one.name, 20)} ({one_line(one.statistic, 80)})" for one in report.audits[0].endpoints)


def _other_data(old: Report, new: Report) -> Iterator[str]:
    # The fingerprint of an outputs file covers the candidate too; of data it does not.
    fields = ["forget", "unseen", "retain", "classes", "split"]
    if old.models.weights is not None and new.models.weights is not None:
        fields += ["source", "fingerprint"]
    for field in fields:
        before, after = getattr(old.data, field), getattr(new.data, field)
        if before != after:
            yield f"data, {field}: {shown(before)}, then {shown(after)}"
    if old.data.label_noise != new.data.label_noise:
        yield "data: other labels were made wrong"


def _same_reference(old: Audit, new: Audit) -> bool:
    values = {one.name: one.retrains for one in new.endpoints}
    return all(agree(one.retrains, values.get(one.name, one.retrains)) for one in old.endpoints)
