"""Calibration of the second mode on real networks: its assumption made true, and made false, by the draw of the roles.

No retrain saw a forget or an unseen example, so that any part of the two together may play the forget set of a retrain.
Drawn uniformly, exchangeability holds by construction, over draws: there the rates of the rule are promised (on one
fixed draw all retrains share its luck). What is not drawn uniformly is a false declaration. An example leaks as a model
answers that was trained on it: the original, or a second one that was trained on the unseen examples instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from vestige.attacks.signals.signals import logit
from vestige.audit.config.config import AuditConfig
from vestige.audit.endpoints.scores import calibration_rows
from vestige.audit.exchangeable.decisions import Sizes, contradicted, judge_values
from vestige.audit.exchangeable.measurement import contradictions, measure_phi
from vestige.audit.models.making import Plan, train_missing
from vestige.audit.models.outputs import audited_rows
from vestige.audit.models.reading import load_plan, read_models
from vestige.audit.models.workspace import Workspace, digest_indices
from vestige.audit.policy import Policy
from vestige.audit.progress import Watch
from vestige.audit.results.evidence import Outcome
from vestige.audit.results.exchangeable import Exchangeable
from vestige.audit.studies.calibration.exchangeable_rates import (
    SETTINGS,
    SHARES,
    ExampleTrials,
    ModeCalibration,
    Setting,
    summarise,
)
from vestige.audit.studies.calibration.rates import covers_zero, gaps_of, run_trials
from vestige.audit.verdict.exchangeable_rule import grade_of, over_examples
from vestige.learners.arrays import Floats, Indices, Logits, Mask
from vestige.learners.errors import ConfigError
from vestige.learners.seeds import numpy_generator


@dataclass(frozen=True, eq=False)
class _Pool:
    """Models on the pooled examples: logits and phi of the retrains ``[M, n, classes]``, ``[M, n]``; phi ``[n]`` of the
    model that was trained on an example, and of the one that was not; difficulty ``[n]``: phi of one more retrain."""

    logits: Logits
    phi: Floats
    trained: Floats
    untrained: Floats
    difficulty: Floats
    labels: Indices
    forget: int
    policy: Policy
    seed: int


def calibrate_exchangeable(
    config: AuditConfig,
    workspace: Workspace,
    *,
    base: Path = Path("."),
    models: int,
    sets: int,
    workers: int,
    watch: Watch,
    settings: Sequence[Setting] = SETTINGS,
) -> tuple[list[ModeCalibration], str]:
    """Train what the workspace lacks (the original, one trained on the unseen examples instead, ``models`` retrains)
    and judge each retrain but the last ``sets`` times in every setting, with roles drawn anew. Returned: rates, and
    what was judged in words. ConfigError for too few models."""
    most = max(setting.retrains + setting.shadows for setting in settings)
    if models < most + 3:
        raise ConfigError(f"models: expected at least {most + 3}, got {models}")
    plan = load_plan(replace(config, retrains=replace(config.retrains, count=models)), base, watch)
    train_missing(plan, workspace, watch)
    other = _swapped(plan)
    train_missing(other, workspace, watch)
    pool = _pool(plan, other, workspace, config, watch)
    blocks = [
        (setting, list(product(chosen.tolist(), range(sets))))
        for setting in settings
        for chosen in np.array_split(np.arange(models - 1), min(models - 1, 2 * workers))
    ]
    trials = run_trials(partial(_try, pool), blocks, workers=workers, watch=watch)
    about = (
        f"Real networks: `{plan.examples.name}`; {len(pool.labels):,} examples that no retrain saw, of which "
        f"{pool.forget} are drawn as the forget set anew in every trial; {models - 1} retrains, each the candidate "
        f"{sets} times against others drawn at random. All trials share the pool of examples and the models."
    )
    return [summarise(setting, found, config.policy) for setting, found in trials.items()], about


def _swapped(plan: Plan) -> Plan:
    """The audit with forget and unseen examples in each other's place, and only its original to be made."""
    split = replace(plan.split, forget=plan.split.unseen, unseen=plan.split.forget)
    other = replace(plan, split=split, retrains=(), candidates=())
    return replace(other, original=replace(plan.original, indices=digest_indices(other.train)))


def _pool(plan: Plan, other: Plan, workspace: Workspace, config: AuditConfig, watch: Watch) -> _Pool:
    rows, roles = audited_rows(plan)
    asked = roles != "retain"
    labels, was_forget = plan.examples.labels[rows[asked]], roles[asked] == "forget"
    keys = [*plan.retrains, plan.original, other.original]
    logits = [model.logits[asked] for model in read_models(plan, workspace, keys, rows, watch)]
    phi = logit(np.stack(logits), labels)
    return _Pool(
        logits=np.stack(logits[:-3]),
        phi=phi[:-3],
        trained=np.where(was_forget, phi[-2], phi[-1]),
        untrained=np.where(was_forget, phi[-1], phi[-2]),
        difficulty=phi[-3],
        labels=labels,
        forget=int(was_forget.sum()),
        policy=config.policy,
        seed=config.seed,
    )


def draw_forget(setting: Setting, labels: Indices, difficulty: Floats, size: int, random: np.random.Generator) -> Mask:
    """Which of the pooled examples play the forget set, ``[n]``."""
    weights = np.ones(len(labels))
    if setting.by == "classes":
        weights[labels < (labels.max() + 1) / 2] = setting.ratio
    elif setting.by == "difficulty":
        weights = setting.ratio ** -(np.argsort(np.argsort(difficulty)) / (len(labels) - 1))
    forget = np.zeros(len(labels), np.bool_)
    forget[random.choice(len(labels), size, replace=False, p=weights / weights.sum())] = True
    return forget


def _try(pool: _Pool, setting: Setting, case: tuple[int, int]) -> ExampleTrials:
    model, draw = case
    about = f"{setting.by} {setting.ratio} {setting.retrains} {setting.shadows}"
    random = numpy_generator(pool.seed, "calibration over examples", about, model, draw)
    policy, k = pool.policy, setting.retrains
    forget = draw_forget(setting, pool.labels, pool.difficulty, pool.forget, random)
    rest = [other for other in range(len(pool.phi)) if other != model]
    others = random.choice(rest, k + setting.shadows, replace=False)
    references = pool.phi[others]
    tests = contradictions(
        references[:k],
        references[k:],
        pool.logits[others].mean(0, dtype=np.float64) if len(others) else None,
        pool.labels,
        forget,
        seed=policy.calibration_seed,
    )
    calibration = calibration_rows(pool.labels, ~forget, policy.calibration_share, policy.calibration_seed)
    rows = (pool.labels, forget, calibration)
    sizes = Sizes(int(forget.sum()), int((~forget & ~calibration).sum()))
    before = measure_phi(np.where(forget, pool.trained, pool.untrained), references, *rows, policy)
    order = random.permutation(np.flatnonzero(forget))
    outcomes: list[Outcome] = []
    unguarded: list[Outcome] = []
    gaps, covered = [], []
    for share in SHARES:
        phi = pool.phi[model].copy()
        leaking = order[: int(np.ceil(share * len(order)))]
        phi[leaking] = pool.trained[leaking]
        judged = judge_values(measure_phi(phi, references, *rows, policy), before, sizes, policy)
        found = Exchangeable(
            declared="declared",
            shadows=setting.shadows,
            tests=tests,
            contradicted=contradicted(tests),
            **judged._asdict(),
            accuracy=0.0,
            original_accuracy=None,
            accuracy_interval=None,
        )
        for guarded, into in ((found, outcomes), (replace(found, contradicted=()), unguarded)):
            into.append(over_examples(guarded, policy, grade_of(found, k), original=True)[0])
        gaps.append(gaps_of(found.endpoints))
        covered.append(covers_zero(found.endpoints))
    return ExampleTrials(
        outcomes=np.array([outcomes]),
        gaps=np.array([gaps]),
        covered=covered[0][None],
        candidates=np.array([model]),
        unguarded=np.array([unguarded]),
        contradicted=np.array([bool(contradicted(tests))]),
    )
