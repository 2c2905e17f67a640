"""The forgetting quality of an audit's candidates: many models of the method, many of Retrain."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from vestige.attacks.signals.signals import logit
from vestige.audit.config.config import AuditConfig, CandidateSpec
from vestige.audit.models.making import Plan, train_models, unlearn_missing
from vestige.audit.models.outputs import audited_rows
from vestige.audit.models.reading import candidate_key, load_plan, model_key, read_models, repeatable_candidate
from vestige.audit.models.workspace import ModelKey, Workspace, digest_indices
from vestige.audit.progress import Watch, ignore
from vestige.audit.studies.methods.quality_scores import Epsilons, forgetting_quality
from vestige.learners.arrays import Floats, Labels
from vestige.learners.errors import ConfigError

ORIGINALS, RETRAINS = 20_000, 30_000
"""First seeds, beyond those of any audit and of the pairs of a SWAP test."""
LEAST, MOST = 4, 10_000
TOGETHER = 8
"""Models that are trained in one call, so that a run with more models keeps the bits of one with fewer."""
SHARES = (0.5, 0.9, 0.95)


@dataclass(frozen=True)
class EpsilonSummary:
    """Epsilon of every forget example between two sets of models. f: mean of H, the competition's F before accuracies
    count; 1 = indistinguishable. quantiles: of epsilon, at ``SHARES``. perfect: share of examples that some attack
    separates without a mistake. undecided: share without any estimable attack, which count as epsilon 0. ceiling: the
    largest epsilon short of perfect separation that so many models can show."""

    models: tuple[int, int]
    f: float
    quantiles: tuple[float, ...]
    perfect: float
    undecided: float
    ceiling: float

    @classmethod
    def of(cls, found: Epsilons) -> "EpsilonSummary":
        """The summary of these epsilons."""
        return cls(
            models=found.models,
            f=found.quality,
            quantiles=tuple(float(value) for value in np.quantile(found.values, SHARES)),
            perfect=float((found.values >= 50).mean()),
            undecided=float(found.undecided.mean()),
            ceiling=found.ceiling,
        )


@dataclass(frozen=True)
class CandidateQuality:
    """One candidate. full: all its models against all retrains. half: half of them against half of the retrains;
    reference: that half of the retrains against the other. Compare half with reference. ratios: accuracy on retain and
    unseen examples over the retrains', which the competition multiplies F with."""

    candidate: str
    method: str
    full: EpsilonSummary
    half: EpsilonSummary
    reference: EpsilonSummary
    ratios: tuple[float, float]


@dataclass(frozen=True)
class QualityTest:
    """The result, report only. one_original: all candidates' models were made from one original."""

    models: int
    one_original: bool
    forget: int
    shares: tuple[float, ...]
    candidates: tuple[CandidateQuality, ...]


def quality_test(
    config: AuditConfig,
    workspace: Workspace,
    *,
    candidates: Sequence[str],
    models: int,
    one_original: bool = False,
    base: Path = Path("."),
    watch: Watch,
) -> QualityTest:
    """Make ``models`` retrains and as many models of each candidate, where the workspace lacks them, and compare.

    By default each of a candidate's models comes from an original of its own, so that the seed of training counts on
    both sides. one_original: all come from one original, with seeds of their own, as in the competition, which
    costs less; a method without randomness then gives equal models, which anything separates. ConfigError for fewer
    than four models, an unknown candidate, and a method that needs a ledger.
    Source: Triantafillou et al. 2024 (arXiv 2406.09073); see ``vestige.audit.studies.methods.quality_scores``.
    """
    if not LEAST <= models <= MOST:
        raise ConfigError(f"models: expected {LEAST} to {MOST}, got {models}; the competition had 512")
    specs = [repeatable_candidate(config, name) for name in candidates]
    workspace.clear_remains()
    plan = load_plan(config, base, watch)
    retrains, originals = _train(plan, workspace, models, one_original, watch)
    ask = partial(_ask, plan, workspace, watch)
    theirs, right = ask("retrains", retrains)
    found = []
    for spec in specs:
        keys = _unlearn(plan, workspace, spec, originals, models, watch)
        ours, own = ask(spec.name, keys)
        measured = forgetting_quality(ours, theirs, config.seed)
        assert measured.half is not None and measured.reference is not None  # from LEAST models on
        full, half, reference = map(EpsilonSummary.of, (measured.full, measured.half, measured.reference))
        ratios = (float(own[0] / right[0]), float(own[1] / right[1]))
        found.append(CandidateQuality(spec.name, spec.method, full, half, reference, ratios))
    return QualityTest(models, one_original, len(plan.split.forget), SHARES, tuple(found))


def _train(
    plan: Plan, workspace: Workspace, models: int, one_original: bool, watch: Watch
) -> tuple[list[ModelKey], list[ModelKey]]:
    split = plan.split
    retained, trained = digest_indices(split.retain), digest_indices(split.train)
    retrains = [model_key(plan, "retrain", retained, RETRAINS + place) for place in range(models)]
    wanted = 1 if one_original else models
    originals = [model_key(plan, "original", trained, ORIGINALS + place) for place in range(wanted)]
    watch("chunks of models", 0, models)
    for start in range(0, models, TOGETHER):
        chunk = slice(start, start + TOGETHER)
        train_models(plan, workspace, [(key, split.retain) for key in retrains[chunk]], watch)
        train_models(plan, workspace, [(key, split.train) for key in originals[chunk]], watch)
        watch("chunks of models", min(models, start + TOGETHER), models)
    return retrains, originals


def _unlearn(
    plan: Plan, workspace: Workspace, spec: CandidateSpec, originals: Sequence[ModelKey], models: int, watch: Watch
) -> list[ModelKey]:
    split = plan.split.fingerprint
    keys = [
        candidate_key(plan, spec.name, f"quality {place}", originals[place % len(originals)], split)
        for place in range(models)
    ]
    for done, original in enumerate(originals):
        watch(f"unlearning by {spec.name}", done, len(originals))
        candidates = tuple((spec, key) for key in keys if key.made_from == original.name)
        # The stage of a single model would come anew for every original.
        inner = watch if len(originals) == 1 else ignore
        unlearn_missing(replace(plan, original=original, retrains=(), candidates=candidates), workspace, inner)
    watch(f"unlearning by {spec.name}", len(originals), len(originals))
    return keys


def _ask(
    plan: Plan, workspace: Workspace, watch: Watch, what: str, keys: Sequence[ModelKey]
) -> tuple[Floats, tuple[float, float]]:
    """phi of the forget examples ``[models, n]``, and mean accuracy on retain and unseen examples."""
    rows, roles = audited_rows(plan)
    labels: Labels = plan.examples.labels[rows]
    forget, phi, right = roles == "forget", [], []
    for model in read_models(plan, workspace, keys, rows, watch, f"computing outputs of {what}"):
        logits = model.logits
        phi.append(logit(logits[forget].astype(np.float64), labels[forget]))
        correct = logits.argmax(1) == labels
        right.append([float(correct[roles == role].mean()) for role in ("retain", "unseen")])
    retain, unseen = np.mean(right, axis=0)
    return np.stack(phi), (float(retain), float(unseen))
