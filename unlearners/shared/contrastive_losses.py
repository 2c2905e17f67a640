"""Losses that move representations of forget examples among those of retain examples."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


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
        similarity = _similarity(anchors, retain, temperature, normalise)
        same = anchor_labels[:, None] == retain_labels[None, :]
        usable = same.any(1) & ~same.all(1)
        similarity, same = similarity[usable], same[usable]
        if len(similarity) == 0:
            return ContrastiveTerm(retain.float().sum() * 0, len(usable))
        pull = similarity.masked_fill(same, 0).sum(1) / (~same).sum(1)
        push = similarity.masked_fill(~same, -torch.inf).logsumexp(1)
        return ContrastiveTerm((push - pull).mean(), len(usable) - len(similarity))


def contrastive_class_loss(
    anchors: Tensor, retain: Tensor, *, temperature: float, normalise: bool = True
) -> ContrastiveTerm:
    """Pull examples of a class that is forgotten whole towards retain examples, which are all of other classes.

    anchors ``[b, d]``, retain ``[m, d]``: representations. With unit vectors z, the mean over anchors i of
    ``- mean over a of z_i.z_a / t + ln m``. Nothing of the class is left to be pushed away from; ``ln m`` moves the
    value and no gradient. Gradients reach both arguments. Source: Lee et al., arXiv 2401.10458, equation 6, with the
    mean over anchors in place of the sum.
    """
    with torch.autocast(anchors.device.type, enabled=False):
        similarity = _similarity(anchors, retain, temperature, normalise)
        return ContrastiveTerm(math.log(len(retain)) - similarity.mean(1).mean(), 0)


def queue_loss(
    anchors: Tensor,
    anchor_labels: Tensor,
    keys: Tensor,
    key_labels: Tensor,
    *,
    temperature: float,
    normalise: bool = True,
) -> ContrastiveTerm:
    """Make a softmax over all keys find those of other classes.

    anchors ``[b, d]``, keys ``[k, d]``: representations; labels int64 ``[b]`` and ``[k]``. With unit vectors z and q,
    the term of anchor i is the mean over keys k of other classes of ``- log softmax_k(z_i.q_k / t)``, the softmax over
    the whole queue: keys of the anchor's class are pushed away because they stand in its denominator only. An anchor
    without a key of another class is skipped and counted. The keys get no gradient.

    Source: the form with a queue that the authors of arXiv 2401.10458 named when it was discussed in public, per anchor
    and with all keys from the start (their code averages over all pairs, and takes the same class while it fills).
    """
    with torch.autocast(anchors.device.type, enabled=False):
        similarity = _similarity(anchors, keys.detach(), temperature, normalise)
        same = anchor_labels[:, None] == key_labels[None, :]
        usable = ~same.all(1)
        similarity, same = similarity[usable], same[usable]
        if len(similarity) == 0:
            return ContrastiveTerm(anchors.float().sum() * 0, len(usable))
        pull = similarity.masked_fill(same, 0).sum(1) / (~same).sum(1)
        return ContrastiveTerm((similarity.logsumexp(1) - pull).mean(), len(usable) - len(similarity))


def _similarity(anchors: Tensor, others: Tensor, temperature: float, normalise: bool) -> Tensor:
    """``[b, m]``: products of the rows, of unit length with ``normalise``, over the temperature."""
    anchors, others = anchors.float(), others.float()
    if normalise:
        anchors, others = F.normalize(anchors, dim=1), F.normalize(others, dim=1)
    return anchors @ others.T / temperature
