"""The gate: reports verified, and the worst outcome over all candidates in them."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from vestige.audit.files.text import one_line
from vestige.audit.files.toml import MOST_BYTES
from vestige.audit.gate.cited_files import Cited, check
from vestige.audit.gate.files_at_hand import collect
from vestige.audit.gate.reading import read
from vestige.audit.gate.recompute.table import policy_of, verified
from vestige.audit.gate.text import count, shown
from vestige.audit.planning.plan_file import kept_name, read_plan
from vestige.audit.policy import Policy
from vestige.audit.report.hygiene import warnings as hygiene_warnings
from vestige.audit.results.evidence import Outcome
from vestige.audit.results.plan import PlanRecord
from vestige.audit.results.report import Audit, PolicyRecord, Report
from vestige.learners.errors import DataError
from vestige.learners.files.io import read_bounded

OUTCOMES: tuple[Outcome, ...] = ("FAIL", "INCONCLUSIVE", "PASS")
"""Worst first."""
OnInconclusive = Literal["fail", "warn"]


@dataclass(frozen=True)
class Requirement:
    """What the gate requires of reports.

    policy: that they were judged under. path, sha256: of its file, None for a ready profile. inconclusive: what the
    gate does with INCONCLUSIVE. allow_changed_policy: let through a report whose policy is not the one that was
    registered before scoring. leave_out_controls: do not count the controls of ``vestige run`` where they came out as
    controls must. require_plan: only a verdict under a plan that was kept counts as PASS, and under one of the plans
    given where there are any.
    """

    policy: Policy
    path: Path | None
    sha256: str | None
    inconclusive: OnInconclusive
    allow_changed_policy: bool = False
    leave_out_controls: bool = False
    require_plan: bool = False

    @classmethod
    def of(cls, policy: Policy, inconclusive: OnInconclusive | None = None) -> "Requirement":
        """A policy that no file holds; ``inconclusive`` overrides its own."""
        return cls(policy, None, None, inconclusive or policy.inconclusive)

    @classmethod
    def read(cls, path: Path, inconclusive: OnInconclusive | None = None) -> "Requirement":
        """The policy in a TOML file. ConfigError or DataError for one that is wrong or too large."""
        policy = Policy.read(path)
        content = read_bounded(path, MOST_BYTES, "a readable TOML policy file")
        return cls(policy, path, hashlib.sha256(content).hexdigest(), inconclusive or policy.inconclusive)

    @property
    def name(self) -> str:
        """The file's name, or the profile's."""
        return f"profile {self.policy.profile}" if self.path is None else one_line(self.path.name, 80)


@dataclass(frozen=True)
class GatedCandidate:
    """One candidate of one report. audit: its verdict is the one that follows from the evidence in the report.
    unplanned: None where no plan is required, empty where one was kept, else why the verdict does not count."""

    source: str
    report: Report
    audit: Audit
    unplanned: str | None = None

    @property
    def name(self) -> str:
        """The candidate's name, on one line."""
        return one_line(self.audit.candidate, 120)


@dataclass(frozen=True)
class Gate:
    """What the gate found. cited: every digest that the reports cite. remarks: what else a reader must know."""

    requirement: Requirement
    candidates: tuple[GatedCandidate, ...]
    cited: tuple[Cited, ...]
    remarks: tuple[str, ...]

    @property
    def outcome(self) -> Outcome:
        """The worst over all candidates of all reports; no PASS where a plan is required and was not kept."""
        worst = min((candidate.audit.verdict.outcome for candidate in self.candidates), key=OUTCOMES.index)
        return "INCONCLUSIVE" if worst == "PASS" and self.unplanned else worst

    @property
    def unplanned(self) -> tuple[GatedCandidate, ...]:
        """Candidates that were not judged under a plan that was kept, where one is required."""
        return tuple(candidate for candidate in self.candidates if candidate.unplanned)

    @property
    def passes(self) -> bool:
        """Whether the gate lets this through: PASS, or INCONCLUSIVE where that only warns. A plan that is required
        never only warns."""
        if self.unplanned:
            return False
        return self.outcome == "PASS" or (self.outcome == "INCONCLUSIVE" and self.requirement.inconclusive == "warn")

    @property
    def headline(self) -> str:
        """The first line: outcome, margins, counts, policy."""
        policy = self.requirement.policy
        outcomes = [candidate.audit.verdict.outcome for candidate in self.candidates]
        counts = ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in OUTCOMES if outcome in outcomes)
        line = (
            f"{self.outcome}: margins {policy.margins}; {count(len(outcomes), 'candidate')}: {counts}; "
            f"policy {self.requirement.name} ({policy.hash[:12]})"
        )
        if self.outcome == "INCONCLUSIVE" and self.passes:
            line += "; INCONCLUSIVE only warns here, it is not a PASS"
        if self.unplanned:
            line += f"; {count(len(self.unplanned), 'candidate')} not judged under a plan that was kept"
        return line


def gate(
    reports: Sequence[Path], requirement: Requirement, *, evidence: Sequence[Path] = (), plans: Sequence[Path] = ()
) -> Gate:
    """Verify the reports (files, or folders with a ``report.json``) and judge every candidate in them.

    evidence: files and folders in which to look for what the reports cite by digest. plans: plan files to check
    reports against; the copies beside reports are read anyway.
    DataError, in one sentence, for a report that cannot be read, was judged under another policy, whose verdict or
    numbers do not follow from what it states, or whose evidence is another file than it cites.
    Source: verdict.md, sections 4.2, 7 and 12.
    """
    accepted = {read_plan(path).hash for path in plans} if requirement.require_plan else set()
    entries = [_verify(path, requirement, accepted) for path in reports]
    at_hand = collect(evidence, plans, [plan for entry in entries for plan in entry.plans])
    cited = check([(entry.source, entry.report) for entry in entries], at_hand, requirement.policy)
    remarks = [remark for entry in entries for remark in entry.remarks]
    remarks += [f"ignored: {one_line(reason, 300)}" for reason in at_hand.ignored]
    candidates = tuple(candidate for entry in entries for candidate in entry.candidates)
    return Gate(requirement, candidates, cited, tuple(remarks))


@dataclass(frozen=True)
class _Verified:
    """One report. plans: the copy of its plan beside it, where there is one."""

    source: str
    report: Report
    candidates: tuple[GatedCandidate, ...]
    remarks: tuple[str, ...]
    plans: tuple[Path, ...]


def _verify(path: Path, requirement: Requirement, accepted: Collection[str]) -> _Verified:
    """One report, its numbers and sentences recomputed. accepted: hashes of plans, see ``_unplanned``."""
    source, report = one_line(str(path)), read(path)
    try:
        policy = policy_of(report.policy)
        _check_policy(report.policy, policy, requirement)
    except DataError as error:
        raise DataError(f"{source}: {error}") from None
    same_version = report.tool.version == version("vestige")
    audits = verified(source, report, policy, texts=same_version)
    controls = [audit for audit in audits if _is_control(audit)] if requirement.leave_out_controls else []
    counted = [audit for audit in audits if audit not in controls]
    if not counted:
        raise DataError(
            f"{source}: expected a candidate that is no control, got none; audit one, or count the controls"
        )
    record = report.audits[0].plan
    unplanned = _unplanned(record, accepted) if requirement.require_plan else None
    remarks = [*_remarks(report, controls)]
    if unplanned:
        remarks.append(unplanned)
    elif record is not None:
        remarks.append(f"{record.sentence}; the plan fixed {', '.join(record.bound)}")
    candidates = tuple(GatedCandidate(source, report, audit, unplanned) for audit in counted)
    plans = () if record is None else _beside(path, record)
    return _Verified(source, report, candidates, tuple(f"{source}: {remark}" for remark in remarks), plans)


def _check_policy(record: PolicyRecord, judged_under: Policy, requirement: Requirement) -> None:
    if judged_under.hash != requirement.policy.hash:
        theirs, required = asdict(judged_under), asdict(requirement.policy)
        differing = "; ".join(
            f"{key}: {shown(theirs[key])} in the report, {shown(required[key])} in the policy given"
            for key in theirs
            if theirs[key] != required[key]
        )
        raise DataError(
            f"expected a report judged under the policy given ({requirement.policy.hash[:12]}), got one judged under "
            f"another ({record.hash[:12]}): {differing}; give that policy, or audit again under this one"
        )
    if record.changed and not requirement.allow_changed_policy:
        raise DataError(
            f"{_changed_policy(record)}; audit again in a new folder, or allow it with --allow-changed-policy"
        )


def _changed_policy(record: PolicyRecord) -> str:
    return (
        f"the policy was changed after it was registered: {one_line(str(record.registered_hash)[:12])} was registered "
        f"before scoring, {record.hash[:12]} was applied"
    )


def _is_control(audit: Audit) -> bool:
    """A name is no proof: no_op must be byte-equal to the original, and a fresh_retrain that fails is counted."""
    name = None if audit.method is None else audit.method.name
    return (name == "no_op" and audit.no_op) or (name == "fresh_retrain" and audit.verdict.outcome != "FAIL")


def _remarks(report: Report, controls: Sequence[Audit]) -> Iterator[str]:
    record, own = report.policy, version("vestige")
    if record.registered_hash is None:
        yield "no policy was registered before scoring"
    elif record.changed:
        yield _changed_policy(record)
    if report.tool.version != own:
        yield (
            f"written by version {one_line(report.tool.version, 40)}, this is {own}: numbers and verdict were "
            "recomputed, its sentences were not compared"
        )
    for audit in controls:
        yield f"control {one_line(audit.candidate, 60)!r} not counted: {audit.verdict.outcome}"
    for warning in hygiene_warnings(report):
        yield f"data and models: {one_line(warning, 400)}"


def _unplanned(record: PlanRecord | None, accepted: Collection[str]) -> str:
    """Empty, or why a verdict does not count where a plan is required; accepted: hashes of plans, of which it must be
    one where there are any."""
    if record is None:
        return "judged under no plan"
    if accepted and record.hash not in accepted:
        return f"judged under another plan ({record.hash[:12]}) than was given"
    return "" if record.kept else record.sentence


def _beside(path: Path, record: PlanRecord) -> tuple[Path, ...]:
    file = (path if path.is_dir() else path.parent) / kept_name(record.hash)
    return (file,) if file.is_file() else ()
