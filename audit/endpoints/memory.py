"""M memory, S spread, and G: memory within the hardest quarter and within classes or declared groups."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from vestige.audit.endpoints.scores import Scores
from vestige.audit.endpoints.statistic import Statistic, absent, null_auc, paired_auc
from vestige.audit.policy import Policy
from vestige.audit.statistics.intervals import null_error
from vestige.learners.arrays import Array, Floats, Mask

LEAST = 100
"""Forget examples, and unseen ones to compare them with, that a group must have."""
HARDEST = "hardest quarter"
IN_FORCE = 4.0
"""PASS requires an endpoint only where so many example errors fit into its margin: z of .95 and of .99, so that one
endpoint more costs an honest model about one point of PASS."""


def memory(scores: Scores, policy: Policy) -> Iterator[Statistic]:
    """M: AUC of the memory score."""
    forget, _, unseen = scores.parts(scores.memory)
    yield paired_auc(forget, unseen, scores.retrains, random=scores.setting.random)


def spread(scores: Scores, policy: Policy) -> Iterator[Statistic]:
    """S: AUC of the size of the residual: some examples more familiar, some less."""
    f, _, u = scores.sizes
    if not scores.retrains:
        yield absent("needs a retrain to compare with", f, u)
        return
    forget, _, unseen = scores.parts(np.abs(scores.residual))
    statistic = paired_auc(forget, unseen, scores.retrains, random=scores.setting.random)
    yield replace(statistic, in_force=statistic.values is None or in_force(f, u, policy))


def in_force(forget: int, unseen: int, policy: Policy) -> bool:
    """Whether spread is precise enough, by sizes alone, for PASS to require it."""
    return IN_FORCE * null_error(forget, unseen) <= policy.margin_auc


def groups(scores: Scores, policy: Policy) -> Iterator[Statistic]:
    """G: AUC of the memory score within the hardest quarter, and within each class or declared group.

    A group that is all of the forget set is none; people have no class."""
    if scores.setting.of_class:
        return
    if scores.declared is not None:
        yield from _by_key(scores, scores.declared, "group")
    if scores.people is None:
        yield from _by_key(scores, scores.labels, "class")
    if scores.retrains:
        yield _quarter(scores)


def _by_key(scores: Scores, keys: Array, word: str) -> Iterator[Statistic]:
    present = sorted(set(keys[scores.forget].tolist()), key=lambda key: _natural(f"{word} {key}"))
    for key in present if len(present) > 1 else ():
        forget, _, unseen = scores.parts(scores.memory, keys == key)
        yield _within(forget, unseen, scores, f"{word} {key}")


def _within(forget: Floats, unseen: Floats, scores: Scores, where: str) -> Statistic:
    f, u = forget.shape[1], unseen.shape[1]
    if few := too_few(f, u):
        return absent(few, f, u, where)
    statistic = null_auc(forget, unseen, scores.retrains, where=where)
    return replace(statistic, null=0.5) if scores.setting.random and scores.retrains < 2 else statistic


def too_few(forget: int, unseen: int) -> str:
    """Empty, or why a group of these sizes is not judged."""
    if min(forget, unseen) >= LEAST:
        return ""
    return f"needs at least {LEAST} forget and {LEAST} unseen examples for evaluation, got {forget} and {unseen}"


def _natural(name: str) -> tuple[str, int, str]:
    word, _, rest = name.partition(" ")
    return word, int(rest) if rest.isascii() and rest.isdigit() else -1, rest


def _quarter(scores: Scores) -> Statistic:
    """The rows that the model's references find hardest, against unseen rows that they find as hard: chosen by retrains
    alone, so that what the original happens to know takes no part."""
    edges = np.quantile(scores.usual[:, scores.calibration], 0.25, axis=1)
    hard = scores.usual < edges[:, None]
    sizes = [(int(mask[scores.forget].sum()), int(mask[scores.evaluation].sum())) for mask in hard]
    f, u = min(size[0] for size in sizes), min(size[1] for size in sizes)
    if few := too_few(f, u):
        return absent(few, f, u, HARDEST)
    parts = [_hard(scores, row, mask) for row, mask in zip(scores.memory, hard, strict=True)]
    pairs = [null_auc(*part, 0) for part in parts]
    values = np.array([pair.values[0] for pair in pairs if pair.values is not None])
    errors = np.array([pair.errors[0] for pair in pairs])[scores.retrains :]
    null = 0.5 if scores.setting.random and scores.retrains < 2 else None
    return Statistic(values, f, u, errors, null, expected=null_error(f, u), unseen_share=f / (f + u), where=HARDEST)


def _hard(scores: Scores, row: Floats, mask: Mask) -> tuple[Floats, Floats]:
    return row[None, mask & scores.forget], row[None, mask & scores.evaluation]
