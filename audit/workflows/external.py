"""An audit of models made elsewhere: their outputs on the user's data are computed here, then judged."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vestige.attacks.outputs.collect import stack_logits
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.config.audit_data import AuditData
from vestige.audit.config.declaration import declared_as
from vestige.audit.data_checks.near_duplicates import near_duplicates
from vestige.audit.data_checks.plausibility import check_plausible, outputs_problems
from vestige.audit.data_checks.preprocessing import check_preparation, draw_rows
from vestige.audit.models.outputs import rows_and_roles
from vestige.audit.planning.preregistration import subject_of
from vestige.audit.progress import Watch, ignore
from vestige.audit.results.report import ModelsRecord, Report, Weights
from vestige.audit.workflows.conclude import conclude
from vestige.audit.workflows.records import data_record
from vestige.audit.workflows.request import AuditRequest, Candidate, Criteria, ModelFiles, Terms
from vestige.learners.data.duplicates import count_duplicates
from vestige.learners.errors import DataError
from vestige.learners.external.factory import Factory
from vestige.learners.external.inference import infer
from vestige.learners.external.model_files import ExternalModel, load_model
from vestige.learners.external.preprocessing import OwnPreprocessing, Preprocessing
from vestige.learners.training.device import pick_device


@dataclass(frozen=True, kw_only=True)
class InferenceSettings:
    """How the models are run. factory: makes the network where a file holds weights alone; see ``load_model``.
    device: auto, cpu, cuda, cuda:N. base: folder that ``package.module:function`` is also looked for in."""

    factory: Factory | None = None
    preprocessing: Preprocessing | OwnPreprocessing = field(default_factory=Preprocessing)
    device: str = "auto"
    batch_size: int = 512
    base: Path = Path(".")


@dataclass(frozen=True)
class InferredModel:
    """What is kept of a model. digest: SHA-256 of its file. kind: what it is, in one phrase without its name."""

    digest: str
    kind: str


@dataclass(frozen=True, eq=False)
class ModelOutputs:
    """outputs: of every model on the audited examples. models: what was read, by name (original, retrain 1, ...)."""

    outputs: Outputs
    models: dict[str, InferredModel]


def infer_models(
    data: AuditData, files: ModelFiles, settings: InferenceSettings, *, watch: Watch = ignore
) -> ModelOutputs:
    """The outputs of every model on the examples of ``rows_and_roles``.

    One model is in memory at a time. Ids are ``Examples.names``: file names where the source has them, else indices.
    DataError for a file that cannot be read or does not fit the data, and where the original is right far more often
    with images prepared in another way (``check_preparation``; never where the user's own function prepares them)."""
    rows, roles = rows_and_roles(data.examples, data.split, data.seed)
    examples = data.examples
    images, labels = examples.read(rows)
    device = pick_device(settings.device)
    models: dict[str, InferredModel] = {}
    every = 1 + (files.original is not None) + len(files.retrains) + len(files.shadows)

    def load(path: Path) -> ExternalModel:
        return load_model(
            path,
            factory=settings.factory,
            device=device,
            preprocessing=settings.preprocessing,
            expected_classes=examples.classes,
            base=settings.base,
        )

    def logits_of(path: Path, name: str) -> NDArray[Any]:
        model = load(path)

        def progress(done: int, total: int) -> None:
            watch(f"running {every} models", len(models) * total + done, every * total)

        try:
            logits = infer(model.predictor, images, batch_size=settings.batch_size, progress=progress)
        except DataError as error:
            raise _of(path, error) from error
        models[name] = InferredModel(model.digest, model.description.removeprefix(f"{path.name}: ").rstrip("."))
        return logits

    retain = np.flatnonzero(roles == "retain")
    if files.original is not None and len(retain) and isinstance(settings.preprocessing, Preprocessing):
        chosen = draw_rows(retain, data.seed)
        original = load(files.original)
        try:
            check_preparation(
                original, settings.preprocessing, images[chosen], labels[chosen], settings.batch_size, watch=watch
            )
        except DataError as error:
            raise _of(files.original, error) from error
        del original
    arrays = stack_logits(
        logits_of,
        candidate=files.candidate,
        original=files.original,
        retrains=files.retrains,
        shadows=files.shadows,
    )
    texts = {"group": examples.groups, "subject": examples.subjects}
    given = {name: values[rows] for name, values in texts.items() if values is not None}
    outputs = Outputs.from_arrays(
        {**arrays, **given, "labels": labels, "role": roles, "id": examples.names(rows)}, without_retrains=True
    )
    return ModelOutputs(outputs, models)


def _of(path: Path, error: DataError) -> DataError:
    return DataError(f"{path}: {str(error).removeprefix(f'{path}: ')}")


def audit_external(
    data: AuditData, files: ModelFiles, settings: InferenceSettings, terms: Terms, *, watch: Watch = ignore
) -> Report:
    """Compute the models' outputs and judge the candidate; ``terms``: see ``audit_outputs``.

    Refuses (DataError) copies of forget images in other roles, models that know no more than guessing and models whose
    classes are in another order: wrong preprocessing is the commonest mistake, and it would look like an audit."""
    duplicates = count_duplicates(data.examples, data.split)
    inferred = infer_models(data, files, settings, watch=watch)
    outputs = inferred.outputs
    check_plausible(outputs_problems(outputs))  # before the slower search for altered copies
    near = near_duplicates(data.examples, data.split, terms.exposed_ids, watch)
    request = AuditRequest(
        outputs=outputs,
        candidates=(Candidate(name=terms.name or files.candidate.stem),),
        subject=subject_of(outputs),
        criteria=Criteria(policy=terms.policy, declared=declared_as(data.random_draw, terms.declared)),
        terms=terms,
        data=data_record(data.examples, data.split, duplicates, outputs.role, near),
        models=_record(inferred.models, settings),
    )
    return conclude(request, watch)


def _record(models: dict[str, InferredModel], settings: InferenceSettings) -> ModelsRecord:
    retrains = [model.digest for name, model in models.items() if name.startswith("retrain ")]
    original = models["original"].digest if "original" in models else None
    return ModelsRecord(
        recipe=None,
        seeds=None,
        weights=Weights(original, tuple(retrains)),
        device=None,
        asked=_sentence(list(models.values()), settings),
    )


def _sentence(models: Sequence[InferredModel], settings: InferenceSettings) -> str:
    counts = Counter(model.kind for model in models)
    kinds = "; ".join(f"{count} x {kind}" for kind, count in counts.most_common())
    preprocessing = settings.preprocessing
    if isinstance(preprocessing, Preprocessing):
        return f"{kinds}. {preprocessing.describe()}"
    module, name = getattr(preprocessing, "__module__", ""), getattr(preprocessing, "__qualname__", "a function")
    return f"{kinds}. Images prepared by {module}:{name}."
