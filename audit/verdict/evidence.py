"""Everything measured about one candidate, from the outputs of all models."""

from dataclasses import dataclass, replace

import numpy as np

from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.signals.signals import SIGNALS
from vestige.audit.endpoints.calibration import row_digests
from vestige.audit.endpoints.curves import attack_results, curves, histograms, operating_points
from vestige.audit.endpoints.decisions import judge
from vestige.audit.endpoints.endpoints import Measured, measure
from vestige.audit.endpoints.preconditions import Identity, Standing, copies, examine, identify, retrain_name
from vestige.audit.endpoints.readings import Readings, judged_rows, read
from vestige.audit.endpoints.recognition import masked
from vestige.audit.endpoints.reference_check import reference_checks
from vestige.audit.endpoints.scores import Scores, score
from vestige.audit.endpoints.share import share_forgotten
from vestige.audit.endpoints.unseen import unseen_check
from vestige.audit.endpoints.utility import utility
from vestige.audit.exposure.counts import count_exposed
from vestige.audit.exposure.retained import retain_exposure
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Controls, Evidence, Reference, Scale
from vestige.audit.results.setting import Setting
from vestige.audit.results.shadows import ShadowTables
from vestige.learners.arrays import Indices
from vestige.learners.files.io import digest


def gather(
    outputs: Outputs,
    setting: Setting,
    policy: Policy,
    *,
    candidate_name: str = "candidate",
    plots: bool = True,
    controls: Controls | None = None,
    shadows: ShadowTables | None = None,
) -> Evidence:
    """The evidence on the candidate of ``outputs``: preconditions, endpoints, utility and what to plot.

    controls: of these retrains, from ``run_controls``. plots: False leaves operating points, report-only attacks,
    curves, histograms and single examples empty, which changes nothing about the verdict. shadows: scores against
    shadow models, on the rows ``judged_rows``, of every model of ``outputs``: retrains, candidate, original.
    DataError where there are too few unseen rows to part into calibration and evaluation, and for a model that answers
    every row alike. Source: docs/verdict.md.
    """
    if plots:
        outputs.signals(*SIGNALS)  # all in one reading
    examined = _examine(outputs, setting, policy, shadows)
    identity, scores, standing = examined.identity, examined.scores, examined.standing
    usefulness = utility(outputs, identity.kept, setting, policy)
    of_unseen = next((part for part in usefulness if part.role == "unseen"), None)
    evidence = Evidence(
        candidate=candidate_name,
        setting=setting,
        endpoints=judge(examined.measured, standing.effective, standing.problem, policy),
        utility=usefulness,
        reference=_reference(outputs, examined, policy),
        scale=_scales(examined.readings, scores, identity),
        no_op=identity.no_op,
        masked=masked(examined.readings),
        unseen_check=unseen_check(scores, of_unseen, policy),
        share_forgotten=None if standing.problem else share_forgotten(scores, policy),
        controls=controls,
        shadows=scores.shadows,
    )
    if not plots:
        return evidence
    names = tuple(map(retrain_name, identity.kept))
    rows, models = judged_rows(outputs, setting), _models(outputs, identity)
    signals = {name: table[models].take(rows, axis=1) for name, table in outputs.signals(*SIGNALS).items()}
    return replace(
        evidence,
        operating_points=operating_points(scores),
        attacks=attack_results(signals, scores),
        curves=curves(scores, [*names, "candidate", "original"][: len(scores.phi)]),
        histograms=histograms(scores),
        single_examples=count_exposed(scores, names),
        retained=None if standing.problem else retain_exposure(outputs, identity.kept, scores, policy),
    )


def preconditions(
    outputs: Outputs, setting: Setting, policy: Policy, *, shadows: ShadowTables | None = None
) -> Reference:
    """What is settled before the candidate is scored, to be written down beforehand.

    Nothing here depends on the candidate, except that retrains byte-equal to it are dropped. Of ``shadows`` only what
    depends on no method is looked at.
    """
    return stand(outputs, setting, policy, shadows)[2]


def stand(
    outputs: Outputs, setting: Setting, policy: Policy, shadows: ShadowTables | None = None
) -> tuple[tuple[Measured, ...], Standing, Reference]:
    """The endpoints, of which only the values of retrains and original may be used, and what these settle."""
    examined = _examine(outputs, setting, policy, None if shadows is None else shadows.of_bank())
    return examined.measured, examined.standing, _reference(outputs, examined, policy)


@dataclass(frozen=True, eq=False)
class _Examined:
    """The audited ``rows``, and readings, scores and endpoints of the retrains that are kept, the candidate and the
    original."""

    identity: Identity
    rows: Indices
    readings: Readings
    scores: Scores
    measured: tuple[Measured, ...]
    standing: Standing


def _examine(outputs: Outputs, setting: Setting, policy: Policy, shadows: ShadowTables | None) -> _Examined:
    identity, rows = identify(outputs), judged_rows(outputs, setting)
    readings = read(outputs, setting, identity.kept, policy.calibration_share)
    scores = score(readings)
    if shadows is not None:
        scores = scores.with_shadows(shadows.take(_models(outputs, identity)))
    measured = measure(scores, policy)
    problem = identity.problem or copies(scores.phi[: scores.retrains])
    return _Examined(identity, rows, readings, scores, measured, settle(scores, measured, policy, problem))


def settle(scores: Scores, measured: tuple[Measured, ...], policy: Policy, problem: str = "") -> Standing:
    """What retrains and original settle; problem: what outputs alone show to be wrong with the retrains."""
    checks = reference_checks(scores, measured[0])
    if problem:
        margins = {endpoint.name: endpoint.margin(policy) for endpoint in measured}
        return Standing(problem, margins, checks=checks)
    return examine(measured, checks, scores.has_original, policy)


def _models(outputs: Outputs, identity: Identity) -> list[int]:
    """Places of the retrains that are kept, candidate and original."""
    return [*identity.kept, *range(len(outputs.retrain), len(outputs.models))]


def _scales(readings: Readings, scores: Scores, identity: Identity) -> tuple[Scale, ...]:
    names = [*map(retrain_name, identity.kept), "candidate", "original"]
    lines = scores.alignments if len(scores.alignments) == len(readings.level) else (None,) * len(readings.level)
    return tuple(
        Scale(name, float(level), None if line is None else line.slope, line is None or line.followed)
        for name, level, line in zip(names, readings.level, lines, strict=False)
    )


def _reference(outputs: Outputs, examined: _Examined, policy: Policy) -> Reference:
    forget_classes, unseen_classes = (np.unique(outputs.labels[outputs.where(role)]) for role in ("forget", "unseen"))
    calibrating = np.sort(row_digests(outputs, examined.rows[examined.readings.calibration]))
    return replace(
        reference_of(examined.scores, examined.standing),
        dropped=tuple(map(retrain_name, examined.identity.dropped)),
        calibration_digest=digest(*(row.hex() for row in calibrating)),
        retain=int(outputs.where("retain").sum()),
        saturated=outputs.saturated,
        classes_without_unseen=len(np.setdiff1d(forget_classes, unseen_classes)),
    )


def reference_of(scores: Scores, standing: Standing) -> Reference:
    """What scores alone say about a reference."""
    forget, calibration, evaluation = scores.sizes
    return Reference(
        retrains=scores.retrains,
        dropped=(),
        problem=standing.problem,
        checks=standing.checks,
        original=scores.has_original,
        detecting=standing.detecting,
        firing=standing.firing,
        wide=standing.wide,
        short_of_power=standing.short,
        remedy=standing.remedy,
        forget=forget,
        unseen_calibration=calibration,
        unseen_evaluation=evaluation,
        calibration_digest="",
        retain=0,
        unit="example" if scores.people is None else "person",
    )
