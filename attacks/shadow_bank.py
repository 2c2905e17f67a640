"""Shadow banks: many models trained under an audit's recipe on halves of the pool, and what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attacks._arrays import Floats, Labels, Mask
from attacks._shadow_store import ShadowStore
from attacks._shadow_work import Answers, make_shadow, train_shadow, unlearn_shadow
from attacks.shadow_design import ShadowDesign, chunks, even
from learners import (
    DataError,
    Engine,
    Indices,
    Processes,
    Progress,
    canonical_json,
    code_version,
    digest,
    load_checkpoint,
    pick_device,
)
from unlearners import create, entry

DENSE_CHUNK = 8
"""Dense networks in one job: they train in less time than a process takes to start."""


@dataclass(frozen=True, eq=False)
class ShadowBank:
    """Outputs of N shadows on m audited examples, mapped from files.

    member: bool ``[N, m]``, who trained on what (of unlearned models: before unlearning). forgot: bool ``[N, m]``, what
    a method was told to forget, all False where none ran. labels: int64 ``[m]``. rows: their indices in the audit's
    examples. views: names. phi: N tables float32 ``[views, m]``. logits: N tables ``[views, m, classes]``.
    accuracy_in, accuracy_out: float64 ``[N]``, on the rows trained on and on the others; NaN without any. seconds,
    flops: float64 ``[N]``. folder: where they lie.
    """

    member: Mask
    forgot: Mask
    labels: Labels
    rows: Indices
    views: tuple[str, ...]
    phi: tuple[NDArray[np.float32], ...]
    logits: tuple[NDArray[np.float32], ...]
    accuracy_in: Floats
    accuracy_out: Floats
    seconds: Floats
    flops: Floats
    folder: Path

    def __len__(self) -> int:
        return len(self.phi)

    def at(self, rows: Indices) -> "ShadowBank":
        """The same models on some of the rows only (indices into the audit's examples); DataError for one it lacks."""
        order = np.argsort(self.rows)
        places = order[np.minimum(np.searchsorted(self.rows, rows, sorter=order), len(order) - 1)]
        lacking = int((self.rows[places] != rows).sum())
        if lacking:
            raise DataError(
                f"shadows: expected outputs on all {len(rows)} audited examples, {lacking} are not in the bank; "
                "make a bank with vestige shadows for this very audit"
            )
        return ShadowBank(
            member=self.member[:, places],
            forgot=self.forgot[:, places],
            labels=self.labels[places],
            rows=rows,
            views=self.views,
            phi=tuple(table[:, places] for table in self.phi),
            logits=tuple(table[:, places] for table in self.logits),
            accuracy_in=self.accuracy_in,
            accuracy_out=self.accuracy_out,
            seconds=self.seconds,
            flops=self.flops,
            folder=self.folder,
        )


def store_of(design: ShadowDesign, root: Path) -> ShadowStore:
    """The folder of a design's shadows under ``root``."""
    return ShadowStore(root / f"bank-{design.key}", design.description())


def unlearned_store(
    design: ShadowDesign, root: Path, method: str, parameters: Mapping[str, Any], validation: Indices, setting: str
) -> ShadowStore:
    """The folder of what a method makes of them, beside the shadows."""
    description = {
        "method": method,
        "parameters": dict(parameters),
        "validation": {"size": len(validation), "digest": digest(validation.astype("<i8").tobytes())},
        "setting": setting,
    }
    key = digest(design.key, canonical_json(description), code_version("unlearners", "attacks._shadow_work"))[:16]
    return ShadowStore(store_of(design, root).folder / f"unlearned-{key}", description)


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

    root: holds the banks of any number of designs. engine: ``Processes()`` by default. keep_weights: beside the
    outputs, so that methods can run on the shadows later without training them anew. Kill it anywhere: what is finished
    stays. A larger count later adds whole pairs.
    """
    store = store_of(design, root)
    store.clear_remains()
    missing = [
        model for model in range(even(count)) if not store.has(model) or (keep_weights and not store.has_weights(model))
    ]
    work = partial(_shadows, design, keep_weights)
    jobs = chunks(missing, DENSE_CHUNK if design.recipe.architecture == "mlp" else 1)
    for done, answers in (engine or Processes()).run(work, jobs, progress=progress if jobs else None):
        for model, answer in zip(jobs[done], answers, strict=True):
            store.write(model, answer)
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
    """Run a method on the first ``count`` shadows, each told to forget its own half of ``design.requests``.

    validation, setting: as the audited task has them. Weights that were not kept are trained again, to the same bits.
    Raises DataError for a design without requests, and for a method that needs the ledger of a training run.
    """
    create(method, parameters)
    if not len(design.requests):
        raise DataError("shadows: expected requests to unlearn in the design, got none")
    if entry(method).needs:
        raise DataError(
            f"{method}: expected a method that needs the model and the data alone, but it needs the training ledger, "
            "which shadows do not keep; audit another method on shadows"
        )
    shadows, store = store_of(design, root), unlearned_store(design, root, method, parameters, validation, setting)
    store.clear_remains()
    missing = [model for model in range(even(count)) if not store.has(model)]
    jobs = [(model, shadows.weights(model).read_bytes() if shadows.has_weights(model) else None) for model in missing]
    work = partial(_unlearned, design, method, dict(parameters), validation, setting)
    for done, answer in (engine or Processes()).run(work, jobs, progress=progress if jobs else None):
        store.write(missing[done], answer)
    return _read(design, store, count, unlearned=True)


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
    finished = set(store.finished())
    whole = next(first for first in range(0, len(finished) + 2, 2) if not {first, first + 1} <= finished)
    wanted = whole if count is None else even(count)
    if wanted > whole or not whole:
        raise DataError(
            f"shadows: expected {wanted or 'at least 2'} finished models of this audit in {store.folder}, got {whole}; "
            "make them with vestige shadows"
        )
    shape = (len(design.views), len(design.rows), design.examples.classes)
    parts = [store.read(model, shape) for model in range(wanted)]
    phi, logits, numbers = zip(*parts, strict=True)

    def column(name: str) -> Floats:
        return np.array([one[name] for one in numbers])

    member = design.member(wanted)
    return ShadowBank(
        member=member,
        forgot=design.forgets(wanted) if unlearned else np.zeros_like(member),
        labels=design.examples.labels[design.rows],
        rows=design.rows,
        views=tuple(view.name for view in design.views),
        phi=phi,
        logits=logits,
        accuracy_in=column("accuracy_in"),
        accuracy_out=column("accuracy_out"),
        seconds=column("seconds"),
        flops=column("flops"),
        folder=store.folder,
    )


def _shadows(design: ShadowDesign, keep_weights: bool, models: Sequence[int], progress: Progress) -> list[Answers]:
    """Runs in a worker."""

    def within(place: int) -> Progress:
        return lambda done, total: progress(1000 * place + 1000 * done // max(1, total), 1000 * len(models))

    return [
        make_shadow(design, model, keep_weights=keep_weights, progress=within(place))
        for place, model in enumerate(models)
    ]


def _unlearned(
    design: ShadowDesign,
    method: str,
    parameters: Mapping[str, Any],
    validation: Indices,
    setting: str,
    job: tuple[int, bytes | None],
    progress: Progress,
) -> Answers:
    """Runs in a worker."""
    import tempfile

    model, content = job
    if content is None:
        shadow = train_shadow(design, model, progress)
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weights.safetensors"
            path.write_bytes(content)
            shadow, _ = load_checkpoint(path, pick_device(design.device), data=design.examples.fingerprint)
    return unlearn_shadow(design, model, shadow, method, parameters, validation, setting)
