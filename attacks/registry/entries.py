"""Each registered attack on the material: which models are its references, and what it is given of them."""

from dataclasses import dataclass

import numpy as np

from vestige.attacks.registry.bank_entries import loss_of, losses, votes
from vestige.attacks.registry.inputs import AttackInputs
from vestige.attacks.scores.before_after import before_after
from vestige.attacks.scores.gaussians import Variance
from vestige.attacks.scores.label_only import augmentation_vote
from vestige.attacks.scores.lira import Form, lira
from vestige.attacks.scores.population import population
from vestige.attacks.scores.quantile import quantile
from vestige.attacks.scores.references import attack_r, difficulty, sablayrolles
from vestige.attacks.scores.rlira import rlira
from vestige.attacks.scores.rmia import rmia
from vestige.attacks.scores.rmia_shadows import RmiaForm, rmia_shadows
from vestige.attacks.scores.shadow_classifier import shadow_classifier
from vestige.attacks.scores.threshold import class_centred
from vestige.attacks.scores.ulira import ulira
from vestige.attacks.shadows.bank import OfAugmentation
from vestige.attacks.signals.signals import SIGNALS
from vestige.learners.arrays import Floats, Mask
from vestige.learners.errors import DataError


@dataclass(frozen=True, eq=False)
class Scored:
    """scores: float64 ``[K + P, n]``, retrains first; higher = member. judged: bool ``[n]``, the examples on which they
    are defined: all, except for attacks whose shadows tell about some only (elsewhere the scores are 0). remark: what a
    reader should know of this run, or nothing."""

    scores: Floats
    judged: Mask
    remark: str = ""


def threshold(material: AttackInputs, signal: str) -> Scored:
    """The signal itself: one cut on it for all examples, wherever it lies, is a point of the ROC curve."""
    return _everywhere(material, material.signal(signal))


def threshold_classwise(material: AttackInputs, signal: str) -> Scored:
    """The signal, centred by class on calibration examples."""
    return _everywhere(material, class_centred(material.signal(signal), material.labels, material.calibration))


def population_classwise(material: AttackInputs, signal: str) -> Scored:
    """The signal's place among calibration examples of the class."""
    scores = population(material.signal(signal), material.labels, material.calibration, per_class=True)
    return _everywhere(material, scores)


def retrain_lira(material: AttackInputs, signal: str) -> Scored:
    """R-LiRA's z, retrains leave-one-out."""
    k = len(material.retrains)
    found = rlira(material.phi[:k], material.phi[k:], material.calibration)
    return _everywhere(material, np.concatenate([found.retrains, found.others]))


def retrain_lira_abs(material: AttackInputs, signal: str) -> Scored:
    """R-LiRA's |z|."""
    found = retrain_lira(material, signal)
    return _everywhere(material, np.abs(found.scores))


def retrain_rmia(material: AttackInputs, signal: str) -> Scored:
    """Offline RMIA with the other retrains as references."""
    k = len(material.retrains)
    found = rmia(material.phi[:k], material.phi[k:], material.calibration)
    return _everywhere(material, np.concatenate([found.retrains, found.others]))


def lira_online(material: AttackInputs, signal: str) -> Scored:
    """LiRA, the variance that so many shadows allow."""
    return _lira(material, "online", "auto")


def lira_online_fixed(material: AttackInputs, signal: str) -> Scored:
    """LiRA with one variance."""
    return _lira(material, "online", "fixed")


def lira_online_shrunken(material: AttackInputs, signal: str) -> Scored:
    """LiRA with each example's variance drawn towards the pooled one."""
    return _lira(material, "online", "shrunken")


def lira_offline(material: AttackInputs, signal: str) -> Scored:
    """One-sided offline LiRA, the variance that so many shadows allow."""
    return _lira(material, "offline", "auto")


def lira_offline_fixed(material: AttackInputs, signal: str) -> Scored:
    """One-sided offline LiRA with one variance."""
    return _lira(material, "offline", "fixed")


def lira_offline_shrunken(material: AttackInputs, signal: str) -> Scored:
    """One-sided offline LiRA with each example's variance drawn towards the pooled one."""
    return _lira(material, "offline", "shrunken")


def lira_offline_two_sided(material: AttackInputs, signal: str) -> Scored:
    """Two-sided offline LiRA."""
    return _lira(material, "offline_two_sided", "auto")


def rmia_online(material: AttackInputs, signal: str) -> Scored:
    """RMIA with shadows of both kinds."""
    return _rmia(material, "online")


def rmia_offline(material: AttackInputs, signal: str) -> Scored:
    """RMIA with OUT shadows."""
    return _rmia(material, "offline")


def difficulty_calibrated(material: AttackInputs, signal: str) -> Scored:
    """The loss against OUT shadows' mean."""
    scores = difficulty(loss_of(material.phi_of_views), losses(material.bank), material.bank.member)
    return _everywhere(material, scores)


def malt(material: AttackInputs, signal: str) -> Scored:
    """The loss against the middle of IN and OUT."""
    scores = sablayrolles(loss_of(material.phi_of_views), losses(material.bank), material.bank.member)
    return _everywhere(material, scores)


def attack_reference(material: AttackInputs, signal: str) -> Scored:
    """Attack R; phi ranks as the loss does."""
    return _everywhere(material, attack_r(material.phi_of_views, material.bank.phi, material.bank.member))


def shokri(material: AttackInputs, signal: str) -> Scored:
    """The shadow classifier on the first view."""
    targets, bank = material.logits_of_views[:, 0], material.bank
    scores = shadow_classifier(targets, OfAugmentation(bank), bank.member, material.labels, seed=material.seed)
    return _everywhere(material, scores)


def label_only(material: AttackInputs, signal: str) -> Scored:
    """Votes over the bank's views, less the mean vote of OUT shadows."""
    own = augmentation_vote(material.logits_of_views.argmax(-1), material.labels)
    return _everywhere(material, difficulty(own, votes(material.bank), material.bank.member))


def quantile_regression(material: AttackInputs, signal: str) -> Scored:
    """phi standardised by a regression on calibration examples."""
    if material.features is None:
        raise DataError("quantile: expected features of the examples, got none")
    scores = quantile(material.phi, material.features, material.calibration, seed=material.seed)
    return _everywhere(material, scores)


def before_and_after(material: AttackInputs, signal: str) -> Scored:
    """phi of the original minus phi."""
    if material.original is None:
        raise DataError("before_after: expected the original's outputs, got none")
    original = SIGNALS["logit"].function(material.original, material.labels)
    return _everywhere(material, before_after(original, material.phi))


def unlearned_lira(material: AttackInputs, signal: str) -> Scored:
    """U-LiRA's privacy game, on the examples that shadows were told to forget; never seen: by models of the method."""
    return _ulira(material, after=True)


def unlearned_lira_efficacy(material: AttackInputs, signal: str) -> Scored:
    """U-LiRA's efficacy game, on the same examples: shadows that no method touched stand for retrained models."""
    return _ulira(material, after=False)


def _ulira(material: AttackInputs, *, after: bool) -> Scored:
    bank = material.unlearned
    if bank is None:
        raise DataError("ulira: expected unlearned shadows, got none")
    never = bank if after else material.bank
    asked = np.asarray(bank.forgot.any(axis=0))
    forgotten, unseen = ([table[:, asked] for table in one.phi] for one in (bank, never))
    targets = material.phi_of_views[..., asked]
    found = ulira(targets, forgotten, bank.forgot[:, asked], unseen, ~never.member[:, asked])
    scores = np.zeros((material.models, len(material.labels)))
    scores[:, asked] = found.scores
    return Scored(scores, asked, f"variance {found.variance}")


def _lira(material: AttackInputs, form: Form, variance: Variance) -> Scored:
    found = lira(material.phi_of_views, material.bank.phi, material.bank.member, form=form, variance=variance)
    raised = f", {found.floored} variances raised to the floor" if found.floored else ""
    return _everywhere(material, found.scores.astype(np.float64), f"variance {found.variance}{raised}")


def _rmia(material: AttackInputs, form: RmiaForm) -> Scored:
    bank = material.bank
    scores = rmia_shadows(material.phi_of_views, bank.phi, bank.member, material.calibration, form=form)
    return _everywhere(material, scores)


def _everywhere(material: AttackInputs, scores: Floats, remark: str = "") -> Scored:
    return Scored(scores, np.ones(len(material.labels), np.bool_), remark)
