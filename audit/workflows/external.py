"""An audit of models that others made: their files are asked about the user's data, and the answers judged."""

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
from vestige.audit.data_checks.near_duplicates import near_duplicates
from vestige.audit.data_checks.plausibility import check_plausible, outputs_problems
from vestige.audit.data_checks.preprocessing import check_preparation, draw_rows
from vestige.audit.exposure.exposed_ids import check_exposed_ids_path
from vestige.audit.models.outputs import rows_and_roles
from vestige.audit.planning.plan_file import PlanFile
from vestige.audit.policy import Policy
from vestige.audit.progress import Watch, ignore
from vestige.audit.results.exchangeable import Declaration
from vestige.audit.results.report import ModelsRecord, Report, Weights
from vestige.audit.workflows.records import data_record
from vestige.audit.workflows.single import audit_given
from vestige.learners.data.duplicates import count_duplicates
from vestige.learners.errors import DataError
from vestige.learners.external.factory import Factory
from vestige.learners.external.inference import ask
from vestige.learners.external.model_files import ExternalModel, load_model
from vestige.learners.external.preprocessing import OwnPreprocessing, Preprocessing
from vestige.learners.training.device import pick_device


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """One file for each model, of the kinds that ``vestige.learners.external.load_model`` reads."""

    candidate: Path
    original: Path | None = None
    retrains: tuple[Path, ...] = ()
    shadows: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class InferenceSettings:
    """How the models are asked. factory: makes the network where a file holds weights alone; see ``load_model``.
    device: auto, cpu, cuda, cuda:N. base: folder that ``package.module:function`` is also looked for in."""

    factory: Factory | None = None
    preprocessing: Preprocessing | OwnPreprocessing = field(default_factory=Preprocessing)
    device: str = "auto"
    batch_size: int = 512
    base: Path = Path(".")


@dataclass(frozen=True)
class InferredModel:
    """What is kept of a model once it was asked. digest: SHA-256 of its file. kind: one phrase, without its name."""

    digest: str
    kind: str


@dataclass(frozen=True, eq=False)
class Answers:
    """outputs: of every model on the audited examples. models: what was read, by name (original, retrain 1, ...)."""

    outputs: Outputs
    models: dict[str, InferredModel]


def infer_models(data: AuditData, files: ModelFiles, asking: InferenceSettings, *, watch: Watch = ignore) -> Answers:
    """The outputs of every model on all forget and unseen examples and at most 10,000 retain ones.

    One model is in memory at a time. Ids are ``Examples.names``: file names where the source has them, else indices.
    DataError for a file that cannot be read or does not fit the data, and where the original is right far more often
    with images prepared in another way (``check_preparation``; never where the user's own function prepares them)."""
    rows, roles = rows_and_roles(data.split, data.seed)
    examples = data.examples
    images, labels = examples.read(rows)
    device = pick_device(asking.device)
    models: dict[str, InferredModel] = {}
    every = 1 + (files.original is not None) + len(files.retrains) + len(files.shadows)

    def load(path: Path) -> ExternalModel:
        return load_model(
            path,
            factory=asking.factory,
            device=device,
            preprocessing=asking.preprocessing,
            expected_classes=examples.classes,
            base=asking.base,
        )

    def answer(path: Path, name: str) -> NDArray[Any]:
        model = load(path)

        def progress(done: int, total: int) -> None:
            watch(f"asking {every} models", len(models) * total + done, every * total)

        try:
            logits = ask(model.predictor, images, batch_size=asking.batch_size, progress=progress)
        except DataError as error:
            raise _of(path, error) from error
        models[name] = InferredModel(model.digest, model.description.removeprefix(f"{path.name}: ").rstrip("."))
        return logits

    retain = np.flatnonzero(roles == "retain")
    if files.original is not None and len(retain) and isinstance(asking.preprocessing, Preprocessing):
        chosen = draw_rows(retain, data.seed)
        original = load(files.original)
        try:
            check_preparation(
                original, asking.preprocessing, images[chosen], labels[chosen], asking.batch_size, watch=watch
            )
        except DataError as error:
            raise _of(files.original, error) from error
        del original
    arrays = stack_logits(
        answer,
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
    return Answers(outputs, models)


def _of(path: Path, error: DataError) -> DataError:
    return DataError(f"{path}: {str(error).removeprefix(f'{path}: ')}")


def audit_external(
    data: AuditData,
    files: ModelFiles,
    asking: InferenceSettings,
    policy: Policy,
    registration: Path,
    *,
    name: str | None = None,
    reproduce: str | None = None,
    exposed_ids: Path | None = None,
    under: PlanFile | None = None,
    exchangeable: bool = False,
    watch: Watch = ignore,
) -> Report:
    """Ask the models and judge the candidate; see ``audit_outputs`` for the rest.

    Refuses (DataError) copies of forget images in other roles, models that know no more than guessing and models whose
    classes are in another order: wrong preprocessing is the commonest mistake, and it would look like an audit."""
    if exposed_ids is not None:
        check_exposed_ids_path(exposed_ids)
    duplicates = count_duplicates(data.examples, data.split)
    answers = infer_models(data, files, asking, watch=watch)
    check_plausible(outputs_problems(answers.outputs))  # before the slower look for altered copies
    near = near_duplicates(data.examples, data.split, exposed_ids, watch)
    declared: Declaration | None = "declared" if exchangeable or data.exchangeable else None
    return audit_given(
        answers.outputs,
        policy,
        registration,
        name=name or files.candidate.stem,
        data=data_record(data.examples, data.split, duplicates, len(answers.outputs), near),
        models=_record(answers.models, asking),
        reproduce=reproduce,
        exposed_ids=exposed_ids,
        under=under,
        declared=declared,
    )


def _record(models: dict[str, InferredModel], asking: InferenceSettings) -> ModelsRecord:
    retrains = [one.digest for name, one in models.items() if name.startswith("retrain ")]
    original = models["original"].digest if "original" in models else None
    return ModelsRecord(
        recipe=None,
        seeds=None,
        weights=Weights(original, tuple(retrains)),
        device=None,
        asked=_sentence(list(models.values()), asking),
    )


def _sentence(models: Sequence[InferredModel], asking: InferenceSettings) -> str:
    found = Counter(one.kind for one in models)
    kinds = "; ".join(f"{count} x {kind}" for kind, count in found.most_common())
    own = asking.preprocessing
    if isinstance(own, Preprocessing):
        return f"{kinds}. {own.describe()}"
    return f"{kinds}. Images prepared by {getattr(own, '__module__', '')}:{getattr(own, '__qualname__', 'a function')}."
