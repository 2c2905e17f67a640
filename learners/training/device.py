"""Which device, and how many threads."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vestige.learners.errors import ConfigError


def pick_device(name: str = "auto") -> torch.device:
    """The device called ``name``; ``auto`` is CUDA when there is one, otherwise the CPU.

    Raises ConfigError for an unknown name and for CUDA where there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device: expected auto, cpu, cuda or cuda:N, got {name!r}") from error
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device: expected auto, cpu, cuda or cuda:N, got {name!r}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device: expected a CUDA device of {torch.cuda.device_count()} here, got {name}; use cpu")
    return device


@contextmanager
def one_thread() -> Iterator[None]:
    """One intra-op thread inside: small tensors lose more to synchronisation than they gain from a second core, and
    the bits of a result do not depend on how many cores a machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
