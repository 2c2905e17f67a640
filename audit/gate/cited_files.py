"""Does what a report cites by digest agree with the files at hand?"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from vestige.audit.files.text import one_line
from vestige.audit.gate.files_at_hand import (
    AtHand,
    CheckpointFile,
    OutputsFile,
    PlanAtHand,
    RegistrationFile,
    subjects_of,
)
from vestige.audit.gate.recompute.plan import confirm
from vestige.audit.results.report import Audit, Report, flat_parameters
from vestige.learners.errors import DataError

State = Literal["checked", "not at hand", "not checkable"]


@dataclass(frozen=True)
class Cited:
    """Something that a report cites by its digest.

    kind: outputs, data, weights, registration or plan. candidate: whose weights, None for anything else. state:
    ``checked``: recomputed from ``file`` and equal; ``not checkable``: not a digest of any file. sha256: of the file
    itself, where it is a checkpoint.
    """

    report: str
    kind: Literal["outputs", "data", "weights", "registration", "plan"]
    what: str
    digest: str
    state: State
    file: str | None = None
    candidate: str | None = None
    sha256: str | None = None


def check(reports: Sequence[tuple[str, Report]], at_hand: AtHand) -> tuple[Cited, ...]:
    """Every digest that the reports cite, and whether a file at hand confirms it.

    A file that should be the cited one, by its name (outputs), its header (checkpoints) or its subject or sizes
    (registrations), and has another digest, is refused (DataError); so is a file that was named and confirms nothing.
    """
    cited = tuple(one for source, report in reports for one in _cited(source, report, at_hand))
    used = {one.file for one in cited}
    for path in at_hand.named:
        if str(path) not in used:
            raise DataError(
                f"{path}: expected a file that the report cites, got one whose digest is cited nowhere; give the file "
                "that was audited, or leave it out"
            )
    return cited


def _cited(source: str, report: Report, at_hand: AtHand) -> Iterator[Cited]:
    from_outputs = report.models.weights is None and report.models.recipe is None
    outputs = _outputs(source, report, at_hand) if from_outputs else None
    if outputs is not None:
        yield outputs
    elif report.data.fingerprint is not None:
        what = f"pixels and labels of {one_line(report.data.source, 60)!r}"
        yield Cited(source, "data", what, report.data.fingerprint, "not checkable")
    yield from _weights(source, report, at_hand)
    registered = report.policy.registered_hash
    if registered is not None:
        yield _registration(source, report, registered, at_hand, outputs)
    plan = report.audits[0].plan
    if plan is not None:
        found = next((one for one in at_hand.plans if one.plan.hash == plan.hash), None)
        if found is not None:
            confirm(source, report, found.plan, None if outputs is None or outputs.file is None else Path(outputs.file))
        yield _confirmed(Cited(source, "plan", f"plan registered {plan.registered}", plan.hash, "not at hand"), found)


def _outputs(source: str, report: Report, at_hand: AtHand) -> Cited | None:
    stated = report.data.fingerprint
    if stated is None:
        return None
    name = one_line(report.data.source, 60)
    found = next((one for one in at_hand.outputs if one.digest == stated), None)
    if found is None:
        _refuse_impostor(
            f"outputs file {name!r}",
            stated,
            [(one.path, one.digest) for one in at_hand.outputs if one.path.name == report.data.source],
        )
    return _confirmed(Cited(source, "outputs", f"outputs file {name!r}", stated, "not at hand"), found)


def _weights(source: str, report: Report, at_hand: AtHand) -> Iterator[Cited]:
    weights, seeds = report.models.weights, report.models.seeds
    if weights is not None:
        own_seed = None if seeds is None else seeds.original
        if weights.original is not None:
            yield _checkpoint(source, "the original", weights.original, _trained(report, "original", own_seed), at_hand)
        retrain_seeds: tuple[int | None, ...] = (None,) * len(weights.retrains) if seeds is None else seeds.retrains
        for k, (digest, seed) in enumerate(zip(weights.retrains, retrain_seeds, strict=False), start=1):
            yield _checkpoint(source, f"retrain {k}", digest, _trained(report, "retrain", seed), at_hand)
    for audit in report.audits:
        if audit.weights is not None:
            what = f"candidate {one_line(audit.candidate, 60)!r}"
            yield _checkpoint(source, what, audit.weights, _unlearned(report, audit), at_hand, audit.candidate)


Claim = Callable[[CheckpointFile], bool]
"""Whether a checkpoint, by its header, should be the cited one."""


def _trained(report: Report, role: str, seed: int | None) -> Claim:
    return lambda one: seed is not None and one.header.role == role and one.header.seed == seed and _same(report, one)


def _unlearned(report: Report, audit: Audit) -> Claim:
    if audit.method is None:
        return lambda one: False
    name, parameters = audit.method.name, audit.method.parameters
    return lambda one: (
        one.header.role == "candidate"
        and one.header.method == name
        and dict(flat_parameters(one.header.parameters or {})) == parameters
        and _same(report, one)
    )


def _same(report: Report, one: CheckpointFile) -> bool:
    recipe: Mapping[str, object] = asdict(one.header.recipe)
    return one.header.data == report.data.fingerprint and recipe == report.models.recipe


def _checkpoint(
    source: str, what: str, stated: str, claims: Claim, at_hand: AtHand, candidate: str | None = None
) -> Cited:
    own = [one for one in at_hand.checkpoints if one.weights == stated]
    found = min(own, key=lambda one: not claims(one), default=None)
    if found is None:
        _refuse_impostor(
            f"the weights of {what}", stated, [(one.path, one.weights) for one in at_hand.checkpoints if claims(one)]
        )
    unconfirmed = Cited(source, "weights", f"weights of {what}", stated, "not at hand", candidate=candidate)
    return _confirmed(unconfirmed, found)


def _registration(source: str, report: Report, stated: str, at_hand: AtHand, outputs: Cited | None) -> Cited:
    subjects = subjects_of(Path(outputs.file)) if outputs is not None and outputs.file is not None else frozenset()
    own = [one for one in at_hand.registrations if _belongs(report, one, subjects)]
    found = next((one for one in own if one.policy_hash == stated), None)
    if found is None:
        _refuse_impostor("the registered policy", stated, [(one.path, one.policy_hash) for one in own])
    what = "registered policy" if subjects or found is None else "registered policy (matched by sizes)"
    return _confirmed(Cited(source, "registration", what, stated, "not at hand"), found)


def _belongs(report: Report, one: RegistrationFile, subjects: Set[str]) -> bool:
    """Whether this is the registration of the report's audit: by what it was made for, where that is at hand, else by
    its sizes."""
    if subjects:
        return one.subject in subjects
    reference, made_for = report.audits[0].reference, one.preconditions
    names = ("forget", "unseen_calibration", "unseen_evaluation", "retain")
    sizes = [made_for[name] if isinstance(made_for.get(name), int) else 0 for name in names]
    unseen = reference.unseen_calibration + reference.unseen_evaluation
    return (sizes[0], sizes[1] + sizes[2], sizes[3]) == (reference.forget, unseen, reference.retain)


def _refuse_impostor(what: str, stated: str, others: Sequence[tuple[Path, str]]) -> None:
    if others:
        path, own = others[0]
        raise DataError(
            f"{path}: expected {what} with digest {one_line(stated[:16])} as the report cites it, got {own[:16]}: the "
            "file is another one than was audited; give that file, or audit again"
        )


def _confirmed(cited: Cited, found: OutputsFile | CheckpointFile | RegistrationFile | PlanAtHand | None) -> Cited:
    if found is None:
        return cited
    sha256 = found.sha256 if isinstance(found, CheckpointFile) else None
    return replace(cited, state="checked", file=str(found.path), sha256=sha256)
