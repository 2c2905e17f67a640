"""The newest keys of a momentum encoder."""

import torch
from torch import Tensor


class Queue:
    """First in, first out: at most ``size`` keys ``[k, d]`` and their labels ``[k]``, the oldest first; no gradient.

    Raises ValueError when keys and labels differ in number.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: tuple[Tensor, Tensor] | None = None

    def __len__(self) -> int:
        return 0 if self._held is None else len(self._held[1])

    def enqueue(self, keys: Tensor, labels: Tensor) -> None:
        """Append keys in their order and let go of the oldest above the size."""
        if len(keys) != len(labels):
            raise ValueError(f"expected one label for each of {len(keys)} keys, got {len(labels)}")
        new = keys.detach(), labels
        if self._held is not None:
            new = torch.cat([self._held[0], new[0]]), torch.cat([self._held[1], new[1]])
        self._held = new[0][-self._size :], new[1][-self._size :]

    @property
    def keys(self) -> Tensor:
        """``[k, d]``, the oldest first; raises RuntimeError before anything was enqueued."""
        return self._filled()[0]

    @property
    def labels(self) -> Tensor:
        """int64 ``[k]``, one a key."""
        return self._filled()[1]

    def _filled(self) -> tuple[Tensor, Tensor]:
        if self._held is None:
            raise RuntimeError("expected a queue that was filled, got an empty one; enqueue keys first")
        return self._held
