"""Losses that several methods share."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from learners import Recipe


def retain_loss(logits: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """The loss the original was trained with: mean cross-entropy with the recipe's label smoothing."""
    return F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)


def distillation_loss(teacher: Tensor, student: Tensor, temperature: float = 1.0) -> Tensor:
    """``T^2 KL(softmax(teacher / T) || softmax(student / T))``, summed over classes, mean over the batch; logits
    ``[b, classes]``. The factor keeps gradients of small logits independent of T (Hinton et al. 2015, arXiv 1503.02531,
    section 2)."""
    with torch.autocast(student.device.type, enabled=False):
        log_p = F.log_softmax(teacher.float() / temperature, dim=1)
        log_q = F.log_softmax(student.float() / temperature, dim=1)
        return temperature**2 * F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)


def view_contrastive_loss(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Representations ``[b, d]`` of two views of the same images: each is to find its partner among the other view's.

    With cosines S, ``CE(S / t, arange) + CE(S^T / t, arange)``: a sum of two means, the positive in the denominator,
    the other view only (unlike SimCLR's loss). 0 for a single image. Gradients reach both views. Source: Khalil et al.,
    "CoUn", arXiv 2509.16391, the listing of its appendix.
    """
    with torch.autocast(first.device.type, enabled=False):
        similarity = F.normalize(first.float(), dim=1) @ F.normalize(second.float(), dim=1).T / temperature
        partner = torch.arange(len(first), device=first.device)
        return F.cross_entropy(similarity, partner) + F.cross_entropy(similarity.T, partner)


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
