"""Making a shadow bank, and reading one: the folder holds finished models, an engine makes the missing ones."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vestige.attacks.shadows.bank import ShadowBank
from vestige.attacks.shadows.design import ShadowDesign, chunks, even
from vestige.attacks.shadows.store import ShadowStore
from vestige.attacks.shadows.work import Kept, ShadowOutputs, make_shadow, shadow_of, unlearn_shadow
from vestige.learners.arrays import Floats, Indices
from vestige.learners.engine.engines import Engine, Processes
from vestige.learners.errors import DataError
from vestige.learners.files.io import canonical_json, digest
from vestige.learners.progress import Progress
from vestige.learners.training.code_version import code_version
from vestige.learners.training.device import pick_device
from vestige.learners.training.train_many import choose_workers
from vestige.unlearners.core.registry import create, entry

DENSE_CHUNK = 8
"""Dense networks in one job: they train in less time than a process takes to start."""


def store_of(design: ShadowDesign, root: Path) -> ShadowStore:
    """The folder of a design's shadows under ``root``."""
    return ShadowStore(root / f"bank-{design.key}", design.key, design.description())


def unlearned_store(
    design: ShadowDesign, root: Path, method: str, parameters: Mapping[str, Any], validation: Indices, setting: str
) -> ShadowStore:
    """The folder of what a method makes of them, in that of the shadows."""
    description = {
        "method": method,
        "parameters": dict(parameters),
        "validation": {"size": len(validation), "digest": digest(validation.astype("<i8").tobytes())},
        "setting": setting,
    }
    key = digest(
        design.key, canonical_json(description), code_version("vestige.unlearners", "vestige.attacks.shadows.work")
    )[:16]
    return ShadowStore(store_of(design, root).folder / f"unlearned-{key}", key, description)


def make_shadows(
    design: ShadowDesign,
    root: Path,
    count: int,
    *,
    engine: Engine | None = None,
    keep_weights: bool = False,
    progress: Progress | None = None,
) -> ShadowBank:
    """Train those of the first ``count`` shadows that the folder lacks, and read the bank.

    root: holds the banks of any number of designs. engine: ``Processes()`` by default. keep_weights: with the
    outputs, so that methods can run on the shadows later without training them anew. Kill it anywhere: what is finished
    stays. A larger count later adds whole pairs. A model whose files were damaged is made again. Where another
    bank under ``root`` kept the weights of the same models, these are used and not trained again.
    """
    store, shape = store_of(design, root), _shape(design)
    store.clear_remains()
    missing = [model for model in range(even(count)) if not store.sound(model, shape, weights=keep_weights)]
    work = partial(_shadows, design, keep_weights, _kept(design, root, missing))
    jobs = chunks(missing, DENSE_CHUNK if design.recipe.architecture == "mlp" else 1)
    for done, finished in (engine or default_engine(design)).run(work, jobs, progress=progress if jobs else None):
        for model, outputs in zip(jobs[done], finished, strict=True):
            store.write(model, outputs)
    return read_shadows(design, root, count)


def make_unlearned(
    design: ShadowDesign,
    root: Path,
    count: int,
    method: str,
    parameters: Mapping[str, Any],
    *,
    validation: Indices,
    setting: str,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> ShadowBank:
    """Run a method on the first ``count`` shadows, each requested to forget its own half of ``design.requests``.

    validation, setting: as the audited task has them. Weights that were not kept are trained again, to the same bits.
    Raises DataError for a design without requests, and for a method that needs the ledger of a training run.
    """
    check_method(design, method, parameters)
    store = unlearned_store(design, root, method, parameters, validation, setting)
    store.clear_remains()
    missing = [model for model in range(even(count)) if not store.sound(model, _shape(design))]
    kept = _kept(design, root, missing)
    work = partial(_unlearned, design, kept, method, dict(parameters), validation, setting)
    for done, outputs in (engine or default_engine(design)).run(work, missing, progress=progress if missing else None):
        store.write(missing[done], outputs)
    return _read(design, store, count, unlearned=True)


def check_method(design: ShadowDesign, method: str, parameters: Mapping[str, Any]) -> None:
    """Raise ConfigError or DataError where the method cannot run on these shadows, before any is trained."""
    create(method, parameters)
    if not len(design.requests):
        raise DataError("shadows: expected requests to unlearn in the design, got none")
    if entry(method).needs:
        raise DataError(
            f"{method}: expected a method that needs the model and the data alone, but it needs the training ledger, "
            "which shadows do not keep; audit another method on shadows"
        )


def default_engine(design: ShadowDesign) -> Engine:
    """Processes of this machine, as many as suit the recipe and the device; a single one works in this process."""
    return Processes(workers=choose_workers(design.recipe, pick_device(design.device), None))


def read_shadows(design: ShadowDesign, root: Path, count: int | None = None) -> ShadowBank:
    """The bank that is there; count: so many models, None for all finished pairs.

    Raises DataError when there are fewer (naming both numbers), or a file is damaged."""
    return _read(design, store_of(design, root), count)


def read_unlearned(
    design: ShadowDesign,
    root: Path,
    method: str,
    parameters: Mapping[str, Any],
    *,
    validation: Indices,
    setting: str,
    count: int | None = None,
) -> ShadowBank:
    """What ``make_unlearned`` made; see ``read_shadows``."""
    store = unlearned_store(design, root, method, parameters, validation, setting)
    return _read(design, store, count, unlearned=True)


def _read(design: ShadowDesign, store: ShadowStore, count: int | None, *, unlearned: bool = False) -> ShadowBank:
    whole, shape = store.pairs(), _shape(design)
    wanted = whole if count is None else even(count)
    if wanted > whole or not whole:
        raise DataError(
            f"shadows: expected {wanted or 'at least 2'} finished models of this audit in {store.folder}, got {whole}; "
            "make them with vestige shadows"
        )
    parts = [store.read(model, shape) for model in range(wanted)]
    phi, logits, numbers = zip(*parts, strict=True)

    def column(name: str) -> Floats:
        return np.array([kept[name] for kept in numbers])

    member = design.member(wanted)
    return ShadowBank(
        member=member,
        forgot=design.forgets(wanted) if unlearned else np.zeros_like(member),
        labels=design.examples.labels[design.rows],
        rows=design.rows,
        augmentations=tuple(augmentation.name for augmentation in design.augmentations),
        phi=phi,
        logits=logits,
        accuracy_in=column("accuracy_in"),
        accuracy_out=column("accuracy_out"),
        seconds=column("seconds"),
        flops=column("flops"),
        folder=store.folder,
    )


def _kept(design: ShadowDesign, root: Path, models: Sequence[int]) -> dict[int, Kept]:
    """Sound weights of these models, from any bank under ``root`` with the same training."""
    weights: dict[int, Kept] = {}
    for path in sorted(root.glob("bank-*/design.json")):
        store = ShadowStore(path.parent, path.parent.name.removeprefix("bank-"), {})
        if store.training() == design.training:
            for model in models:
                seconds = None if model in weights else store.kept_seconds(model)
                if seconds is not None:
                    weights[model] = Kept(store.weights(model).resolve(), seconds)
    return weights


def _shadows(
    design: ShadowDesign, keep_weights: bool, kept: Mapping[int, Kept], models: Sequence[int], progress: Progress
) -> list[ShadowOutputs]:
    """Runs in a worker."""

    def within(place: int) -> Progress:
        return lambda done, total: progress(1000 * place + 1000 * done // max(1, total), 1000 * len(models))

    return [
        make_shadow(design, model, kept=kept.get(model), keep_weights=keep_weights, progress=within(place))
        for place, model in enumerate(models)
    ]


def _unlearned(
    design: ShadowDesign,
    kept: Mapping[int, Kept],
    method: str,
    parameters: Mapping[str, Any],
    validation: Indices,
    setting: str,
    model: int,
    progress: Progress,
) -> ShadowOutputs:
    """Runs in a worker, which reads the weights; where it finds none (on another machine) it trains them again."""
    shadow = shadow_of(design, model, kept.get(model), progress)
    return unlearn_shadow(design, model, shadow, method, parameters, validation, setting)


def _shape(design: ShadowDesign) -> tuple[int, int, int]:
    return len(design.augmentations), len(design.rows), design.examples.classes
