"""Outputs of models made elsewhere, written to a file where the data are, so that they can be judged elsewhere."""

from dataclasses import dataclass
from pathlib import Path

from audit._data_file import AuditData
from audit._hygiene_nouns import Hygiene
from audit._making import Watch
from audit.hygiene import data_hygiene
from audit.near_duplicates import near_duplicates
from audit.outside import Answers, Asking, ModelFiles, ask_models
from audit.plausibility import outputs_problems, refuse_problems
from audit.run import ignore
from learners import count_duplicates


@dataclass(frozen=True, eq=False)
class Exported:
    """answers: what was written. hygiene: what was found in images and people, of which the file holds nothing."""

    answers: Answers
    hygiene: Hygiene


def export_to(out: Path, data: AuditData, files: ModelFiles, asking: Asking, *, watch: Watch = ignore) -> Exported:
    """Ask the models and write their outputs to ``out`` (.npz), once the data and they were looked at as
    ``audit_outside`` looks at them: whoever audits the file has no images to look for copies in.

    Refuses (DataError) what ``audit_outside`` refuses; nothing is written then."""
    duplicates = count_duplicates(data.examples, data.split)
    answers = ask_models(data, files, asking, watch=watch)
    refuse_problems(outputs_problems(answers.outputs))
    near = near_duplicates(data.examples, data.split, None, watch)
    answers.outputs.write(out)
    return Exported(answers, data_hygiene(data.examples, data.split, duplicates, near))
