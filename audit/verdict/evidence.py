"""Everything measured about one candidate, from the outputs of all models."""

from dataclasses import replace

import numpy as np

from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.signals.signals import SIGNALS
from vestige.audit.endpoints.baseline import baseline
from vestige.audit.endpoints.curves import attack_results, curves, histograms, operating_points
from vestige.audit.endpoints.endpoints import Measured, measure
from vestige.audit.endpoints.groups import find_groups, judge_groups, measure_groups
from vestige.audit.endpoints.preconditions import Identity, Standing, examine, identify, retrain_name
from vestige.audit.endpoints.scores import READ, Scores, audited, audited_signals, people_of, score_signals
from vestige.audit.endpoints.utility import utility
from vestige.audit.exchangeable.measurement import over_examples
from vestige.audit.exposure.counts import count_exposed
from vestige.audit.exposure.retained import retain_exposure
from vestige.audit.policy import Policy
from vestige.audit.results.evidence import Controls, Evidence, Reference
from vestige.audit.results.exchangeable import Declaration
from vestige.audit.results.shadows import ShadowTables

ELSEWHERE = "decided over examples, by X1 to Y3"
"""Why an endpoint against retrains decides nothing in the second mode."""


def gather(
    outputs: Outputs,
    policy: Policy,
    *,
    candidate_name: str = "candidate",
    plots: bool = True,
    controls: Controls | None = None,
    declared: Declaration | None = None,
    shadows: ShadowTables | None = None,
) -> Evidence:
    """The evidence on the candidate of ``outputs``: preconditions, endpoints, utility, baseline and what to plot.

    controls: of these retrains, from ``run_controls``. plots: False leaves operating points, report-only attacks,
    curves, histograms and single examples empty, which changes nothing about the verdict. declared: who declares
    exchangeable forget and unseen examples, so that fewer than three retrains are judged over examples. shadows: scores
    against shadow models, on the forget and unseen rows, of every model of ``outputs``: retrains, candidate, original.
    Without any retrain and a declaration this is a screening: what the candidate shows against unseen examples, and no
    endpoint. DataError when there are too few unseen rows to part into calibration and evaluation.
    Source: verdict.md, sections 4 to 6.
    """
    if plots:
        outputs.signals(*SIGNALS)  # all in one reading
    identity = identify(outputs)
    scores, measured, standing = _examined(outputs, identity, policy, shadows)
    exchangeable = over_examples(outputs, scores, identity.kept, declared, policy)
    problem = standing.problem or (ELSEWHERE if exchangeable else "")
    groups = find_groups(scores, None if outputs.group is None else outputs.group[audited(outputs)])
    parts = judge_groups(measured, groups, measure_groups(groups, policy), replace(standing, problem=problem), policy)
    evidence = Evidence(
        candidate=candidate_name,
        endpoints=parts[0],
        utility=utility(outputs, identity.kept, policy),
        baseline=baseline(scores, policy),
        operating_points=(),
        attacks=(),
        curves=(),
        histograms=(),
        reference=_reference(outputs, scores, identity, standing),
        no_op=identity.no_op,
        controls=controls,
        groups=parts[1],
        shadows=scores.shadows,
        exchangeable=exchangeable,
    )
    if not plots:
        return evidence
    names = tuple(map(retrain_name, identity.kept))
    signals = audited_signals(outputs, _models(outputs, identity), SIGNALS)
    return replace(
        evidence,
        operating_points=operating_points(scores),
        attacks=attack_results(signals, scores),
        curves=curves(scores, [*names, "candidate", "original"][: len(scores.phi)]),
        histograms=histograms(scores),
        single_examples=count_exposed(scores, names),
        retained=None if standing.problem else retain_exposure(outputs, identity.kept, scores, policy),
    )


def preconditions(outputs: Outputs, policy: Policy, *, shadows: ShadowTables | None = None) -> Reference:
    """E0 to E3 alone, to be written down before the candidate is scored.

    Nothing here depends on the candidate, except that retrains byte-equal to it are dropped. Of ``shadows`` only what
    depends on no method is looked at.
    """
    return stand(outputs, policy, shadows)[2]


def stand(
    outputs: Outputs, policy: Policy, shadows: ShadowTables | None = None
) -> tuple[tuple[Measured, ...], Standing, Reference]:
    """The endpoints, of which only the values of retrains and original may be used, and E0 to E3 from those."""
    identity = identify(outputs)
    scores, measured, standing = _examined(outputs, identity, policy, None if shadows is None else shadows.of_bank())
    return measured, standing, _reference(outputs, scores, identity, standing)


def _examined(
    outputs: Outputs, identity: Identity, policy: Policy, shadows: ShadowTables | None
) -> tuple[Scores, tuple[Measured, ...], Standing]:
    """Scores of the retrains that are kept, the candidate and the original, the endpoints on them, and E0 to E3."""
    rows, models = audited(outputs), _models(outputs, identity)
    tables = audited_signals(outputs, models, READ)
    labels, forget = outputs.labels[rows], outputs.where("forget")[rows]
    share, seed = policy.calibration_share, policy.calibration_seed
    scores = score_signals(tables, len(identity.kept), labels, forget, share, seed, people_of(outputs))
    if shadows is not None:
        scores = scores.with_shadows(shadows.take(models))
    measured = measure(scores, policy.fpr)
    unseen = int((~scores.forget).sum())
    standing = examine(measured, scores.phi[: scores.retrains], scores.has_original, unseen, policy)
    if identity.problem:
        margins = {endpoint.name: endpoint.definition.margin(policy) for endpoint in measured}
        standing = Standing(identity.problem, margins)
    return scores, measured, standing


def _models(outputs: Outputs, identity: Identity) -> list[int]:
    """Places of the retrains that are kept, candidate and original."""
    return [*identity.kept, *range(len(outputs.retrain), len(outputs.models))]


def _reference(outputs: Outputs, scores: Scores, identity: Identity, standing: Standing) -> Reference:
    forget_classes, unseen_classes = (np.unique(outputs.labels[outputs.where(role)]) for role in ("forget", "unseen"))
    return replace(
        reference_of(scores, standing),
        dropped=tuple(map(retrain_name, identity.dropped)),
        retain=int(outputs.where("retain").sum()),
        unit="example" if scores.people is None else "person",
        saturated=outputs.saturated,
        classes_without_unseen=len(np.setdiff1d(forget_classes, unseen_classes)),
    )


def reference_of(scores: Scores, standing: Standing) -> Reference:
    """What scores alone say about a reference."""
    return Reference(
        retrains=scores.retrains,
        dropped=(),
        valid=not standing.problem,
        problem=standing.problem,
        original=scores.has_original,
        assay_sensitive=None if standing.detecting is None else bool(standing.detecting),
        detecting=standing.detecting or (),
        firing=standing.firing,
        underpowered=standing.underpowered,
        short_of_power=standing.short,
        remedy=standing.remedy,
        forget=int(scores.forget.sum()),
        unseen_calibration=int(scores.calibration.sum()),
        unseen_evaluation=int(scores.evaluation.sum()),
        retain=0,
    )
