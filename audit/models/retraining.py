"""Retrains from the user's own training function, on the engine, so that an audit of a model made elsewhere has a
reference."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.audit.config.audit_data import AuditData
from vestige.audit.models.making import STRIDE
from vestige.audit.models.outputs import rows_and_roles
from vestige.audit.models.workspace import digest_indices
from vestige.audit.progress import Watch, ignore
from vestige.learners.arrays import Indices
from vestige.learners.engine.engines import Engine, Processes
from vestige.learners.errors import ConfigError, DataError, VestigeError
from vestige.learners.external.inference import infer
from vestige.learners.external.predictors import as_predictor
from vestige.learners.external.preprocessing import OwnPreprocessing
from vestige.learners.external.settings import find_preprocessing
from vestige.learners.external.training import find_training, weights_bytes, weights_note, weights_of
from vestige.learners.files.io import canonical_json, digest, write_atomically
from vestige.learners.files.npz import npz_bytes, npz_comment
from vestige.learners.files.user_code import also_from, own_line, own_sources
from vestige.learners.seeds import seeded_torch
from vestige.learners.training.device import one_thread

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a retrain is made. function: ``package.module:train``, called as ``train(indices, seed)`` with the indices
    (int64, rising) of the examples to train on, and to return a model. preprocess: ``package.module:function`` from
    images to the input of a model that is no torch network and has to be queried here. base: folder that both are also
    looked for in, beside the current one. Names in place of functions, as each worker finds them for itself."""

    function: str
    preprocess: str | None = None
    base: Path = Path(".")


@dataclass(frozen=True)
class Retrains:
    """paths: all files in order. made: how many of them were trained now. alike: pairs of numbers of those among them
    whose weights (or outputs) are equal, as the training function draws nothing from its seed."""

    paths: tuple[Path, ...]
    made: int
    alike: tuple[tuple[int, int], ...]


def retrain_models(
    data: AuditData,
    training: Training,
    count: int,
    folder: Path,
    *,
    engine: Engine | None = None,
    watch: Watch = ignore,
) -> Retrains:
    """Train ``count`` models on the retain examples, with seeds of their own, and write what ``folder`` lacks.

    A torch network is kept as ``retrain-K.safetensors`` (its state_dict), anything else that can be queried, such as an
    estimator, as ``retrain-K.npz``: its outputs on the audited examples, because a file of it would be a pickle.
    Each file says what it was made from. DataError where one in the folder was made from something else (other
    examples, another seed, an edited training module or one that it imports from beside it), or where training fails;
    ConfigError for a function that is not there.
    """
    if count < 1:
        raise ConfigError(f"count: expected at least 1 retrain, got {count}")
    function = find_training(training.function, base=training.base)
    retain = data.split.retain
    rows, roles = rows_and_roles(data.examples, data.split, data.seed)
    sources = [*own_sources(training.function, function, base=training.base), training.function]
    preprocessing = _preprocessing(training)
    if preprocessing is not None and training.preprocess is not None:
        sources += [*own_sources(training.preprocess, preprocessing, base=training.base), training.preprocess]
    code, fingerprint = digest(*sources), data.examples.fingerprint
    same = {"code": code, "data": fingerprint, "indices": digest_indices(retain), "rows": digest_indices(rows)}
    seeds = [data.seed * STRIDE + 1 + k for k in range(count)]
    made_from = [{**same, "seed": seed} for seed in seeds]
    paths: list[Path | None] = [_existing(folder, k + 1, made_from[k]) for k in range(count)]
    missing = [k for k, path in enumerate(paths) if path is None]
    work = partial(_train, training, retain, (data, rows))
    progress = partial(watch, f"training {len(missing)} retrains")
    if missing:
        progress(0, len(missing))
    digests: dict[int, str] = {}
    for done, (kind, arrays) in (engine or Processes(fresh=True)).run(
        work, [seeds[k] for k in missing], progress=progress if missing else None
    ):
        k = missing[done]
        digests[k] = digest(*(part for name in sorted(arrays) for part in (name, arrays[name])))
        path = folder / f"retrain-{k + 1}.{'safetensors' if kind == 'state' else 'npz'}"
        if kind == "state":
            content = weights_bytes(arrays, canonical_json(made_from[k]))
        else:
            facts = {"labels": data.examples.labels[rows], "role": roles, "id": data.examples.names(rows)}
            content = npz_bytes({**arrays, **facts}, comment=canonical_json(made_from[k]))
        write_atomically(path, content)
        paths[k] = path
    first: dict[str, int] = {}
    firsts = [(first.setdefault(digests[k], k), k) for k in sorted(digests)]
    alike = tuple((one + 1, other + 1) for one, other in firsts if one != other)
    return Retrains(tuple(path for path in paths if path is not None), len(missing), alike)


def _train(
    training: Training,
    retain: Indices,
    queried: tuple[AuditData, Indices],
    seed: int,
    report: Progress,
) -> tuple[str, dict[str, NDArray[Any]]]:
    """Runs in a worker: weights as plain arrays, or the logits of what is no network."""
    with also_from(training.base), _seeded(seed):  # the function may import its own modules only when it is called
        function = find_training(training.function, base=training.base)
        try:
            model = function(retain.copy(), seed)
        except (Exception, SystemExit) as error:  # the user's own code may raise anything
            raise DataError(
                f"{training.function}(indices, seed={seed}): expected a model, "
                f"it raised {type(error).__name__}: {error}{own_line(error, training.function)}"
            ) from error
        weights = weights_of(model, training.function)
        if weights is not None:
            return "state", weights
        data, rows = queried
        images, _ = data.examples.read(rows)
        try:
            predictor = as_predictor(model, preprocessing=_preprocessing(training), classes=data.examples.classes)
            logits = infer(predictor, images, progress=report)
        except VestigeError as error:
            raise DataError(f"what {training.function} returned: {error}") from error
    if logits.shape[1] != data.examples.classes:
        raise DataError(
            f"what {training.function} returned: expected {data.examples.classes} classes as in the data, "
            f"got {logits.shape[1]}"
        )
    return "logits", {"logits": logits}


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Global streams that the user's function may draw from start from its seed: a retrain that is made
    again, or in another process, is the same one. Outside they are as they were."""
    before, numbers = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        with seeded_torch(seed, "retrain"), one_thread():
            yield
    finally:
        random.setstate(before)
        np.random.set_state(numbers)


def _preprocessing(training: Training) -> OwnPreprocessing | None:
    return None if training.preprocess is None else find_preprocessing(training.preprocess, base=training.base)


def _existing(folder: Path, number: int, made_from: dict[str, Any]) -> Path | None:
    """The file of a retrain that is there already, if it was made from this."""
    for suffix in ("safetensors", "npz"):
        path = folder / f"retrain-{number}.{suffix}"
        if path.exists():
            if not path.is_file() or _header(path) != made_from:
                raise DataError(
                    f"{path}: expected a retrain of these examples, seed and training code, got one made from "
                    "something else; give another folder, or remove the retrains there"
                )
            return path
    return None


def _header(path: Path) -> Any:
    try:
        note = npz_comment(path) if path.suffix == ".npz" else weights_note(path)
        return json.loads(note or "null")
    except (DataError, ValueError, RecursionError):  # of another program
        return None
