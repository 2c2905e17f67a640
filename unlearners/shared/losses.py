"""Losses that several methods share."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vestige.learners.training.recipe import Recipe


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
