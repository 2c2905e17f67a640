"""On real networks: the more shadows of digits, the more LiRA finds on the same targets."""

from pathlib import Path

import numpy as np
import torch

from vestige.attacks.shadows.bank import ShadowBank
from vestige.attacks.shadows.design import ShadowDesign
from vestige.attacks.signals.signals import logit
from vestige.audit.studies.attacks.bank_study import attack_shadows
from vestige.learners.data.sources.load import load_examples
from vestige.learners.training.device import one_thread
from vestige.learners.training.inference import predict_logits
from vestige.learners.training.recipe import Recipe
from vestige.learners.training.train import train

SHADOWS = 24


def test_more_shadows_of_digits_find_more() -> None:
    examples = load_examples("digits").with_label_noise(0.1, 0)
    recipe = Recipe(architecture="mlp", width=64, epochs=20, batch_size=64, learning_rate=0.05, weight_decay=0.0)
    rows = np.arange(len(examples.labels))
    design = ShadowDesign(examples=examples, recipe=recipe, pool=rows, rows=rows, seed=3)
    cpu = torch.device("cpu")
    with one_thread():
        models = [train(recipe, examples, design.trained_on(k), design.model_seed(k), cpu) for k in range(SHADOWS)]
        logits = [predict_logits(model, examples, rows, cpu)[None] for model in models]
    bank = ShadowBank(
        member=design.member(SHADOWS),
        forgot=np.zeros((SHADOWS, len(rows)), np.bool_),
        labels=examples.labels,
        rows=rows,
        augmentations=("identity",),
        phi=tuple(logit(table, examples.labels).astype(np.float32) for table in logits),
        logits=tuple(logits),
        accuracy_in=np.ones(SHADOWS),
        accuracy_out=np.ones(SHADOWS),
        seconds=np.ones(SHADOWS),
        flops=np.ones(SHADOWS),
        folder=Path("."),
    )
    calibration = rows % 10 == 0
    found = [attack_shadows(bank, calibration, signals=["logit"], shadows=size) for size in (6, 12, 24)]
    areas = {
        name: [next(one.auc.mean for one in table.results if one.attack == name) for table in found]
        for name in ("lira_online", "lira_offline", "difficulty", "threshold")
    }
    for name in ("lira_online", "lira_offline", "difficulty"):
        few, some, many = areas[name]
        assert few < some < many, (name, areas[name])
        assert many > areas["threshold"][2] + 0.02, (name, areas)
    assert len(set(areas["threshold"])) == 1  # the same targets in every column
