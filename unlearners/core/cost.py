"""What a method spent: image passes, floating-point operations, seconds."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import torch

Role = Literal["forget", "retain", "validation", "synthetic"]
"""Whose images passed through the network; synthetic ones are made by the method (noise)."""

BACKWARD = 2
"""A backward pass costs as much as two forward passes."""


@dataclass(frozen=True)
class Check:
    """What a stopping rule compared after one pass: accuracies, fractions in [0, 1].

    forget_accuracy: on the forget set (or, for class forgetting, on validation images of the class).
    validation_accuracy: on validation examples (of the other classes, for class forgetting); None without any.
    """

    after_pass: int
    forget_accuracy: float
    validation_accuracy: float | None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of one run of one method.

    forward_examples_*, backward_examples_*: images that passed through the network in that direction (an image seen
    twice counts twice); synthetic images are made by the method. flops: forward plus twice backward, times the
    network's forward FLOPs per image; less where only the last layers were trained. seconds: wall time. stop: why the
    method ended. checks: what its stopping rule compared, pass by pass. notes: sentences for the record, such as
    anchors that had to be skipped.
    """

    forward_examples_forget: int
    forward_examples_retain: int
    forward_examples_validation: int
    backward_examples_forget: int
    backward_examples_retain: int
    flops: int
    seconds: float
    stop: str
    forward_examples_synthetic: int = 0
    backward_examples_synthetic: int = 0
    checks: tuple[Check, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def image_passes(self) -> int:
        """Forward passes plus two per backward pass, summed over all images; a backward pass through a part of the
        network counts whole here, and in ``flops`` what it spends."""
        real = self.forward_examples_forget + self.forward_examples_retain + self.forward_examples_validation
        back = self.backward_examples_forget + self.backward_examples_retain + self.backward_examples_synthetic
        return real + self.forward_examples_synthetic + BACKWARD * back


def _zeros() -> dict[Role, int]:
    return {"forget": 0, "retain": 0, "validation": 0, "synthetic": 0}


@dataclass(eq=False)
class CostMeter:
    """Counts while one method runs; ``measure`` sets it back to zero, ``cost`` reads it."""

    _forward: dict[Role, int] = field(default_factory=_zeros)
    _backward: dict[Role, int] = field(default_factory=_zeros)
    _flops_per_image: int = 0
    _passes: float = 0.0
    _seconds: float = 0.0
    _stop: str = ""
    _checks: list[Check] = field(default_factory=list)
    _notes: list[str] = field(default_factory=list)

    def forward(self, role: Role, images: int) -> None:
        """Count ``images`` forward passes."""
        self._forward[role] += images
        self._passes += images

    def backward(self, role: Role, images: int, *, share: float = 1.0) -> None:
        """Count ``images`` backward passes; ``share``: of the network's FLOPs that the pass goes back through."""
        self._backward[role] += images
        self._passes += BACKWARD * share * images

    def stopped(self, reason: str) -> None:
        """Record why the method ended; the last word holds."""
        self._stop = reason

    def checked(self, check: Check) -> None:
        """Record what a stopping rule compared."""
        self._checks.append(check)

    def note(self, sentence: str) -> None:
        """Record a sentence, once."""
        if sentence not in self._notes:
            self._notes.append(sentence)

    @contextmanager
    def measure(self, flops_per_image: int, device: torch.device) -> Iterator[None]:
        """Start from zero, and take the time until the block ends: what the device had queued before is waited
        for first, what the block queued is part of it."""
        self._forward, self._backward, self._checks, self._notes, self._stop = _zeros(), _zeros(), [], [], ""
        self._flops_per_image, self._passes = flops_per_image, 0.0
        _wait_for(device)
        started = time.perf_counter()
        try:
            yield
        finally:
            _wait_for(device)
            self._seconds = time.perf_counter() - started

    def cost(self) -> Cost:
        """The cost so far."""
        return Cost(
            forward_examples_forget=self._forward["forget"],
            forward_examples_retain=self._forward["retain"],
            forward_examples_validation=self._forward["validation"],
            backward_examples_forget=self._backward["forget"],
            backward_examples_retain=self._backward["retain"],
            forward_examples_synthetic=self._forward["synthetic"],
            backward_examples_synthetic=self._backward["synthetic"],
            flops=round(self._passes * self._flops_per_image),
            seconds=self._seconds,
            stop=self._stop,
            checks=tuple(self._checks),
            notes=tuple(self._notes),
        )


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
