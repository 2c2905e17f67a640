"""Batches from data that stay on the device: shuffled, augmented by one gather, no per-image Python."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from vestige.learners.arrays import Indices
from vestige.learners.data.examples import Examples
from vestige.learners.errors import ConfigError
from vestige.learners.training.recipe import Recipe


def to_input(images: Tensor) -> Tensor:
    """uint8 ``[b, height, width, channels]`` to float32 ``[b, channels, height, width]`` in [-2, 2].

    The constants are fixed, so no statistic of any data set enters a model; the result has channels-last strides."""
    return ((images.float() - 127.5) / 63.75).permute(0, 3, 1, 2)


def crop_windows(images: Tensor, padding: int) -> Tensor:
    """All crops of all images as a view: uint8 ``[n, h, w, c]`` to ``[2 n, 2 p + 1, 2 p + 1, h, w, c]``.

    Row i holds image i after reflection padding, row n + i its mirror image; ``[i, dy, dx]`` is the crop that starts
    at ``(dy, dx)``. Raises ConfigError when the padding does not fit into the image.
    """
    n, height, width, channels = images.shape
    if padding >= min(height, width):
        raise ConfigError(f"recipe.crop_padding: expected less than {min(height, width)} pixels, got {padding}")
    moved = F.pad(images.permute(0, 3, 1, 2).float(), (padding,) * 4, mode="reflect")
    padded = moved.to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    both = torch.cat([padded, padded.flip(2)])
    image, row, column, channel = both.stride()
    shifts = 2 * padding + 1
    return both.as_strided((2 * n, shifts, shifts, height, width, channels), (image, row, column, row, column, channel))


class Batches:
    """The examples at ``indices`` on the device, handed out in batches.

    x: float32 ``[b, channels, height, width]``; y: int64 ``[b]``. ``augment=False`` leaves the pixels as they are.
    targets: ``[m, ...]`` on any device, handed out as y in place of the labels.
    """

    def __init__(
        self,
        examples: Examples,
        indices: Indices,
        recipe: Recipe,
        device: torch.device,
        *,
        augment: bool = True,
        targets: Tensor | None = None,
    ) -> None:
        images, labels = examples.read(indices)
        if targets is not None and len(targets) != len(labels):
            raise ValueError(f"expected one target for each of {len(labels)} examples, got {len(targets)}")
        self._labels = (torch.from_numpy(labels) if targets is None else targets).to(device)
        self._augmentation = recipe.augmentation if augment else "none"
        self._padding = recipe.crop_padding
        pixels = torch.from_numpy(images).to(device)
        if self._augmentation == "crop_flip":
            self._pixels = crop_windows(pixels, self._padding)
        elif self._augmentation == "flip":
            self._pixels = torch.cat([pixels, pixels.flip(2)])
        else:
            self._pixels = pixels

    def __len__(self) -> int:
        return len(self._labels)

    def epoch(
        self, order: torch.Generator, augmentation: torch.Generator, batch_size: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """One shuffled pass. A last batch of a single example is merged into the one before it, because batch
        normalisation cannot train on one value per channel."""
        permutation = torch.randperm(len(self), generator=order)
        moves = self._draw_augmentation(len(self), augmentation)
        for start, stop in batch_bounds(len(self), batch_size):
            yield self._take(permutation[start:stop], moves[:, start:stop])

    def epoch_pairs(
        self, order: torch.Generator, augmentation: torch.Generator, second: torch.Generator, batch_size: int
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """One shuffled pass like ``epoch``, each example in two independent draws of the augmentation: x, x', y.

        x and y are what ``epoch`` would give; x' comes from the stream ``second``."""
        permutation = torch.randperm(len(self), generator=order)
        moves = [self._draw_augmentation(len(self), stream) for stream in (augmentation, second)]
        for start, stop in batch_bounds(len(self), batch_size):
            positions = permutation[start:stop]
            (x, y), (other, _) = (self._take(positions, move[:, start:stop]) for move in moves)
            yield x, other, y

    def draw(self, size: int, order: torch.Generator, augmentation: torch.Generator) -> tuple[Tensor, Tensor]:
        """A fresh batch of ``min(size, len(self))`` different examples."""
        chosen = torch.randperm(len(self), generator=order)[:size]
        return self._take(chosen, self._draw_augmentation(len(chosen), augmentation))

    def plain(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The examples in order, un-augmented."""
        for start in range(0, len(self), batch_size):
            positions = torch.arange(start, min(start + batch_size, len(self)))
            unmoved = torch.tensor([[0], [self._padding], [self._padding]]).expand(3, len(positions))
            yield self._take(positions, unmoved)

    def _draw_augmentation(self, count: int, augmentation: torch.Generator) -> Tensor:
        """Mirror (0 or 1) and crop offsets, int64 ``[3, count]``."""
        if self._augmentation == "none":
            return torch.zeros(3, count, dtype=torch.int64)
        mirror = torch.randint(2, (1, count), generator=augmentation)
        if self._augmentation == "flip":
            return torch.cat([mirror, torch.zeros(2, count, dtype=torch.int64)])
        return torch.cat([mirror, torch.randint(2 * self._padding + 1, (2, count), generator=augmentation)])

    def _take(self, positions: Tensor, moves: Tensor) -> tuple[Tensor, Tensor]:
        device = self._labels.device
        rows = (positions + len(self) * moves[0]).to(device)
        if self._augmentation == "crop_flip":
            pixels = self._pixels[rows, moves[1].to(device), moves[2].to(device)]
        else:
            pixels = self._pixels[rows]
        return to_input(pixels), self._labels[positions.to(device)]


def batch_bounds(count: int, batch_size: int) -> list[tuple[int, int]]:
    """Start and stop of each batch of a pass over ``count`` examples; a lone last example joins its neighbour."""
    starts = list(range(0, count, batch_size))
    if len(starts) > 1 and count - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], count], strict=True))
