"""What attacks there are: the table behind ``vestige attacks`` and ``vestige attack``, and behind the tests that hold
for all of them."""

from collections.abc import Mapping
from types import MappingProxyType

from vestige.attacks.registry import entries
from vestige.attacks.registry.attack import Attack
from vestige.attacks.scores.before_after import before_after
from vestige.attacks.scores.label_only import augmentation_vote
from vestige.attacks.scores.lira import lira
from vestige.attacks.scores.population import population
from vestige.attacks.scores.quantile import quantile
from vestige.attacks.scores.references import attack_r, difficulty, sablayrolles
from vestige.attacks.scores.rlira import rlira
from vestige.attacks.scores.rmia import rmia
from vestige.attacks.scores.rmia_shadows import rmia_shadows
from vestige.attacks.scores.shadow_classifier import shadow_classifier
from vestige.attacks.scores.threshold import class_centred
from vestige.attacks.scores.ulira import ulira

REPORT = "report only"
_LIRA = "Carlini et al. 2022, arXiv 2112.03570"
_RLIRA = f"{_LIRA}, section VI-C; references and centring ours"
_RMIA = "Zarifzadeh et al. 2024, arXiv 2312.03262"
_YE = "Ye et al. 2022, arXiv 2111.09679"
_ULIRA = "Hayes et al. 2024, arXiv 2403.01218; Naderloui et al. 2025, arXiv 2506.13009"

ATTACKS: Mapping[str, Attack] = MappingProxyType(
    {
        attack.name: attack
        for attack in (
            Attack(
                "threshold",
                "one cut on a signal for all examples",
                "Yeom et al. 2018, arXiv 1709.01604",
                "model",
                REPORT,
                "any",
                entries.threshold,
                entries.threshold,
            ),
            Attack(
                "threshold_classwise",
                "one cut on a signal for each class, as the signal minus its class median on unseen examples",
                "Song and Mittal 2021, arXiv 2003.10595",
                "model",
                "primary endpoint A1 (signal logit); can cause FAIL (entropy, modified_entropy); report only otherwise",
                "any",
                entries.threshold_classwise,
                class_centred,
            ),
            Attack(
                "population",
                "an example's place among unseen examples of its class on the same model",
                f"{_YE}, attack P",
                "model",
                REPORT,
                "logit",
                entries.population_classwise,
                population,
            ),
            Attack(
                "rlira",
                "phi against the mean of the other retrains, in pooled standard deviations",
                _RLIRA,
                "retrains 3",
                "primary endpoints A2 and T1",
                "logit",
                entries.retrain_lira,
                rlira,
            ),
            Attack(
                "rlira_abs",
                "distance of phi from the other retrains in either direction",
                _RLIRA,
                "retrains 3",
                "primary endpoints A3 and T2",
                "logit",
                entries.retrain_lira_abs,
                rlira,
            ),
            Attack(
                "rmia",
                "share of unseen examples whose likelihood ratio is smaller, offline with retrains as references",
                _RMIA,
                "retrains 2",
                "can cause FAIL; required for evidence grade B",
                "logit",
                entries.retrain_rmia,
                rmia,
            ),
            Attack(
                "lira_online",
                "likelihood of phi under shadows trained on the example over that under the others",
                _LIRA,
                "shadows",
                "can cause FAIL (F4); makes evidence of grade A from 64 shadows on",
                "logit",
                entries.lira_online,
                lira,
            ),
            Attack(
                "lira_online_fixed",
                "lira_online with one variance for all examples",
                _LIRA,
                "shadows",
                REPORT,
                "logit",
                entries.lira_online_fixed,
                lira,
            ),
            Attack(
                "lira_online_shrunken",
                "lira_online with each example's variance drawn towards the pooled one",
                f"{_LIRA}; variances after Smyth 2004",
                "shadows",
                REPORT,
                "logit",
                entries.lira_online_shrunken,
                lira,
            ),
            Attack(
                "lira_offline",
                "phi in standard deviations above shadows that were not trained on the example",
                _LIRA,
                "shadows",
                "can cause FAIL (F5); makes evidence of grade A from 64 shadows on",
                "logit",
                entries.lira_offline,
                lira,
            ),
            Attack(
                "lira_offline_fixed",
                "lira_offline with one variance for all examples",
                _LIRA,
                "shadows",
                REPORT,
                "logit",
                entries.lira_offline_fixed,
                lira,
            ),
            Attack(
                "lira_offline_shrunken",
                "lira_offline with each example's variance drawn towards the pooled one",
                f"{_LIRA}; variances after Smyth 2004",
                "shadows",
                REPORT,
                "logit",
                entries.lira_offline_shrunken,
                lira,
            ),
            Attack(
                "lira_offline_two_sided",
                "how unlikely phi is under shadows not trained on the example, in either direction",
                f"{_LIRA}, released code",
                "shadows",
                REPORT,
                "logit",
                entries.lira_offline_two_sided,
                lira,
            ),
            Attack(
                "rmia_online",
                "share of unseen examples whose likelihood ratio is smaller, with shadows of both kinds",
                _RMIA,
                "shadows",
                REPORT,
                "logit",
                entries.rmia_online,
                rmia_shadows,
            ),
            Attack(
                "rmia_offline",
                "rmia_online with only those shadows that were not trained on the example",
                _RMIA,
                "shadows",
                REPORT,
                "logit",
                entries.rmia_offline,
                rmia_shadows,
            ),
            Attack(
                "difficulty",
                "a signal minus its mean over shadows that were not trained on the example",
                "Watson et al. 2022, arXiv 2111.08440",
                "shadows",
                REPORT,
                "loss",
                entries.difficulty_calibrated,
                difficulty,
            ),
            Attack(
                "sablayrolles",
                "a signal minus the middle between shadows trained on the example and the others",
                "Sablayrolles et al. 2019, arXiv 1908.11229",
                "shadows",
                REPORT,
                "loss",
                entries.malt,
                sablayrolles,
            ),
            Attack(
                "attack_r",
                "share of shadows not trained on the example that know it less",
                f"{_YE}, attack R",
                "shadows",
                REPORT,
                "loss",
                entries.attack_reference,
                attack_r,
            ),
            Attack(
                "shadow_classifier",
                "a network for each class that learnt members' posteriors on shadows",
                "Shokri et al. 2017, arXiv 1610.05820",
                "shadows",
                REPORT,
                "logits",
                entries.shokri,
                shadow_classifier,
            ),
            Attack(
                "label_only",
                "share of views with the right label, over the share on shadows not trained on the example",
                "Choquette-Choo et al. 2021, arXiv 2007.14321",
                "views",
                REPORT,
                "decisions",
                entries.label_only,
                augmentation_vote,
            ),
            Attack(
                "quantile",
                "phi against what a regression on unseen examples expects of such an example",
                "Bertran et al. 2023, arXiv 2307.03694",
                "features",
                REPORT,
                "logit",
                entries.quantile_regression,
                quantile,
            ),
            Attack(
                "before_after",
                "phi before unlearning minus phi after; an exact retrain leaks here too, read the gap",
                "Chen et al. 2021, arXiv 2005.02205",
                "original",
                REPORT,
                "logit",
                entries.before_and_after,
                before_after,
            ),
            Attack(
                "ulira",
                "likelihood of phi under shadows that unlearned the example over that under those that never saw it",
                _ULIRA,
                "unlearned",
                "primary endpoints A4 and T4; makes evidence of grade A from 64 shadows on",
                "logit",
                entries.unlearned_lira,
                ulira,
            ),
            Attack(
                "ulira_efficacy",
                "likelihood of phi under shadows that unlearned the example over that under shadows no method touched",
                _ULIRA,
                "unlearned",
                REPORT,
                "logit",
                entries.unlearned_lira_efficacy,
                ulira,
            ),
        )
    }
)
