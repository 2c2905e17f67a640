"""A study: whole audits over several seeds, with the literature's numbers beside the verdicts, on one page."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

from vestige.audit.config.config import AuditConfig, describe, read_config
from vestige.audit.config.declaration import need_retrains
from vestige.audit.files.markdown import notes_of
from vestige.audit.files.output_paths import check_output_path
from vestige.audit.models.making import plan_models, train_missing, unlearn_missing
from vestige.audit.models.reading import load_plan
from vestige.audit.models.workspace import Workspace
from vestige.audit.progress import Watch, ignore
from vestige.audit.results.report import Audit
from vestige.audit.studies.measures import Measures, held_out_rows
from vestige.audit.studies.page import render
from vestige.audit.studies.records import CandidateRecord, CandidateVerdict, SeedRecord, SettingRecord, Study
from vestige.audit.workflows.demo import control_problems
from vestige.learners.errors import ConfigError
from vestige.learners.files.io import write_atomically


def run_study(
    files: Sequence[Path],
    *,
    seeds: int,
    workspace: Path,
    page: Path,
    title: str,
    command: str,
    watch: Watch = ignore,
) -> Study:
    """Do whatever of these audits the workspace lacks, for the seeds 0 to ``seeds`` - 1, measure every model, and write
    ``page`` (Markdown) and ``study-STEM.json`` (every number) in the workspace, STEM being the page's.

    Each audit has the folder ``workspace/STEM/seed-S``, STEM being its file's, and can be looked at with ``vestige run
    FILE --seed S --workspace`` that folder. A method that refuses the data does not end the study: the refusal stands
    in its record. Hand-written notes in a page that exists are kept. The same workspace gives the same bytes.
    Raises ConfigError and DataError in one sentence, for a file at ``page`` that is no page of a study among others.
    """
    stems = [file.stem for file in files]
    if len(set(stems)) < len(stems) or not files or seeds < 1:
        got = f"{', '.join(stems) or 'none'} and {seeds} seeds"
        raise ConfigError(
            f"study: expected audit files of different names and at least one seed, got {got}; rename one"
        )
    check_output_path(page)  # this, the notes and the later files refuse before hours of training
    notes_of(page)
    configs = [[read_config(file, seed=seed) for seed in range(seeds)] for file in files]
    for file, of_seeds in zip(files[1:], configs[1:], strict=True):
        held_out_rows(plan_models(of_seeds[0], file.parent))
    settings = []
    for file, of_seeds in zip(files, configs, strict=True):
        done = []
        for config in of_seeds:
            place = Workspace(workspace / file.stem / f"seed-{config.seed}")
            done.append(_audit(config, place, file, _within(watch, f"{file.stem}, seed {config.seed}")))
        settings.append(replace(done[0], seeds=tuple(seed for record in done for seed in record.seeds)))
    study = Study(title, command, version("vestige"), tuple(settings))
    numbers = json.dumps(asdict(study), indent=1, sort_keys=True, allow_nan=False) + "\n"
    write_atomically(workspace / f"study-{page.stem}.json", numbers.encode())
    write_atomically(page, render(study, notes_of(page)).encode())
    return study


def _audit(config: AuditConfig, workspace: Workspace, file: Path, watch: Watch) -> SettingRecord:
    """One whole audit, and what the study keeps of it."""
    need_retrains(config, "vestige study")
    workspace.clear_remains()
    plan = load_plan(config, file.parent, watch)
    held_out_rows(plan)  # refuses before hours of training
    workspace.record("audit.json", describe(config))
    train_missing(plan, workspace, watch)
    refusals = unlearn_missing(plan, workspace, watch, tolerate=True)
    measures = Measures(plan, workspace)
    keys = [plan.original, *plan.retrains]
    total = len(keys) + len(plan.candidates)
    reference = []
    for done, key in enumerate(keys):
        watch("measuring", done, total)
        reference.append(measures.measured(key))
    audits: list[Audit] = []
    candidates = []
    for done, (spec, key) in enumerate(plan.candidates, start=len(keys)):
        watch("measuring", done, total)
        refusal = refusals.get(spec.name)
        judged = None if refusal is not None else measures.judged(spec.name, key)
        audits += [] if judged is None else [judged]
        candidates.append(
            CandidateRecord(
                name=spec.name,
                method=spec.method,
                given=dict(spec.parameters),
                measured=None if judged is None else measures.measured(key),
                judged=None if judged is None else _judged(judged),
                refusal=refusal,
            )
        )
    watch("measuring", total, total)
    roles = {role: len(getattr(plan.split, role)) for role in ("forget", "retain", "validation", "unseen")}
    record = SeedRecord(
        seed=config.seed,
        split=plan.split.description,
        counts={**roles, "test": len(measures.test)},
        original=reference[0],
        retrains=tuple(reference[1:]),
        candidates=tuple(candidates),
        problems=tuple(control_problems(audits, only_present=True)),
    )
    return SettingRecord(
        file=file.name,
        setting=plan.split.setting,
        data=plan.examples.name,
        classes=plan.examples.classes,
        shape=plan.examples.shape,
        recipe=asdict(config.recipe),
        policy=asdict(config.policy),
        device=plan.device.type,
        seeds=(record,),
    )


def _judged(audit: Audit) -> CandidateVerdict:
    cost, verdict = audit.cost, audit.verdict
    return CandidateVerdict(
        outcome=verdict.outcome,
        reasons=verdict.codes,
        grade=verdict.grade,
        gaps={endpoint.label: endpoint.gap for endpoint in audit.endpoints},
        utility={utility.role: utility.gap for utility in audit.utility},
        weights=audit.weights,
        parameters={} if audit.method is None else dict(audit.method.parameters),
        flops=None if cost is None else cost.flops,
        share_of_retrain=None if cost is None else cost.share_of_retrain,
        seconds=None if cost is None else cost.seconds,
        stop=None if cost is None else cost.stop,
    )


def _within(watch: Watch, where: str) -> Watch:
    return lambda stage, done, total: watch(f"{where}: {stage}", done, total)
