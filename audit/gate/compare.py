"""Two reports side by side: what got better, what worse, what became undecidable."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Literal, NamedTuple

from vestige.audit.endpoints.endpoints import SHADOWED
from vestige.audit.files.text import one_line
from vestige.audit.gate.formats.cases import STATES
from vestige.audit.gate.reading import read
from vestige.audit.gate.recompute.claims import agree
from vestige.audit.gate.text import shown
from vestige.audit.results.evidence import Outcome
from vestige.audit.results.figures import Interval
from vestige.audit.results.report import Audit, Report

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
    """unfair: what differs apart from the candidates, so that a change may not be theirs. only_old, only_new:
    candidates that are in one report alone."""

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
    both = [(before[name], after[name]) for name in before if name in after]
    return Comparison(
        unfair=tuple(_unfair(old, new, both)),
        pairs=tuple(_pair(*audits) for audits in both),
        only_old=tuple(name for name in before if name not in after),
        only_new=tuple(name for name in after if name not in before),
    )


class _Part(NamedTuple):
    """away: how far the candidate is from the retrains, on the side that counts. untried: not computed for want of
    shadow models; where neither report has them, nothing is to be said."""

    measure: Measure
    away: float | None
    untried: bool = False


def _pair(old: Audit, new: Audit) -> Pair:
    before, after = _parts(old), _parts(new)
    both = [name for name in before if name in after and not (before[name].untried and after[name].untried)]
    return Pair(
        candidate=old.candidate,
        old=old.verdict.outcome,
        new=new.verdict.outcome,
        old_reasons=old.verdict.codes,
        new_reasons=new.verdict.codes,
        change=_change(old.verdict.outcome, new.verdict.outcome),
        parts=tuple(_compared(name, before[name], after[name]) for name in both),
    )


def _parts(audit: Audit) -> dict[str, _Part]:
    """Endpoints, and utility on each role."""
    parts = {}
    for endpoint in audit.endpoints:
        away = endpoint.gap if endpoint.gap is None or endpoint.sides == "upper" else abs(endpoint.gap)
        untried = endpoint.candidate is None and endpoint.name in SHADOWED
        parts[endpoint.label] = _Part(Measure(endpoint.decision, endpoint.gap, endpoint.interval), away, untried)
    for utility in audit.utility:
        measure = Measure(utility.decision, utility.gap, utility.interval)
        parts[f"utility {utility.role}"] = _Part(measure, -utility.gap)
    return parts


def _compared(name: str, old: _Part, new: _Part) -> Compared:
    before, after = old.measure, new.measure
    change = _change(before.decision, after.decision)
    clear = _apart(before.interval, after.interval)
    return Compared(name, before, after, change, _drift(old.away, new.away), clear)


def _change(before: str, after: str) -> Change:
    """Of outcomes or of decisions."""
    old, new = STATES[before], STATES[after]
    if old == new:
        return "unchanged"
    if new == "open":
        return "became undecidable"
    return "better" if new == "pass" else "worse"


def _apart(old: Interval | None, new: Interval | None) -> bool:
    return old is not None and new is not None and (old[1] < new[0] or new[1] < old[0])


def _drift(old: float | None, new: float | None) -> Drift:
    if old is None or new is None:
        return "not known"
    return "unchanged" if agree(old, new) else "closer" if new < old else "further"


def _unfair(old: Report, new: Report, pairs: Sequence[tuple[Audit, Audit]]) -> Iterator[str]:
    """What differs apart from the candidates, margins first."""
    keys = sorted(asdict(old.policy), key=lambda key: not key.startswith("margin"))
    for key in keys:
        if key not in ("hash", "registered_hash", "changed"):
            yield from _differs(f"policy, {key}", getattr(old.policy, key), getattr(new.policy, key), shown)
    for name, report in (("old", old), ("new", new)):
        if report.policy.changed:
            yield f"policy: in the {name} report it was changed after it was registered"
    yield from _differs("setting", old.audits[0].setting.words, new.audits[0].setting.words)
    yield from _differs("battery", _battery(old), _battery(new))
    yield from _differs("version of vestige", old.tool.version, new.tool.version, lambda text: one_line(str(text), 40))
    yield from _other_data(old, new)
    if old.models.recipe != new.models.recipe:
        yield "recipe: the models were trained by another one"
    yield from _first(_other_shadows(before, after) for before, after in pairs)
    yield from _first(_other_retrains(before, after) for before, after in pairs)


def _differs(what: str, old: object, new: object, words: Callable[[object], str] = str) -> Iterator[str]:
    if old != new:
        yield f"{what}: {words(old)}, then {words(new)}"


def _first(lines: Iterable[Iterator[str]]) -> Iterator[str]:
    """Of what is mostly the same in all pairs of candidates, the first line."""
    yield from islice(chain.from_iterable(lines), 1)


def _other_shadows(old: Audit, new: Audit) -> Iterator[str]:
    """With more shadows LiRA and U-LiRA see more. A candidate's own unlearned shadows are part of what is compared."""
    yield from _differs("shadows", _bank(old), _bank(new))
    before, after = (0 if audit.shadows is None else audit.shadows.unlearned for audit in (old, new))
    yield from _differs(f"unlearned shadows of {one_line(old.candidate, 40)}", before, after)


def _bank(audit: Audit) -> str:
    return "none" if audit.shadows is None else f"{audit.shadows.shadows} ({one_line(audit.shadows.bank, 40)})"


def _other_retrains(old: Audit, new: Audit) -> Iterator[str]:
    yield from _differs("retrains", old.reference.retrains, new.reference.retrains)
    values = {endpoint.label: endpoint.retrains for endpoint in new.endpoints}
    if not all(agree(endpoint.retrains, values.get(endpoint.label, endpoint.retrains)) for endpoint in old.endpoints):
        yield "retrains: their values differ, so the reference or the data is another one"


def _battery(report: Report) -> str:
    primary = ", ".join(one_line(endpoint.label, 30) for endpoint in report.audits[0].endpoints if endpoint.primary)
    return f"{report.battery} ({primary} for PASS)"


def _other_data(old: Report, new: Report) -> Iterator[str]:
    # The fingerprint of an outputs file covers the candidate too; of data it does not.
    fields = ["forget", "unseen", "retain", "classes", "split"]
    if old.models.weights is not None and new.models.weights is not None:
        fields += ["source", "fingerprint"]
    for field in fields:
        yield from _differs(f"data, {field}", getattr(old.data, field), getattr(new.data, field), shown)
    if old.data.label_noise != new.data.label_noise:
        yield "data: other labels were made wrong"
