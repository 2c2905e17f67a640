"""Does what a report cites by digest agree with the files at hand?"""

import hashlib
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vestige.audit.files.text import one_line
from vestige.audit.gate.files_at_hand import AtHand, FileAtHand, Kind, Registration
from vestige.audit.gate.recompute.plan import confirm, readings
from vestige.audit.planning.plan_file import PlanFile
from vestige.audit.planning.registration import subject
from vestige.audit.policy import Policy
from vestige.audit.results.report import Audit, Report, flat_parameters
from vestige.learners.errors import DataError

if TYPE_CHECKING:
    from vestige.learners.training.checkpoints import Checkpoint

State = Literal["checked", "not at hand", "not checkable"]


@dataclass(frozen=True)
class Cited:
    """Something that a report cites by its digest.

    candidate: whose weights, None for anything else. state: ``checked``: recomputed from ``file`` and equal;
    ``not checkable``: not a digest of any file. sha256: of the file itself, where it is a checkpoint.
    """

    report: str
    kind: Kind
    what: str
    digest: str
    state: State = "not at hand"
    file: str | None = None
    candidate: str | None = None
    sha256: str | None = None


def check(reports: Sequence[tuple[str, Report]], at_hand: AtHand, policy: Policy) -> tuple[Cited, ...]:
    """Every digest that the reports, judged under ``policy``, cite, and whether a file at hand confirms it.

    A file that should be the cited one, by its name (outputs), its header (checkpoints) or its subject or sizes
    (registrations), and has another digest, is refused (DataError); so is a file that was named and confirms nothing.
    """
    cited = tuple(entry for source, report in reports for entry in _cited(source, report, at_hand, policy))
    used = {entry.file for entry in cited}
    for path in at_hand.named:
        if str(path) not in used:
            raise DataError(
                f"{path}: expected a file that the report cites, got one whose digest is cited nowhere; give the file "
                "that was audited, or leave it out"
            )
    return cited


Claim = Callable[[FileAtHand], bool]
"""Whether a file, by what it says of itself, should be the cited one."""


def _cited(source: str, report: Report, at_hand: AtHand, policy: Policy) -> Iterator[Cited]:
    fingerprint, data, outputs = report.data.fingerprint, one_line(report.data.source, 60), None
    if fingerprint is not None and report.models.weights is None and report.models.recipe is None:
        cited = Cited(source, "outputs", f"outputs file {data!r}", fingerprint)
        cited = _confirmed(cited, at_hand.of("outputs"), lambda file: file.path.name == report.data.source)
        outputs = None if cited.file is None else Path(cited.file)
        yield cited
    elif fingerprint is not None:
        yield Cited(source, "data", f"pixels and labels of {data!r}", fingerprint, "not checkable")
    for what, digest, claim, candidate in _models(report):
        cited = Cited(source, "weights", f"weights of {what}", digest, candidate=candidate)
        yield _confirmed(cited, at_hand.of("weights"), claim)
    if report.policy.registered_hash is not None:
        yield _registration(
            Cited(source, "registration", "registered policy", report.policy.registered_hash), report, at_hand, outputs
        )
    plan = report.audits[0].plan
    if plan is not None:
        file = next((file for file in at_hand.of("plan") if file.digest == plan.hash), None)
        if file is not None and isinstance(file.content, PlanFile):
            try:
                confirm(report, policy, file.content, outputs)
            except DataError as error:
                raise DataError(f"{source}: {error}") from None
        cited = Cited(source, "plan", f"plan registered {plan.registered}", plan.hash)
        yield cited if file is None else _checked(cited, file)


def _models(report: Report) -> Iterator[tuple[str, str, Claim, str | None]]:
    """Of every model with a digest: its name, that digest, which checkpoints claim to be it, and which candidate."""
    weights, seeds = report.models.weights, report.models.seeds
    if weights is not None:
        if weights.original is not None:
            claim = _trained(report, "original", None if seeds is None else seeds.original)
            yield "the original", weights.original, claim, None
        retrain_seeds: tuple[int | None, ...] = (None,) * len(weights.retrains) if seeds is None else seeds.retrains
        for k, (digest, seed) in enumerate(zip(weights.retrains, retrain_seeds, strict=False), start=1):
            yield f"retrain {k}", digest, _trained(report, "retrain", seed), None
    for audit in report.audits:
        if audit.weights is not None:
            name = f"candidate {one_line(audit.candidate, 60)!r}"
            yield name, audit.weights, _unlearned(report, audit), audit.candidate


def _trained(report: Report, role: str, seed: int | None) -> Claim:
    return _header(report, lambda header: seed is not None and header.role == role and header.seed == seed)


def _unlearned(report: Report, audit: Audit) -> Claim:
    method = audit.method
    if method is None:
        return lambda file: False
    return _header(
        report,
        lambda header: (
            header.role == "candidate"
            and header.method == method.name
            and dict(flat_parameters(header.parameters or {})) == method.parameters
        ),
    )


def _header(report: Report, fits: "Callable[[Checkpoint], bool]") -> Claim:
    """Checkpoints whose header fits, and names the report's data and recipe."""

    def claim(file: FileAtHand) -> bool:
        header: Checkpoint = file.content  # type: ignore[assignment]  # of a checkpoint, without importing torch
        of_report = header.data == report.data.fingerprint and asdict(header.recipe) == report.models.recipe
        return of_report and fits(header)

    return claim


def _registration(cited: Cited, report: Report, at_hand: AtHand, outputs: Path | None) -> Cited:
    subjects = frozenset(() if outputs is None else map(subject, readings(outputs)))
    files = [file for file in at_hand.of("registration") if _belongs(report, file, subjects)]
    confirmed = _confirmed(cited, files, lambda file: True)
    by_sizes = not subjects and confirmed.state == "checked"
    return replace(confirmed, what=f"{cited.what} (matched by sizes)") if by_sizes else confirmed


def _belongs(report: Report, file: FileAtHand, subjects: Set[str]) -> bool:
    """Whether this is the registration of the report's audit: by what it was made for, where that is at hand, else by
    its sizes."""
    registration = file.content
    if not isinstance(registration, Registration):
        return False
    if subjects:
        return registration.subject in subjects
    names = ("forget", "unseen_calibration", "unseen_evaluation", "retain")
    values = [registration.preconditions.get(name) for name in names]
    forget, calibration, evaluation, retain = (value if isinstance(value, int) else 0 for value in values)
    reference = report.audits[0].reference
    unseen = reference.unseen_calibration + reference.unseen_evaluation
    return (forget, calibration + evaluation, retain) == (reference.forget, unseen, reference.retain)


def _confirmed(cited: Cited, files: Sequence[FileAtHand], claims: Claim) -> Cited:
    """Checked where a file has the cited digest, one that claims to be it first; DataError where none has it and one
    claims to be it."""
    equal = [file for file in files if file.digest == cited.digest]
    if equal:
        return _checked(cited, min(equal, key=lambda file: not claims(file)))
    for file in files:
        if claims(file):
            raise DataError(
                f"{file.path}: expected {cited.what} with digest {one_line(cited.digest[:16])} as the report cites, "
                f"got {file.digest[:16]}: the file is another one than was audited; give that file, or audit again"
            )
    return cited


def _checked(cited: Cited, file: FileAtHand) -> Cited:
    sha256 = None
    if file.kind == "weights":
        with file.path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return replace(cited, state="checked", file=str(file.path), sha256=sha256)
