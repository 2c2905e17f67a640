"""Losses that several methods share."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from learners import Recipe


def retain_loss(logits: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """The loss the original was trained with: mean cross-entropy with the recipe's label smoothing."""
    return F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)


class ContrastiveTerm(NamedTuple):
    """loss: mean over the anchors that were used (0 when there are none). skipped: anchors without a partner."""

    loss: Tensor
    skipped: int


def contrastive_sample_loss(
    anchors: Tensor,
    anchor_labels: Tensor,
    retain: Tensor,
    retain_labels: Tensor,
    *,
    temperature: float,
    normalise: bool = True,
) -> ContrastiveTerm:
    """Push forget examples away from retain examples of their class and pull them to the others.

    anchors ``[b, d]`` are representations of forget examples, retain ``[m, d]`` of retain examples; labels int64
    ``[b]`` and ``[m]``. With unit vectors z, the term of anchor i is ``- mean over other-class a of z_i.z_a / t
    + logsumexp over same-class p of z_i.z_p / t``; the denominator holds the same class only, so it is no softmax.
    Forget examples are never contrasted with each other. An anchor whose class is missing from the retain batch, or is
    the only one there, has no term: it is skipped and counted. Gradients reach both arguments.

    Source: Lee et al., "Contrastive Unlearning", arXiv 2401.10458, equation 5, with the mean over anchors in place of
    the sum.
    """
    with torch.autocast(anchors.device.type, enabled=False):
        anchors, retain = anchors.float(), retain.float()
        if normalise:
            anchors, retain = F.normalize(anchors, dim=1), F.normalize(retain, dim=1)
        similarity = anchors @ retain.T / temperature
        same = anchor_labels[:, None] == retain_labels[None, :]
        usable = same.any(1) & ~same.all(1)
        similarity, same = similarity[usable], same[usable]
        if len(similarity) == 0:
            return ContrastiveTerm(retain.sum() * 0, len(usable))
        pull = similarity.masked_fill(same, 0).sum(1) / (~same).sum(1)
        push = similarity.masked_fill(~same, -torch.inf).logsumexp(1)
        return ContrastiveTerm((push - pull).mean(), len(usable) - len(similarity))
