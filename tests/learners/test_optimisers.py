"""Own optimisers: bit for bit those of torch, and without its compiler."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vestige.learners.training.optimisers import Adam, Optimiser, Sgd, clear_gradients

PAIRS: dict[str, tuple[Callable[[Any], Optimiser], Callable[[Any], torch.optim.Optimizer]]] = {
    "sgd": (lambda p: Sgd(p, 0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    "momentum": (
        lambda p: Sgd(p, 0.1, momentum=0.9, weight_decay=5e-4),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=5e-4),
    ),
    "nesterov": (
        lambda p: Sgd(p, 0.1, momentum=0.9, weight_decay=5e-4, nesterov=True),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True),
    ),
    "adam": (lambda p: Adam(p, 1e-2, weight_decay=1e-3), lambda p: torch.optim.Adam(p, lr=1e-2, weight_decay=1e-3)),
}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 3))


def loss(model: nn.Module, step: int) -> Tensor:
    inputs = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(step))
    return model(inputs).logsumexp(1).mean()


@pytest.mark.parametrize("name", PAIRS)
def test_bits_are_those_of_torch(name: str) -> None:
    ours, theirs = network(), network()
    own, reference = PAIRS[name][0](list(ours.parameters())), PAIRS[name][1](theirs.parameters())
    for step in range(12):
        own.rate = reference.param_groups[0]["lr"] = 0.1 / (1 + step)
        clear_gradients(own.parameters)
        reference.zero_grad(set_to_none=True)
        loss(ours, step).backward()
        loss(theirs, step).backward()
        if step == 3:  # a parameter without a gradient stays, and so does its state
            for model in (ours, theirs):
                model[3].bias.grad = None
        own.step()
        reference.step()
        for place, (mine, other) in enumerate(zip(ours.parameters(), theirs.parameters(), strict=True)):
            assert torch.equal(mine, other)
            kept = [value for value in reference.state[other].values() if torch.is_tensor(value) and value.dim()]
            assert all(torch.equal(*pair) for pair in zip(own.state(place), kept, strict=True))


def test_training_and_unlearning_leave_the_compiler_out() -> None:
    """All but models in one stack: ``torch.func`` imports it itself."""
    code = (
        "import sys, torch, numpy as np\n"
        "from vestige.learners import Recipe, load_examples, train\n"
        "from vestige.unlearners import Finetune, Task\n"
        "examples, rows, cpu = load_examples('digits'), np.arange(64), torch.device('cpu')\n"
        "recipe = Recipe(architecture='mlp', width=8, epochs=1, batch_size=32)\n"
        "model = train(recipe, examples, rows, 1, cpu)\n"
        "task = Task(examples=examples, forget=rows[:8], retain=rows[8:], validation=rows[:0], recipe=recipe, seed=1,\n"
        "    device=cpu, setting='sample')\n"
        "Finetune(share=1.0)(model, task)\n"
        "sys.exit('torch._dynamo' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
