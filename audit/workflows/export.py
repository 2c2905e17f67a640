"""Outputs of models made elsewhere, written to a file where the data are, so that they can be judged elsewhere."""

from dataclasses import dataclass
from pathlib import Path

from vestige.audit.config.audit_data import AuditData
from vestige.audit.data_checks.checks import data_hygiene
from vestige.audit.data_checks.near_duplicates import near_duplicates
from vestige.audit.data_checks.plausibility import check_plausible, outputs_problems
from vestige.audit.progress import Watch, ignore
from vestige.audit.results.data_checks import Hygiene
from vestige.audit.workflows.external import InferenceSettings, ModelOutputs, infer_models
from vestige.audit.workflows.request import ModelFiles
from vestige.learners.data.duplicates import count_duplicates


@dataclass(frozen=True, eq=False)
class Exported:
    """inferred: what was written. hygiene: what was found in images and people, of which the file holds nothing."""

    inferred: ModelOutputs
    hygiene: Hygiene


def export_to(
    out: Path, data: AuditData, files: ModelFiles, settings: InferenceSettings, *, watch: Watch = ignore
) -> Exported:
    """Ask the models and write their outputs to ``out`` (.npz), once the data and they were looked at as
    ``audit_external`` looks at them: whoever audits the file has no images to look for copies in.

    Refuses (DataError) what ``audit_external`` refuses; nothing is written then."""
    duplicates = count_duplicates(data.examples, data.split)
    inferred = infer_models(data, files, settings, watch=watch)
    check_plausible(outputs_problems(inferred.outputs))
    near = near_duplicates(data.examples, data.split, None, watch)
    inferred.outputs.write(out)
    return Exported(inferred, data_hygiene(data.examples, data.split, duplicates, near))
