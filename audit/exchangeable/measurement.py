"""The second mode of the verdict, for two retrains or fewer: inference over examples where these are exchangeable.

Where the forget set was drawn at random from the population of the unseen data, a model that was trained on neither has
exchangeable scores on the two, whatever its training seed did. Intervals over examples are then right for one model,
which they are not in general: a class or a person can shift with the seed. Everything here rests on that assumption. It
has to be declared, and nothing at hand may contradict it (``contradictions``).
"""

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.metrics import distributions as stats
from vestige.attacks.metrics.roc import auc, delong_variance, estimable, placements, threshold_at_fpr
from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.scores.threshold import class_centred
from vestige.attacks.signals.blocks import mean_logits, signal_tables
from vestige.audit.endpoints.scores import MIN_RETRAINS, Scores
from vestige.audit.exchangeable.decisions import (
    WORDS,
    Judged,
    Sizes,
    Value,
    classifier_p,
    contradicted,
    is_tail,
    judge_values,
    rank_p,
)
from vestige.audit.policy import Policy
from vestige.audit.results.exchangeable import ContradictionTest, Declaration, Exchangeable
from vestige.audit.results.figures import Interval
from vestige.learners.arrays import Floats, Indices, Mask
from vestige.learners.errors import DataError
from vestige.learners.seeds import numpy_generator

LEAST_CLASSIFIED = 5
"""Forget and unseen examples that the classifier two-sample test needs of each."""
MOST_CLASSIFIED = 20_000
"""And as many as it takes, drawn at random: more need much memory and tell little more."""


def over_examples(
    outputs: Outputs, scores: Scores, kept: tuple[int, ...], declared: Declaration | None, policy: Policy
) -> Exchangeable | None:
    """What the second mode finds on the candidate of ``outputs``; None where the main rule holds: exchangeability not
    declared, or three retrains or more.

    scores: of the retrains ``kept``, candidate and original on forget and unseen rows, or people. Shadows count like
    retrains wherever a model is needed that was trained on neither set.
    """
    if declared is None or scores.retrains >= MIN_RETRAINS:
        return None
    rows = np.flatnonzero(outputs.where("forget") | outputs.where("unseen"))
    k, people, labels = scores.retrains, scores.people, scores.labels
    shadows = [] if outputs.shadow is None else list(outputs.shadow)
    phi_shadows = signal_tables(shadows, outputs.labels, ["logit"])["logit"][:, rows]
    models = [*(outputs.retrain[one] for one in kept), *shadows]
    mean = mean_logits(models, rows) if models else None
    if people is not None:  # a person is one unit, of no class
        phi_shadows, labels = people.mean(phi_shadows), np.zeros_like(labels)
        mean = None if mean is None else people.mean(mean.T).T
    references = np.concatenate([scores.phi[:k], phi_shadows])
    judged = judge_phi(
        scores.phi[k],
        references,
        scores.phi[k + 1] if scores.has_original else None,
        labels,
        scores.forget,
        scores.calibration,
        policy,
    )
    tests = contradictions(
        scores.phi[:k],
        phi_shadows,
        mean,
        scores.labels,
        scores.forget,
        seed=policy.calibration_seed,
    )
    correct = outputs.signals("correctness")["correctness"][:, outputs.where("unseen")]
    right, before = correct[len(outputs.retrain)], None if outputs.original is None else correct[-1]
    return Exchangeable(
        declared=declared,
        shadows=len(shadows),
        tests=tests,
        contradicted=contradicted(tests),
        endpoints=judged.endpoints,
        detecting=judged.detecting,
        firing=judged.firing,
        problem=judged.problem,
        accuracy=float(right.mean()),
        original_accuracy=None if before is None else float(before.mean()),
        accuracy_interval=None if before is None else accuracy_interval(right - before, policy.alpha),
    )


def accuracy_interval(differences: Floats, alpha: float) -> Interval:
    """Interval, level 1 - 2 alpha, of the mean of ``differences [n]`` of correct answers (-1, 0, 1) on the same
    examples; no narrower than one difference in n would make it."""
    n, mean = len(differences), float(differences.mean())
    width = float(stats.norm.ppf(1 - alpha)) * max(float(np.std(differences)), n**-0.5) / float(np.sqrt(n))
    return mean - width, mean + width


def judge_phi(
    candidate: Floats,
    references: Floats,
    original: Floats | None,
    labels: Indices,
    forget: Mask,
    calibration: Mask,
    policy: Policy,
) -> Judged:
    """The endpoints over examples.

    candidate, original: phi ``[n]``; references ``[K, n]`` with K from 0, of models trained on neither forget nor
    unseen examples; on forget and unseen rows, higher = more member-like. labels, forget, calibration ``[n]``: the last
    of unseen rows, which are not judged.

    X1 reads phi, centred per class; X2 phi minus its mean over the references, which takes an example's difficulty out;
    X3 its absolute value; Y2, Y3 the TPR of these at the policy's FPR. DataError for shapes that do not fit.
    """
    if candidate.ndim != 1 or references.ndim != 2 or references.shape[1] != len(candidate):
        raise DataError(
            f"expected phi [n] and references [K, n], got {list(candidate.shape)}, {list(references.shape)}"
        )
    rows = (labels, forget, calibration)
    own = measure_phi(candidate, references, *rows, policy)
    before = None if original is None else measure_phi(original, references, *rows, policy)
    return judge_values(own, before, Sizes(int(forget.sum()), int((~forget & ~calibration).sum())), policy)


def measure_phi(
    phi: Floats, references: Floats, labels: Indices, forget: Mask, calibration: Mask, policy: Policy
) -> dict[str, Value]:
    """Every endpoint of one model, from phi ``[n]``; see ``judge_phi``."""
    evaluation = ~forget & ~calibration
    scores = {"X1": class_centred(phi, labels, calibration)}
    if len(references):
        relative = phi - references.mean(0)
        scores["2"] = relative - np.median(relative[calibration])
        scores["3"] = np.abs(scores["2"])
    found = {}
    for name in WORDS:
        score = scores.get("X1" if name == "X1" else name[1])
        missing = missing_value(name, len(references), int(evaluation.sum()), policy.fpr)
        if missing or score is None:
            found[name] = Value(None, reason=missing)
        elif is_tail(name):
            cut = threshold_at_fpr(score[calibration], policy.fpr)
            found[name] = Value(float((score[forget] > cut).mean()), float((score[evaluation] > cut).mean()))
        else:
            members, others = score[forget], score[evaluation]
            enough = min(len(members), len(others)) > 1
            error = float(np.sqrt(delong_variance(*placements(members, others)))) if enough else 0.0
            found[name] = Value(auc(members, others), error=error)
    return found


def missing_value(name: str, references: int, evaluation: int, fpr: float) -> str:
    """Empty, or why an endpoint is not estimable with so many models and evaluation unseen examples."""
    if name != "X1" and not references:
        return "needs a retrain, or a shadow that saw neither forget nor unseen examples"
    if is_tail(name) and not estimable(fpr, evaluation):
        return f"needs more unseen examples for evaluation than {evaluation}"
    return ""


def contradictions(
    retrains: Floats, shadows: Floats, logits: NDArray[np.floating] | None, labels: Indices, forget: Mask, *, seed: int
) -> tuple[ContradictionTest, ...]:
    """What was tried against exchangeability; ``contradicted`` says which of it rejects.

    retrains, shadows: phi ``[K, n]``, ``[S, n]``; logits: mean ``[n, classes]`` over both, None where there are none.
    Tests: class mix (chi-squared); phi of each retrain and the shadows' mean phi (rank sum); a logistic classifier
    on the logits, learned on one half and tried on the other, both ways. Neither candidate nor original is asked:
    they may know the forget set. Source: Lopez-Paz and Oquab 2017 (arXiv 1610.06545), section 3.
    """
    sizes = int(forget.sum()), int((~forget).sum())
    tests: list[ContradictionTest] = []
    mix = np.array([np.bincount(labels[side], minlength=labels.max() + 1) for side in (forget, ~forget)])
    mix = mix[:, mix.sum(0) > 0]
    if mix.shape[1] > 1:
        from scipy.stats import chi2_contingency

        tests.append(ContradictionTest("classes", None, float(chi2_contingency(mix).pvalue)))
    ranked = [(f"retrain {k}", phi) for k, phi in enumerate(retrains, start=1)]
    ranked += [("shadows", shadows.mean(0))] if len(shadows) else []
    for name, phi in ranked:
        area = auc(phi[forget], phi[~forget])
        tests.append(ContradictionTest(name, area, rank_p(area, *sizes)))
    if logits is not None and min(sizes) >= LEAST_CLASSIFIED:
        area = _classifier_auc(np.asarray(logits, np.float64), forget, seed)
        tests.append(ContradictionTest("classifier", area, classifier_p(area, *sizes)))
    return tuple(tests)


def _classifier_auc(logits: Floats, forget: Mask, seed: int) -> float:
    """The larger of two AUCs, each on a half of both sets that the classifier did not learn from; an odd example is
    learned from only.

    Halves, because scores from several folds are no independent sample: their AUC spreads about 1.4 times as far as a
    rank sum, and turned away three true declarations in a hundred.
    """
    from sklearn.linear_model import LogisticRegression  # slow to import
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    random = numpy_generator(seed, "classifier two-sample test")
    sides = [random.permutation(np.flatnonzero(side))[:MOST_CLASSIFIED] for side in (forget, ~forget)]
    areas = []
    for half in range(2):
        members, others = (rows[half * (len(rows) // 2) : (half + 1) * (len(rows) // 2)] for rows in sides)
        learned = np.zeros(len(forget), np.bool_)
        learned[np.concatenate(sides)] = True
        learned[members] = learned[others] = False
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced"))
        model.fit(logits[learned], forget[learned])
        areas.append(auc(model.decision_function(logits[members]), model.decision_function(logits[others])))
    return max(areas)
