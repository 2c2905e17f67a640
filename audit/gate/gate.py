"""The gate: reports verified, and the worst outcome over all candidates in them."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from vestige.audit.files.text import one_line
from vestige.audit.files.toml import MOST_BYTES
from vestige.audit.gate.cited_files import Cited, check
from vestige.audit.gate.files_at_hand import collect
from vestige.audit.gate.reading import read
from vestige.audit.gate.recompute import consistency, plan
from vestige.audit.gate.recompute.canaries import of_canaries
from vestige.audit.gate.recompute.difference import Difference
from vestige.audit.gate.recompute.groups import of_retained
from vestige.audit.gate.recompute.hygiene import of_hygiene, remarks_on
from vestige.audit.gate.recompute.verdict import recompute
from vestige.audit.gate.text import count, shown
from vestige.audit.planning.plan_file import read_plan
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Outcome
from vestige.audit.results.report import Audit, PolicyRecord, Report
from vestige.learners.errors import DataError
from vestige.learners.files.io import read_bounded

OUTCOMES: tuple[Outcome, ...] = ("FAIL", "INCONCLUSIVE", "PASS")
"""Worst first."""
AGAIN = "take the report as vestige wrote it, or audit again"


@dataclass(frozen=True)
class Requirement:
    """The policy that a gate holds reports to. path, sha256: of its file, None for a ready profile. inconclusive: what
    the gate does with INCONCLUSIVE."""

    policy: Policy
    path: Path | None
    sha256: str | None
    inconclusive: Literal["fail", "warn"]

    @classmethod
    def of(cls, policy: Policy, inconclusive: Literal["fail", "warn"] | None = None) -> "Requirement":
        """A policy that no file holds; ``inconclusive`` overrides its own."""
        return cls(policy, None, None, inconclusive or policy.inconclusive)

    @classmethod
    def read(cls, path: Path, inconclusive: Literal["fail", "warn"] | None = None) -> "Requirement":
        """The policy in a TOML file. ConfigError or DataError for one that is wrong or too large."""
        policy = Policy.read(path)
        content = read_bounded(path, MOST_BYTES, "a readable TOML policy file")
        return cls(policy, path, hashlib.sha256(content).hexdigest(), inconclusive or policy.inconclusive)

    @property
    def name(self) -> str:
        """The file's name, or the profile's."""
        return f"profile {self.policy.profile}" if self.path is None else one_line(self.path.name, 80)


@dataclass(frozen=True)
class Judged:
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
    """What the gate found. cited: every digest that the reports cite. remarks: what a reader must know besides."""

    requirement: Requirement
    candidates: tuple[Judged, ...]
    cited: tuple[Cited, ...]
    remarks: tuple[str, ...]

    @property
    def outcome(self) -> Outcome:
        """The worst over all candidates of all reports; no PASS where a plan is required and was not kept."""
        worst = min((one.audit.verdict.outcome for one in self.candidates), key=OUTCOMES.index)
        return "INCONCLUSIVE" if worst == "PASS" and self.unplanned else worst

    @property
    def unplanned(self) -> tuple[Judged, ...]:
        """Candidates that were not judged under a plan that was kept, where one is required."""
        return tuple(one for one in self.candidates if one.unplanned)

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
        outcomes = [one.audit.verdict.outcome for one in self.candidates]
        counts = ", ".join(f"{outcomes.count(one)} {one}" for one in OUTCOMES if one in outcomes)
        line = (
            f"{self.outcome}: {policy.margins}; {count(len(outcomes), 'candidate')}: {counts}; "
            f"policy {self.requirement.name} ({policy.hash[:12]})"
        )
        if self.outcome == "INCONCLUSIVE" and self.passes:
            line += "; INCONCLUSIVE only warns here, it is not a PASS"
        if self.unplanned:
            line += f"; {count(len(self.unplanned), 'candidate')} not judged under a plan that was kept"
        return line


def gate(
    reports: Sequence[Path],
    requirement: Requirement,
    *,
    evidence: Sequence[Path] = (),
    allow_changed_policy: bool = False,
    leave_out_controls: bool = False,
    plans: Sequence[Path] = (),
    require_plan: bool = False,
) -> Gate:
    """Verify the reports (files, or folders with a ``report.json``) and judge every candidate in them.

    evidence: files and folders in which to look for what the reports cite by digest. allow_changed_policy: let through
    a report whose policy is not the one that was registered before scoring. leave_out_controls: do not count the
    controls of ``vestige run`` where they came out as controls must. plans: plan files to check reports against; the
    copies beside reports are looked at anyway. require_plan: only a verdict under a plan that was kept counts as PASS,
    and under one of ``plans`` where there are any.
    DataError, in one sentence, for a report that cannot be read, was judged under another policy, whose verdict or
    numbers do not follow from what it states, or whose evidence is another file than it cites.
    Source: verdict.md, sections 4.2, 7 and 12.
    """
    own = version("vestige")
    found, remarks, candidates = [], [], []
    beside: list[Path] = []
    accepted = {read_plan(path).hash for path in plans} if require_plan else set()
    for path in reports:
        source, report = one_line(str(path)), read(path)
        try:
            policy = consistency.policy_of(report.policy)
        except DataError as error:
            raise DataError(f"{source}: {error}") from None
        _refuse_other_policy(source, report.policy, policy, requirement.policy)
        remarks += _registered(source, report.policy, allow_changed_policy)
        texts = report.tool.version == own
        if not texts:
            remarks.append(
                f"{source}: written by version {one_line(report.tool.version, 40)}, this is {own}: numbers and verdict "
                "were recomputed, its sentences were not compared"
            )
        audits = _verified(source, report, policy, texts)
        if leave_out_controls:
            audits, left_out = _without_controls(source, audits)
            remarks += left_out
        remarks += remarks_on(source, report)
        record = report.audits[0].plan
        lacks = plan.unplanned(record, accepted) if require_plan else None
        if lacks or record is not None:
            remarks.append(f"{source}: {lacks or plan.in_words(record)}")
        copy = plan.beside(path, report)
        beside += [] if copy is None else [copy]
        candidates += [Judged(source, report, audit, lacks) for audit in audits]
        found.append((source, report))
    at_hand = collect(evidence, plans, beside)
    remarks += [f"ignored: {one_line(one, 300)}" for one in at_hand.ignored]
    return Gate(requirement, tuple(candidates), check(found, at_hand), tuple(remarks))


def _without_controls(source: str, audits: Sequence[Audit]) -> tuple[list[Audit], list[str]]:
    """The candidates that count, and a remark for each control.

    A name is no proof: no_op must be byte-equal to the original, and a fresh_retrain that fails is counted.
    """
    controls = [
        audit
        for audit in audits
        if audit.method is not None
        and (
            (audit.method.name == "no_op" and audit.no_op)
            or (audit.method.name == "fresh_retrain" and audit.verdict.outcome != "FAIL")
        )
    ]
    rest = [audit for audit in audits if audit not in controls]
    if not rest:
        raise DataError(
            f"{source}: expected a candidate besides the controls, got none; audit one, or count the controls"
        )
    return rest, [
        f"{source}: control {one_line(one.candidate, 60)!r} not counted: {one.verdict.outcome}" for one in controls
    ]


def _verified(source: str, report: Report, policy: Policy, texts: bool) -> list[Audit]:
    wrong = list(consistency.of_report(report, texts=texts))
    _refuse(source, wrong)  # sizes are what the rest is computed from
    wrong += plan.of_plan(report, policy)
    verified = []
    for audit in report.audits:
        for check_part in (
            consistency.of_drawings,
            consistency.of_utility,
            consistency.of_baseline,
            of_retained,
            of_canaries,
        ):
            wrong += check_part(audit, policy)
        verdict, found = recompute(audit, policy, texts=texts)
        wrong += found
        verified.append(replace(audit, verdict=verdict))
    wrong += of_hygiene(report, texts=texts)
    _refuse(source, wrong)
    return verified


def _refuse(source: str, wrong: Sequence[Difference]) -> None:
    if not wrong:
        return
    # A changed value drags the verdict along; what it was changed in says more.
    first = min(wrong, key=lambda one: one.part == "verdict")
    whose = f"candidate {one_line(first.candidate, 60)!r}, " if first.candidate else ""
    more = f" ({len(wrong) - 1} more do not follow)" if len(wrong) > 1 else ""
    stated, recomputed = (one_line(shown(value), 160) for value in (first.stated, first.recomputed))
    raise DataError(
        f"{source}: {whose}{first.part}, {first.field}: expected {recomputed}, recomputed from what the report states, "
        f"got {stated}{more}; {AGAIN}"
    )


def _refuse_other_policy(source: str, record: PolicyRecord, judged_under: Policy, required: Policy) -> None:
    if judged_under.hash == required.hash:
        return
    theirs, ours = asdict(judged_under), asdict(required)
    differing = "; ".join(
        f"{key}: {shown(theirs[key])} in the report, {shown(ours[key])} in the policy given"
        for key in theirs
        if theirs[key] != ours[key]
    )
    raise DataError(
        f"{source}: expected a report judged under the policy given ({required.hash[:12]}), got one judged under "
        f"another ({record.hash[:12]}): {differing}; give that policy, or audit again under this one"
    )


def _registered(source: str, record: PolicyRecord, allowed: bool) -> list[str]:
    if record.registered_hash is None:
        return [f"{source}: no policy was registered before scoring"]
    if not record.changed:
        return []
    what = (
        f"{source}: the policy was changed after it was registered: {one_line(record.registered_hash[:12])} was "
        f"registered before scoring, {record.hash[:12]} was applied"
    )
    if not allowed:
        raise DataError(f"{what}; audit again in a new folder, or allow it with --allow-changed-policy")
    return [what]
