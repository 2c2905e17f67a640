"""The shadow bank of an audit: its design, and the one call that makes it."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from vestige.attacks.shadows.bank import ShadowBank
from vestige.attacks.shadows.design import ShadowDesign
from vestige.attacks.shadows.making import (
    check_method,
    make_shadows,
    make_unlearned,
    read_shadows,
    read_unlearned,
    store_of,
    unlearned_store,
)
from vestige.audit.config.config import AuditConfig
from vestige.audit.models.making import Plan
from vestige.audit.models.outputs import rows_of_split
from vestige.audit.models.reading import candidate_of, load_plan
from vestige.audit.models.workspace import SHADOWS, Workspace
from vestige.audit.progress import Watch, ignore
from vestige.learners.arrays import Indices
from vestige.learners.data.examples import Examples
from vestige.learners.engine.engines import Engine, Processes
from vestige.learners.engine.ray import RayEngine
from vestige.learners.errors import ConfigError
from vestige.learners.seeds import numpy_generator
from vestige.learners.training.augmentations import parse_augmentations
from vestige.learners.training.train_many import choose_workers


def design_of(plan: Plan) -> ShadowDesign:
    """The shadows that suit an audit: same recipe, trained on halves of forget, retain and unseen examples together,
    queried on the audited ones. Validation examples stay out. Augmentations: of ``[shadows]``, by default the mirror
    image beside the image itself where the recipe mirrors."""
    config, split = plan.config, plan.split
    names = config.shadows.views
    if names is None:
        names = ["identity"] if config.recipe.augmentation == "none" else ["identity", "mirror"]
    return ShadowDesign(
        examples=plan.examples,
        recipe=config.recipe,
        pool=np.sort(np.concatenate([split.forget, split.retain, split.unseen])),
        rows=np.sort(rows_of_split(plan.split, config.seed)),
        augmentations=parse_augmentations(names),
        requests=requests_of(plan),
        seed=config.seed,
        device=plan.device.type,
    )


def requests_of(plan: Plan) -> Indices:
    """The examples of which each shadow has to forget a half: the forget set and as many unseen ones of its classes.

    A shadow's request is then as large and as mixed as the real one, and every example of it is forgotten by one shadow
    of a pair and never seen by the other. For whole classes: all their images; for people: as many other people."""
    examples, split = plan.examples, plan.split
    random = numpy_generator(plan.config.seed, "shadow requests")
    if split.setting == "class":
        own = np.isin(examples.labels[split.unseen], np.unique(examples.labels[split.forget]))
        return np.sort(np.concatenate([split.forget, split.unseen[own]]))
    if split.setting == "subject" and examples.subjects is not None:
        return np.sort(np.concatenate([split.forget, _people(examples, split.forget, split.unseen, random)]))
    twins = []
    for label, count in zip(*np.unique(examples.labels[split.forget], return_counts=True), strict=True):
        of_class = split.unseen[examples.labels[split.unseen] == label]
        twins.append(random.permutation(of_class)[:count])
    return np.sort(np.concatenate([split.forget, *twins]))


def _people(examples: Examples, forget: Indices, unseen: Indices, random: np.random.Generator) -> Indices:
    """Rows of unseen people, as many people as are to be forgotten."""
    subjects = examples.subjects
    assert subjects is not None
    wanted = len(np.unique(subjects[forget]))
    drawn = random.permutation(np.unique(subjects[unseen]))[:wanted]
    return unseen[np.isin(subjects[unseen], drawn)]


def run_shadows(
    config: AuditConfig,
    workspace: Path,
    *,
    base: Path = Path("."),
    count: int | None = None,
    engine: Engine | None = None,
    keep_weights: bool = False,
    unlearn: Sequence[str] = (),
    watch: Watch = ignore,
) -> tuple[ShadowBank, dict[str, ShadowBank]]:
    """Make whatever of an audit's bank the workspace lacks; returned are the shadows, and by candidate what its method
    made of them.

    count: of shadows, None for the file's. engine: None for processes of this machine. unlearn: names of candidates of
    the file. Raises ConfigError for a name that is none of them."""
    plan = load_plan(config, base, watch)
    specs = [candidate_of(config, name) for name in unlearn]
    Workspace(workspace).mark()  # refuses one of another version before anything is trained
    root, number = workspace / SHADOWS, config.shadows.count if count is None else count
    chosen, device = suited_engine(plan, engine)
    design = replace(design_of(plan), device=device)
    for spec in specs:
        check_method(design, spec.method, spec.parameters)  # before hours of training
    keep, progress = keep_weights or bool(specs), partial(watch, f"training {number} shadows")
    shadows = make_shadows(design, root, number, engine=chosen, keep_weights=keep, progress=progress)
    unlearned = {}
    for spec in specs:
        unlearned[spec.name] = make_unlearned(
            design,
            root,
            number,
            spec.method,
            spec.parameters,
            validation=plan.split.validation,
            setting=plan.split.setting,
            engine=chosen,
            progress=partial(watch, f"unlearning by {spec.name}"),
        )
    return shadows, unlearned


def found_shadows(
    plan: Plan, workspace: Path, count: int | None = None
) -> tuple[ShadowBank | None, dict[str, ShadowBank]]:
    """The bank that the workspace holds for this audit, None for none, and what the candidates' methods made of it.

    count: of shadows, None for all whole pairs that are finished; DataError where there are fewer."""
    design, root, split = design_of(plan), Workspace(workspace).root / SHADOWS, plan.split
    if count is None and not store_of(design, root).pairs():
        return None, {}
    store = partial(unlearned_store, design, root, validation=split.validation, setting=split.setting)
    read = partial(read_unlearned, design, root, validation=split.validation, setting=split.setting, count=count)
    unlearned = {
        spec.name: read(spec.method, spec.parameters)
        for spec, _ in plan.candidates
        if store(spec.method, spec.parameters).pairs() >= (count or 2)
    }
    return read_shadows(design, root, count), unlearned


def suited_engine(plan: Plan, engine: Engine | None) -> tuple[Engine, str]:
    """The engine for an audit's shadows, and the device that they name; ConfigError where the two do not suit."""
    device = str(plan.device)
    if engine is None:
        return Processes(workers=choose_workers(plan.config.recipe, plan.device, plan.config.workers)), device
    on_gpu = plan.device.type == "cuda"
    if isinstance(engine, Processes) and engine.gpus:
        if not on_gpu:
            raise ConfigError(f"--gpu: expected an audit on CUDA, got device {device}; leave it out or set device")
        return engine, "cuda"  # each worker sees its own only
    if isinstance(engine, RayEngine):
        if on_gpu and not engine.gpus:
            raise ConfigError("--job-gpus: expected a share of a GPU for an audit on CUDA, got 0; give 1, or 0.25")
        if engine.gpus and not on_gpu:
            raise ConfigError(f'--job-gpus: expected an audit on CUDA, got device {device}; set device = "cuda"')
        return engine, plan.device.type
    return engine, device
