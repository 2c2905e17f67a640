"""How each registered attack is made on an attacker's inputs: which models are its references."""

from collections.abc import Callable

import numpy as np

from vestige.attacks.registry.attack import Scored
from vestige.attacks.registry.inputs import AttackInputs
from vestige.attacks.registry.on_shadows import loss_of, losses, votes
from vestige.attacks.scores.before_after import before_after
from vestige.attacks.scores.gaussians import Variance
from vestige.attacks.scores.label_only import augmentation_vote
from vestige.attacks.scores.lira import Form, lira
from vestige.attacks.scores.population import population
from vestige.attacks.scores.quantile import quantile
from vestige.attacks.scores.references import attack_r, difficulty
from vestige.attacks.scores.rlira import RLira
from vestige.attacks.scores.rmia import Rmia
from vestige.attacks.scores.rmia_shadows import RmiaForm, rmia_shadows
from vestige.attacks.scores.shadow_classifier import shadow_classifier
from vestige.attacks.scores.threshold import class_centred
from vestige.attacks.scores.ulira import ulira
from vestige.attacks.shadows.bank import OfAugmentation
from vestige.attacks.signals.signals import SIGNALS
from vestige.learners.arrays import Floats
from vestige.learners.errors import DataError


def threshold(inputs: AttackInputs, signal: str) -> Scored:
    """The signal itself: one cut on it for all examples, wherever it lies, is a point of the ROC curve."""
    return Scored.everywhere(inputs.signal(signal))


def threshold_classwise(inputs: AttackInputs, signal: str) -> Scored:
    """The signal, centred by class on calibration examples."""
    return Scored.everywhere(class_centred(inputs.signal(signal), inputs.labels, inputs.calibration))


def population_classwise(inputs: AttackInputs, signal: str) -> Scored:
    """The signal's place among calibration examples of the class."""
    return Scored.everywhere(population(inputs.signal(signal), inputs.labels, inputs.calibration, per_class=True))


def against_retrains(
    inputs: AttackInputs, signal: str, *, score: Callable[..., RLira | Rmia], absolute: bool = False
) -> Scored:
    """R-LiRA's z (or its distance from 0) or offline RMIA; each retrain with the other retrains as references."""
    k = len(inputs.retrains)
    result = score(inputs.phi[:k], inputs.phi[k:], inputs.calibration)
    scores = np.concatenate([result.retrains, result.others])
    return Scored.everywhere(np.abs(scores) if absolute else scores)


def shadow_lira(inputs: AttackInputs, signal: str, *, form: Form, variance: Variance) -> Scored:
    """LiRA; the variance ``auto`` is the one that so many shadows allow."""
    bank = inputs.bank
    result = lira(inputs.phi_of_augmentations, bank.phi, bank.member, form=form, variance=variance)
    raised = f", {result.floored} variances raised to the floor" if result.floored else ""
    return Scored.everywhere(result.scores.astype(np.float64), f"variance {result.variance}{raised}")


def shadow_rmia(inputs: AttackInputs, signal: str, *, form: RmiaForm) -> Scored:
    """RMIA with shadows of both kinds, or with OUT shadows."""
    bank = inputs.bank
    scores = rmia_shadows(inputs.phi_of_augmentations, bank.phi, bank.member, inputs.calibration, form=form)
    return Scored.everywhere(scores)


def loss_against_shadows(inputs: AttackInputs, signal: str, *, score: Callable[..., Floats]) -> Scored:
    """``difficulty`` or ``sablayrolles`` of the loss."""
    bank = inputs.bank
    return Scored.everywhere(score(loss_of(inputs.phi_of_augmentations), losses(bank), bank.member))


def attack_reference(inputs: AttackInputs, signal: str) -> Scored:
    """Attack R; phi ranks as the loss does."""
    return Scored.everywhere(attack_r(inputs.phi_of_augmentations, inputs.bank.phi, inputs.bank.member))


def posterior_classifier(inputs: AttackInputs, signal: str) -> Scored:
    """The shadow classifier on the first augmentation."""
    targets, bank = inputs.logits_of_augmentations[:, 0], inputs.bank
    scores = shadow_classifier(targets, OfAugmentation(bank), bank.member, inputs.labels, seed=inputs.seed)
    return Scored.everywhere(scores)


def label_only(inputs: AttackInputs, signal: str) -> Scored:
    """Votes over the bank's augmentations, less the mean vote of OUT shadows."""
    target_votes = augmentation_vote(inputs.logits_of_augmentations.argmax(-1), inputs.labels)
    return Scored.everywhere(difficulty(target_votes, votes(inputs.bank), inputs.bank.member))


def quantile_regression(inputs: AttackInputs, signal: str) -> Scored:
    """phi standardised by a regression on calibration examples."""
    if inputs.features is None:
        raise DataError("quantile: expected features of the examples, got none")
    return Scored.everywhere(quantile(inputs.phi, inputs.features, inputs.calibration, seed=inputs.seed))


def before_and_after(inputs: AttackInputs, signal: str) -> Scored:
    """phi of the original minus phi."""
    if inputs.original is None:
        raise DataError("before_after: expected the original's outputs, got none")
    original = SIGNALS["logit"].function(inputs.original, inputs.labels)
    return Scored.everywhere(before_after(original, inputs.phi))


def unlearned_lira(inputs: AttackInputs, signal: str, *, efficacy: bool = False) -> Scored:
    """U-LiRA's privacy game, on the examples that shadows were requested to forget: never seen by models of the method.
    efficacy: its efficacy game, where shadows that no method touched stand for retrained models."""
    bank = inputs.unlearned
    if bank is None:
        raise DataError("ulira: expected unlearned shadows, got none")
    never = inputs.bank if efficacy else bank
    requested = np.asarray(bank.forgot.any(axis=0))
    forgotten, unseen = ([table[:, requested] for table in shadows.phi] for shadows in (bank, never))
    targets = inputs.phi_of_augmentations[..., requested]
    result = ulira(targets, forgotten, bank.forgot[:, requested], unseen, ~never.member[:, requested])
    scores = np.zeros((inputs.models, len(inputs.labels)))
    scores[:, requested] = result.scores
    return Scored(scores, requested, f"variance {result.variance}")
