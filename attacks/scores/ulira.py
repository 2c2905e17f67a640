"""U-LiRA: LiRA whose two distributions are of models that forgot an example and of models that never saw it."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.scores.gaussians import Centre, Tables, Variance, fit, mask_of, resolve
from vestige.attacks.scores.lira import Lira, check_out_of_sample, log_ratio, target_values
from vestige.learners.errors import DataError


def ulira(
    targets: ArrayLike,
    forgotten: Tables,
    forgot: ArrayLike,
    never: Tables,
    never_saw: ArrayLike,
    *,
    variance: Variance = "auto",
    centre: Centre = "mean",
) -> Lira:
    """log N(phi; forgotten) - log N(phi; never), ``[P, n]``; higher = more like a forgotten example than an unseen one.

    targets: phi ``[P, n]`` or ``[P, augmentations, n]`` of models that are not among the shadows. forgotten: phi of
    shadows after the unlearning method ran on them; forgot: bool ``[N, n]``, their forget sets. never: phi of models,
    with ``never_saw`` bool ``[N', n]``, the examples that they were not trained on. Where never are the *same*
    unlearned shadows, on what they never saw, this is the privacy game: the published model went through the method
    too. Where they are shadows that no method touched, it is the efficacy game: forgotten against retrained.

    With a method that does nothing, the forgotten distribution is LiRA's IN distribution and the scores are LiRA's, bit
    for bit. The score audits the method; for a single model it assumes that this method, so configured, made it. Raises
    NotEstimable below 2 shadows of either kind on any example, DataError for a target that is itself a shadow. Source:
    Hayes et al. 2024 (arXiv 2403.01218), section 4; distributions as in Naderloui et al. 2025 (arXiv 2506.13009).
    """
    forgetting, unseen = mask_of(forgot, len(forgotten)), mask_of(never_saw, len(never))
    if forgetting.shape[1] != unseen.shape[1]:
        raise DataError(
            f"never_saw: expected the {forgetting.shape[1]} examples of the forgotten shadows, got {unseen.shape[1]}"
        )
    if never is forgotten and bool((forgetting & unseen).any()):
        raise DataError("ulira: expected each example forgotten by a shadow or never seen by it, got both; check masks")
    values = target_values(targets, forgotten, forgetting.shape[1])
    rule = resolve(variance, len(forgetting))
    above = fit(forgotten, forgetting, rule, side="UNLEARNED", centre=centre)
    below = fit(never, unseen, rule, side="OUT", centre=centre)
    for tables in (forgotten, never):
        check_out_of_sample(values, tables)
    return Lira(log_ratio(values, above, below), rule, above.floored + below.floored)


def ulira_leave_pair_out(
    forgotten: Tables, forgot: ArrayLike, never: Tables, never_saw: ArrayLike, *, variance: Variance = "auto"
) -> Lira:
    """Scores ``[N, n]`` of every unlearned shadow, fitted on all but itself and its complement (models 2 i, 2 i + 1).

    Arguments as in ``ulira``, of N shadows for both distributions. Never a model that helped to fit its own normals:
    the count leak of balanced designs and in-sample optimism are both excluded.
    """
    forgetting, unseen = mask_of(forgot, len(forgotten)), mask_of(never_saw, len(never))
    if len(forgetting) != len(unseen) or len(forgetting) % 2:
        raise DataError(
            f"ulira: expected pairs of shadows on both sides, got {len(forgetting)} and {len(unseen)} models"
        )
    if len(forgetting) < 6:
        raise NotEstimable(
            f"U-LiRA: expected at least 6 UNLEARNED shadows, two a side without the target's pair, "
            f"got {len(forgetting)}; train more shadows"
        )
    rule = resolve(variance, len(forgetting))
    pairs = []
    for first in range(0, len(forgetting), 2):
        rest = [model for model in range(len(forgetting)) if model not in (first, first + 1)]
        pairs.append(
            ulira(
                np.stack([np.atleast_2d(forgotten[model]) for model in (first, first + 1)]),
                [forgotten[model] for model in rest],
                forgetting[rest],
                [never[model] for model in rest],
                unseen[rest],
                variance=rule,
            )
        )
    scores = np.concatenate([pair.scores for pair in pairs])
    return replace(pairs[0], scores=scores, floored=sum(pair.floored for pair in pairs))
