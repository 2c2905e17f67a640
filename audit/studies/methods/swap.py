"""The SWAP test on an audit: pairs of splits that change places, with all models that they take."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vestige.attacks.scores.rlira import rlira
from vestige.attacks.scores.threshold import class_centred
from vestige.attacks.signals.signals import logit
from vestige.audit.config.config import AuditConfig, CandidateSpec
from vestige.audit.models.making import Plan, train_models, unlearn_missing
from vestige.audit.models.outputs import outputs_of
from vestige.audit.models.reading import candidate_key, load_plan, model_key, repeatable_candidate
from vestige.audit.models.workspace import Workspace, digest_indices
from vestige.audit.progress import Watch
from vestige.audit.studies.methods.swap_scores import (
    Advantage,
    SwapQuality,
    SwapScores,
    advantage,
    folds_of,
    implied_epsilon,
    quality,
)
from vestige.learners.arrays import Floats, Indices, Labels, Mask
from vestige.learners.errors import ConfigError
from vestige.learners.seeds import numpy_generator

FIRST_SEED = 10_000
"""Of the models of pairs, beyond those of any audit's retrains."""
MOST_PAIRS = 1000
LEVEL, DELTA = 0.95, 1e-5
CONFIDENT = 0.95
"""One adversary calls what lies above this share of unseen examples."""
LEAST_REFERENCES = 4
MODELS = ("candidate", "retrain", "original")


@dataclass(frozen=True)
class ModelAdvantages:
    """One kind of model against every adversary."""

    model: str
    advantages: tuple[Advantage, ...]
    quality: SwapQuality


@dataclass(frozen=True)
class SwapTest:
    """The result. forget: examples on either side. origin: where those that change places with them came from. models:
    candidate, retrain (two fresh ones, one for either side) and original. epsilon: the smallest at which an advantage
    as large as the lower end of the candidate's interval is possible, None for none finite."""

    candidate: str
    method: str
    pairs: int
    forget: int
    retain: int
    origin: str
    level: float
    delta: float
    models: tuple[ModelAdvantages, ...]
    epsilon: float | None


@dataclass(frozen=True, eq=False)
class _Field:
    """What changes places: ``pool`` is half forgotten, half unseen; ``calibration`` is in no model."""

    pool: Indices
    calibration: Indices
    retain: Indices
    origin: str


def swap_test(
    config: AuditConfig,
    workspace: Workspace,
    *,
    candidate: str,
    pairs: int,
    base: Path = Path("."),
    watch: Watch,
) -> SwapTest:
    """Train, unlearn and compare ``pairs`` splits with their swaps; what the workspace holds is not made again.

    The first pair's forget set is the audit's; later pairs halve the same examples anew. Raises ConfigError for a
    forget set that was not drawn at random from the training data (no unseen example could take its place), for an
    unknown candidate, and for a method that needs a ledger.
    """
    spec = repeatable_candidate(config, candidate)
    if config.forget.random is None:
        raise ConfigError(
            "forget: expected a forget set drawn at random (forget.random) for the SWAP test, got another; forget and "
            "unseen examples can change places only when both were sampled alike"
        )
    if not 1 <= pairs <= MOST_PAIRS:
        raise ConfigError(f"pairs: expected 1 to {MOST_PAIRS}, got {pairs}")
    workspace.clear_remains()
    plan = load_plan(config, base, watch)
    ground = _field(plan)
    rows = np.concatenate([ground.pool, ground.calibration])
    phi: dict[str, list[Floats]] = {name: [] for name in MODELS}
    forgotten = []
    for pair in range(pairs):
        watch("pairs", pair, pairs)
        sides = _sides(plan, spec, ground, pair)
        wanted = [(side.original, side.split.train) for side in sides]
        wanted += [(side.retrains[0], side.split.retain) for side in sides]
        train_models(plan, workspace, wanted, watch)
        for side in sides:
            unlearn_missing(side, workspace, watch)
        for side in sides:
            keys = (side.candidates[0][1], side.retrains[0], side.original)
            for name, key in zip(MODELS, keys, strict=True):
                logits = outputs_of(plan, workspace, key, rows).logits
                phi[name].append(logit(logits.astype(np.float64), plan.examples.labels[rows]))
        forgotten.append(np.isin(ground.pool, sides[0].split.forget))
    watch("pairs", pairs, pairs)
    tables = {name: np.stack(found).reshape(pairs, 2, len(rows)) for name, found in phi.items()}
    labels = plan.examples.labels[rows]
    models = _judge(tables, np.stack(forgotten), labels, len(ground.pool), config.seed)
    lowest = 1 - models[0].quality.interval[1]
    return SwapTest(
        candidate=candidate,
        method=spec.method,
        pairs=pairs,
        forget=len(plan.split.forget),
        retain=len(ground.retain),
        origin=ground.origin,
        level=LEVEL,
        delta=DELTA,
        models=models,
        epsilon=implied_epsilon(max(0.0, lowest), DELTA),
    )


def _field(plan: Plan) -> _Field:
    """As many examples as the forget set has, drawn like it: held-out training examples where there are enough, else
    some of the retain set, which no model of any pair is then trained on unless it forgets them."""
    split, n = plan.split, len(plan.split.forget)
    random = numpy_generator(plan.config.seed, "swap")
    held_out = not plan.examples.test_part[split.unseen].any()
    if held_out and len(split.unseen) >= n + max(2, n // 10):
        others, origin = (
            random.choice(split.unseen, n, replace=False),
            "unseen examples held out from the training data",
        )
        calibration, retain = np.setdiff1d(split.unseen, others), split.retain
    elif len(split.retain) > n:
        others, origin = (
            random.choice(split.retain, n, replace=False),
            "retain examples, taken out of the training data",
        )
        calibration, retain = split.unseen, np.setdiff1d(split.retain, others)
    else:
        raise ConfigError(
            f"swap: expected more than {n} retain examples to draw the other side from, got {len(split.retain)}; "
            "forget fewer, or hold more unseen examples out from the training part"
        )
    return _Field(np.sort(np.concatenate([split.forget, others])), calibration, retain, origin)


def _sides(plan: Plan, spec: CandidateSpec, ground: _Field, pair: int) -> tuple[Plan, Plan]:
    """The two halves of a pair, each the plan of its original, one retrain and the candidate."""
    first, n = plan.split.forget, len(plan.split.forget)
    if pair:
        first = np.sort(numpy_generator(plan.config.seed, "swap pair", pair).choice(ground.pool, n, replace=False))
    second = np.setdiff1d(ground.pool, first)

    def side(forget: Indices, unseen: Indices, place: int) -> Plan:
        nobody = np.zeros(0, np.int64)
        aside = np.sort(np.concatenate([unseen, ground.calibration]))
        split = replace(
            plan.split, forget=forget, retain=ground.retain, unseen=aside, canaries_in=nobody, canaries_out=nobody
        )
        seed = FIRST_SEED + 4 * pair + place
        original = model_key(plan, "original", digest_indices(split.train), seed)
        retrain = model_key(plan, "retrain", digest_indices(split.retain), seed + 2)
        candidate = candidate_key(plan, spec.name, f"swap {pair}.{place}", original, split.fingerprint)
        return replace(plan, split=split, original=original, retrains=(retrain,), candidates=((spec, candidate),))

    return side(first, second, 0), side(second, first, 1)


def _judge(
    tables: dict[str, Floats],
    forgotten: Mask,
    labels: Labels,
    n: int,
    seed: int,
) -> tuple[ModelAdvantages, ...]:
    """Every kind of model against every adversary; thresholds are tuned on the originals, never on a candidate."""
    calibration = np.arange(len(labels)) >= n
    folds = folds_of(n, seed)
    centred = {
        name: np.stack([class_centred(pair, labels, calibration) for pair in table]) for name, table in tables.items()
    }
    scores = {"phi": centred}
    if 2 * (len(forgotten) - 1) >= LEAST_REFERENCES:
        scores["z"] = {name: _relative(table, tables["retrain"], calibration) for name, table in tables.items()}
    tuned = {score: SwapScores(table["original"][..., :n], forgotten).tuned(folds) for score, table in scores.items()}

    def against(name: str) -> ModelAdvantages:
        gains = {}
        for score, table in scores.items():
            of = SwapScores(table[name][..., :n], forgotten)
            gains[f"{score} above a threshold tuned on the original"] = of.gains(of.values >= tuned[score][:, None])
            if score == "phi":
                high = np.quantile(table[name][..., n:], CONFIDENT, axis=2, keepdims=True)
                gains["phi above the median of its class"] = of.gains(of.values > 0)
                gains["phi above 95 % of unseen examples"] = of.gains(of.values > high)
        measured = tuple(advantage(adversary, gain, LEVEL, len(gains)) for adversary, gain in gains.items())
        return ModelAdvantages(name, measured, quality(measured))

    return tuple(against(name) for name in MODELS)


def _relative(table: Floats, retrains: Floats, calibration: Mask) -> Floats:
    """R-LiRA's z of each pair's two models against the retrains of the *other* pairs, the same for both."""
    found = []
    for pair, models in enumerate(table):
        others = np.delete(retrains, pair, axis=0).reshape(-1, retrains.shape[2])
        found.append(rlira(others, models, calibration).others)
    return np.stack(found)
