"""The last blocks of a network, for methods that leave everything below as it is."""

from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from vestige.learners.errors import ConfigError
from vestige.learners.training.architectures import Classifier
from vestige.learners.training.flops import count_flops
from vestige.unlearners.core.task import Task

WRAPPER = 0.9
"""A part with this share of the body's parameters is a container around the blocks, not one of them."""

_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.LocalResponseNorm)

Block = list[nn.Module]


def blocks_of(body: nn.Module) -> list[Block]:
    """The blocks of a body in the order in which they are registered, which is that of the forward pass.

    The children of the body that hold parameters, one block each; plain ``nn.Sequential`` children, and children that
    hold nine tenths of the body's parameters or more, are opened and count as their children do. A normalisation layer
    and everything without parameters belong to the block before them (at the very start, to the first). So the
    perceptron has 2 blocks, ``cnn`` 3, ``resnet8`` 4 and both ``resnet18`` 9: the stem and the residual blocks.
    """
    blocks: list[Block] = []
    leading: Block = []
    for part in _parts(body, WRAPPER * _size(body)):
        if not blocks and _size(part) == 0:
            leading.append(part)
        elif blocks and (_size(part) == 0 or isinstance(part, _NORMS)):
            blocks[-1].append(part)
        else:
            blocks.append([part])
    if blocks:
        blocks[0] = leading + blocks[0]
    return blocks


@dataclass(frozen=True, eq=False)
class Tail:
    """The trained part of a network. keys: of its parameters and buffers in the state dict. still: all modules that lie
    outside it altogether. share: of the network's forward FLOPs that it holds."""

    keys: frozenset[str]
    still: tuple[nn.Module, ...]
    share: float


def last_blocks(name: str, model: Classifier, k: int, task: Task) -> Tail:
    """The last ``k`` blocks and the head; parameters that belong to no block come with the first, hence only when all
    blocks do. Everything else stops requiring gradients. Raises ConfigError on behalf of method ``name`` when there are
    fewer blocks."""
    blocks = blocks_of(model.body)
    if k > len(blocks):
        raise ConfigError(
            f"{name}.k: expected at most {len(blocks)}, the blocks of this network's body, got {k}; lower it"
        )
    trained = [model.head, *(part for block in blocks[-k:] for part in block)] if k < len(blocks) else [model]
    inside = {module for part in trained for module in part.modules()}
    paths = [path for path, module in model.named_modules() if module in trained]
    keys = frozenset(key for key in model.state_dict() if any(_within(key, path) for path in paths))
    for key, parameter in model.named_parameters():
        if key not in keys:
            parameter.requires_grad_(False)
    still = tuple(module for module in model.modules() if inside.isdisjoint(module.modules()))
    return Tail(keys, still, _share(model, paths, task))


def _parts(module: nn.Module, wrapper: float) -> list[nn.Module]:
    parts: list[nn.Module] = []
    for child in module.children():
        opened = type(child) is nn.Sequential or _size(child) >= wrapper
        parts += _parts(child, wrapper) if opened and any(child.children()) else [child]
    return parts or [module]


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _within(key: str, path: str) -> bool:
    return path == "" or key.startswith(f"{path}.")


def _share(model: Classifier, paths: list[str], task: Task) -> float:
    counts = count_flops(model, task.examples.shape)
    return sum(counts[path] for path in paths) / counts[""]
