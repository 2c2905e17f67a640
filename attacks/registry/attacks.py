"""What attacks there are: the table behind ``vestige attacks`` and ``vestige attack``, and behind the tests that hold
for all of them."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from vestige.attacks.registry import on_models, on_shadows
from vestige.attacks.registry.attack import Attack, BankFunction
from vestige.attacks.scores.before_after import before_after
from vestige.attacks.scores.gaussians import Variance
from vestige.attacks.scores.label_only import augmentation_vote
from vestige.attacks.scores.lira import Form, lira
from vestige.attacks.scores.population import population
from vestige.attacks.scores.quantile import quantile
from vestige.attacks.scores.references import attack_r, difficulty, sablayrolles
from vestige.attacks.scores.references_bank import difficulty_leave_pair_out, sablayrolles_leave_pair_out
from vestige.attacks.scores.rlira import rlira
from vestige.attacks.scores.rmia import rmia
from vestige.attacks.scores.rmia_shadows import RmiaForm, rmia_shadows
from vestige.attacks.scores.shadow_classifier import shadow_classifier
from vestige.attacks.scores.threshold import class_centred
from vestige.attacks.scores.ulira import ulira

_CARLINI = "Carlini et al. 2022, arXiv 2112.03570"
_SMYTH = f"{_CARLINI}; variances after Smyth 2004"
_RLIRA = f"{_CARLINI}, section VI-C; references and centring ours"
_RMIA = "Zarifzadeh et al. 2024, arXiv 2312.03262"
_YE = "Ye et al. 2022, arXiv 2111.09679"
_ULIRA = "Hayes et al. 2024, arXiv 2403.01218; Naderloui et al. 2025, arXiv 2506.13009"


def _lira(
    name: str,
    form: Form,
    variance: Variance,
    description: str,
    citation: str = _CARLINI,
    role: str = "report only",
) -> Attack:
    return Attack(
        name,
        description,
        citation,
        "shadows",
        partial(on_models.shadow_lira, form=form, variance=variance),
        lira,
        partial(on_shadows.shadow_lira, form=form, variance=variance),
        role,
    )


def _rmia(name: str, form: RmiaForm, description: str) -> Attack:
    return Attack(
        name,
        description,
        _RMIA,
        "shadows",
        partial(on_models.shadow_rmia, form=form),
        rmia_shadows,
        partial(on_shadows.shadow_rmia, form=form),
    )


_TABLE = (
    Attack(
        "threshold",
        "one cut on a signal for all examples",
        "Yeom et al. 2018, arXiv 1709.01604",
        "model",
        on_models.threshold,
        on_models.threshold,
        on_shadows.signals_of,
        signal="any",
    ),
    Attack(
        "threshold_classwise",
        "one cut on a signal for each class, as the signal minus its class median on unseen examples",
        "Song and Mittal 2021, arXiv 2003.10595",
        "model",
        on_models.threshold_classwise,
        class_centred,
        partial(on_shadows.signals_among_unseen, score=class_centred),
        "primary endpoint A1 (signal logit); can cause FAIL (entropy, modified_entropy); report only otherwise",
        "any",
    ),
    Attack(
        "population",
        "an example's place among unseen examples of its class on the same model",
        f"{_YE}, attack P",
        "model",
        on_models.population_classwise,
        population,
        partial(on_shadows.signals_among_unseen, score=partial(population, per_class=True)),
    ),
    Attack(
        "rlira",
        "phi against the mean of the other retrains, in pooled standard deviations",
        _RLIRA,
        "retrains 3",
        partial(on_models.against_retrains, score=rlira),
        rlira,
        role="primary endpoints A2 and T1",
    ),
    Attack(
        "rlira_abs",
        "distance of phi from the other retrains in either direction",
        _RLIRA,
        "retrains 3",
        partial(on_models.against_retrains, score=rlira, absolute=True),
        rlira,
        role="primary endpoints A3 and T2",
    ),
    Attack(
        "rmia",
        "share of unseen examples whose likelihood ratio is smaller, offline with retrains as references",
        _RMIA,
        "retrains 2",
        partial(on_models.against_retrains, score=rmia),
        rmia,
        role="can cause FAIL; required for evidence grade B",
    ),
    _lira(
        "lira_online",
        "online",
        "auto",
        "likelihood of phi under shadows trained on the example over that under the others",
        role="can cause FAIL (F4); makes evidence of grade A from 64 shadows on",
    ),
    _lira("lira_online_fixed", "online", "fixed", "lira_online with one variance for all examples"),
    _lira(
        "lira_online_shrunken",
        "online",
        "shrunken",
        "lira_online with each example's variance shrunk towards the pooled one",
        _SMYTH,
    ),
    _lira(
        "lira_offline",
        "offline",
        "auto",
        "phi in standard deviations above shadows that were not trained on the example",
        role="can cause FAIL (F5); makes evidence of grade A from 64 shadows on",
    ),
    _lira("lira_offline_fixed", "offline", "fixed", "lira_offline with one variance for all examples"),
    _lira(
        "lira_offline_shrunken",
        "offline",
        "shrunken",
        "lira_offline with each example's variance shrunk towards the pooled one",
        _SMYTH,
    ),
    _lira(
        "lira_offline_two_sided",
        "offline_two_sided",
        "auto",
        "how unlikely phi is under shadows not trained on the example, in either direction",
        f"{_CARLINI}, released code",
    ),
    _rmia(
        "rmia_online",
        "online",
        "share of unseen examples whose likelihood ratio is smaller, with shadows of both kinds",
    ),
    _rmia("rmia_offline", "offline", "rmia_online with only those shadows that were not trained on the example"),
    Attack(
        "difficulty",
        "a signal minus its mean over shadows that were not trained on the example",
        "Watson et al. 2022, arXiv 2111.08440",
        "shadows",
        partial(on_models.loss_against_shadows, score=difficulty),
        difficulty,
        partial(on_shadows.loss_against_shadows, score=difficulty_leave_pair_out),
        signal="loss",
    ),
    Attack(
        "sablayrolles",
        "a signal minus the middle between shadows trained on the example and the others",
        "Sablayrolles et al. 2019, arXiv 1908.11229",
        "shadows",
        partial(on_models.loss_against_shadows, score=sablayrolles),
        sablayrolles,
        partial(on_shadows.loss_against_shadows, score=sablayrolles_leave_pair_out),
        signal="loss",
    ),
    Attack(
        "attack_r",
        "share of shadows not trained on the example that know it less",
        f"{_YE}, attack R",
        "shadows",
        on_models.attack_reference,
        attack_r,
        on_shadows.attack_reference,
        signal="loss",
    ),
    Attack(
        "shadow_classifier",
        "a network for each class that learnt members' posteriors on shadows",
        "Shokri et al. 2017, arXiv 1610.05820",
        "shadows",
        on_models.posterior_classifier,
        shadow_classifier,
        signal="logits",
    ),
    Attack(
        "label_only",
        "share of augmentations with the right label, over the share on shadows not trained on the example",
        "Choquette-Choo et al. 2021, arXiv 2007.14321",
        "augmentations",
        on_models.label_only,
        augmentation_vote,
        on_shadows.label_only,
        signal="decisions",
    ),
    Attack(
        "quantile",
        "phi against what a regression on unseen examples expects of such an example",
        "Bertran et al. 2023, arXiv 2307.03694",
        "features",
        on_models.quantile_regression,
        quantile,
    ),
    Attack(
        "before_after",
        "phi before unlearning minus phi after; an exact retrain leaks here too, read the gap",
        "Chen et al. 2021, arXiv 2005.02205",
        "original",
        on_models.before_and_after,
        before_after,
    ),
    Attack(
        "ulira",
        "likelihood of phi under shadows that unlearned the example over that under those that never saw it",
        _ULIRA,
        "unlearned",
        on_models.unlearned_lira,
        ulira,
        role="primary endpoints A4 and T4; makes evidence of grade A from 64 shadows on",
    ),
    Attack(
        "ulira_efficacy",
        "likelihood of phi under shadows that unlearned the example over that under shadows no method touched",
        _ULIRA,
        "unlearned",
        partial(on_models.unlearned_lira, efficacy=True),
        ulira,
    ),
)

ATTACKS: Mapping[str, Attack] = MappingProxyType({attack.name: attack for attack in _TABLE})
ON_SHADOWS: Mapping[str, BankFunction] = MappingProxyType(
    {attack.name: attack.on_shadows for attack in _TABLE if attack.on_shadows is not None}
)
"""Attacks of the registry that can be made on the shadows themselves."""
