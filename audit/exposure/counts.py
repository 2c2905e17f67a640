"""Exposure of single examples in an audit: counts for the report, ids for the file of exposed ids."""

import re
from pathlib import Path

import numpy as np

from vestige.attacks.arrays import NotEstimable
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.preconditions import identify
from vestige.audit.endpoints.readings import judged_rows, read
from vestige.audit.endpoints.scores import Scores, score
from vestige.audit.exposure.examples import Exposure, JudgedModel, exposure
from vestige.audit.exposure.exposed_ids import PAIRS, write_exposed_ids
from vestige.audit.policy import Policy
from vestige.audit.results.exposure import ExposureCounts, SingleExamples
from vestige.audit.results.setting import Setting
from vestige.learners.errors import DataError
from vestige.learners.files.io import digest


def count_exposed(scores: Scores, names: tuple[str, ...]) -> SingleExamples:
    """The counts of the candidate and, leave-one-out, of each retrain; ``names [K]`` of the retrains."""
    try:
        exposures = _exposure(scores)
    except NotEstimable as error:
        return SingleExamples(reason=str(error), rate=0.0, examples=0, fewest_ranked=0, counts=())
    return SingleExamples(
        reason="",
        rate=exposures.rate,
        examples=len(exposures.rows),
        fewest_ranked=exposures.fewest_ranked,
        counts=tuple(map(_counts, ("candidate", *names), (exposures.model, *exposures.retrains))),
    )


def write_exposed(folder: Path, name: str, outputs: Outputs, setting: Setting, policy: Policy) -> Path:
    """Write the ids of the candidate's flagged examples to ``folder/NAME.csv``, readable by its owner alone.

    An example without an id goes by its row in the outputs; a person with several rows by the subject. Raises DataError
    below three retrains and for a place that is not ours."""
    rows = judged_rows(outputs, setting)
    scores = score(read(outputs, setting, identify(outputs).kept, policy.calibration_share))
    people = scores.people
    try:
        exposures = _exposure(scores)
    except NotEstimable as error:
        raise DataError(f"exposed ids: {error}") from None
    ids = rows.astype(np.str_) if outputs.id is None else outputs.id[rows]
    if people is not None and outputs.subject is not None:
        ids = outputs.subject[rows][people.first]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    plain = re.sub(r"[^\w.-]", "_", name).lstrip(".")
    plain = plain.encode()[:120].decode(errors="ignore")  # names of files are limited to 255 bytes
    if plain != name or not plain or plain == PAIRS:
        plain = f"{plain}-{digest(name)[:8]}"  # two names never share a file
    path = folder / f"{plain}.csv"
    write_exposed_ids(path, exposures, ids[exposures.rows].tolist())
    return path


def _exposure(scores: Scores) -> Exposure:
    k = scores.retrains
    return exposure(scores.phi[k], scores.phi[:k], scores.forget, scores.evaluation, scores.calibration)


def _counts(name: str, judged: JudgedModel) -> ExposureCounts:
    return ExposureCounts(
        model=name,
        exposed=judged.exposed.count,
        over_forgotten=judged.over_forgotten.count,
        exposed_ranked=judged.exposed_ranked.count,
        over_forgotten_ranked=judged.over_forgotten_ranked.count,
    )
