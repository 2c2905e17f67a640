"""An audit of outputs: logits that any framework wrote, in one file or in tables."""

from pathlib import Path

from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.outputs.tables.columns import Columns, RoleNames
from vestige.attacks.outputs.tables.read import TableFiles, read_tables
from vestige.audit.data_checks.plausibility import check_plausible, outputs_problems
from vestige.audit.planning.preregistration import subject_of
from vestige.audit.results.report import DataRecord, Report
from vestige.audit.workflows.conclude import conclude
from vestige.audit.workflows.request import AuditRequest, Candidate, Criteria, Terms
from vestige.learners.files.io import digest, digest_file


def audit_outputs(
    source: Path | TableFiles,
    terms: Terms,
    *,
    columns: Columns | None = None,
    roles: RoleNames | None = None,
    probabilities: bool = False,
) -> Report:
    """Judge the candidate of an outputs file (``.npz``, docs/outputs.md), or of tables (see ``read_tables``).

    columns, roles: of tables alone. DataError for anything that is wrong with the files, and where the plan is of
    something else."""
    if isinstance(source, Path):
        outputs = Outputs.read(source, probabilities=probabilities, without_retrains=True)
        main, fingerprint = source, digest_file(source)
    else:
        outputs = read_tables(source, columns, roles=roles, probabilities=probabilities, without_retrains=True)
        main, fingerprint = source.main, digest(*map(digest_file, source.paths))
    check_plausible(outputs_problems(outputs), weak=False)
    request = AuditRequest(
        outputs=outputs,
        candidates=(Candidate(name=terms.name or main.stem),),
        subject=subject_of(outputs),
        criteria=Criteria(policy=terms.policy, declared=terms.declared),
        terms=terms,
        data=outputs_record(outputs, main.name, fingerprint),
    )
    return conclude(request)


def outputs_record(outputs: Outputs, source: str, fingerprint: str) -> DataRecord:
    """What is known of the data where there are outputs alone."""
    return DataRecord(
        source=source,
        fingerprint=fingerprint,
        split=None,
        classes=outputs.classes,
        class_names=None,
        label_noise=None,
        saturated=outputs.saturated,
        forget=int(outputs.where("forget").sum()),
        unseen=int(outputs.where("unseen").sum()),
        retain=int(outputs.where("retain").sum()),
    )
