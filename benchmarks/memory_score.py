"""Which score shows a leak best? BASE at several shares, the residual and RMIA on the retrains of calibrations.

python -m benchmarks.memory_score examples/digits-calibration.toml WORKSPACE [AUDIT_FILE WORKSPACE ...]
    > docs/results/memory-score.md
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from vestige.attacks.metrics.roc import auc_rows
from vestige.attacks.scores.base import base
from vestige.attacks.scores.rmia import expected_probability, likelihood_ratio, population_share
from vestige.attacks.scores.threshold import class_centred
from vestige.audit.config.config import read_config
from vestige.audit.endpoints.readings import Readings, read
from vestige.audit.endpoints.scores import LEAST_OF_CLASS, Scores, score
from vestige.audit.files.markdown import table
from vestige.audit.models.workspace import Workspace
from vestige.audit.progress import ignore
from vestige.audit.results.setting import CHOSEN
from vestige.audit.studies.calibration.sources import case_of, pool_of
from vestige.audit.studies.calibration.trials import Case, Pool
from vestige.audit.verdict.controls import leaking_rows
from vestige.learners.arrays import Floats
from vestige.learners.seeds import numpy_generator

MODELS, RETRAINS = 100, (3, 5, 10)
LEAKS = (0.0, 0.2, 0.5, 1.0)
SHARES = (0.0, 0.33, 0.5, 0.75, 1.0)
A = 0.3
"""RMIA's a."""
Score = Callable[[Floats, Floats, Floats, Readings], Floats]
"""Score ``[n]`` of a model from its phi on the references' scale, the references' phi and the residual."""


def _base(share: float) -> Score:
    return lambda phi, references, residual, readings: base(phi[None], references, share)[0]


def _residual(phi: Floats, references: Floats, residual: Floats, readings: Readings) -> Floats:
    return residual


def _rmia(phi: Floats, references: Floats, residual: Floats, readings: Readings) -> Floats:
    ratio = likelihood_ratio(_p(phi), expected_probability(_p(references).mean(axis=0), A))
    return population_share(ratio, ratio[readings.calibration])


def _p(phi: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-phi)))


SCORES: dict[str, Score] = {f"BASE s = {share:g}": _base(share) for share in SHARES}
SCORES |= {"residual r": _residual, f"RMIA a = {A:g}": _rmia}


def aucs(scores: Scores, readings: Readings, rule: Score) -> Floats:
    """AUC of forget against unseen examples on every model, each compared with the retrains other than itself."""
    k, rows = readings.retrains, np.empty_like(readings.phi)
    for model, row in enumerate(rows):
        references = readings.phi[[retrain for retrain in range(k) if retrain != model]]
        row[:] = rule(scores.aligned[model] + scores.usual[model], references, scores.aligned[model], readings)
    rows = class_centred(rows, readings.labels, readings.calibration, LEAST_OF_CLASS)
    forget, _, unseen = scores.parts(rows)
    return auc_rows(forget, unseen)


def gaps_of(pool: Pool, case: Case, k: int) -> list[Floats]:
    """Gap to the retrains' mean of every score, by leak."""
    readings = read(pool.outputs(case.candidate, case.retrains[:k]), CHOSEN, range(k), 0.2)
    order = leaking_rows(readings, numpy_generator(case.seed, "leaks"))
    readings = readings.plant(k, [order[: int(np.ceil(share * len(order)))] for share in LEAKS])
    scores, last = score(readings), len(readings.phi) - 1
    tables = (aucs(scores, readings, rule) for rule in SCORES.values())
    return [values[k:last] - values[:k].mean() for values in tables]


def rows_of(audit_file: Path, workspace: Path) -> Iterator[tuple[str, ...]]:
    """The rows of one data set."""
    config = read_config(audit_file)
    _, pool = pool_of(config, Workspace(workspace), base=audit_file.parent, models=MODELS, watch=ignore)
    cases = [case_of(config.seed, MODELS, max(RETRAINS), candidate, 0) for candidate in range(MODELS)]
    gaps = np.array([[gaps_of(pool, case, k) for k in RETRAINS] for case in cases])  # cases, K, scores, leaks
    null, mean = gaps[..., 0].std(axis=0, ddof=1), gaps.mean(axis=0)
    for place, score_name in enumerate(SCORES):
        of_k = [f"{null[k, place]:.4f}" for k in range(len(RETRAINS))]
        middle = mean[1, place, 1:]
        yield (
            audit_file.stem.removesuffix("-calibration"),
            score_name,
            *of_k,
            *(f"{gap:.3f}" for gap in middle),
            f"{middle[0] / null[1, place]:.1f}",
        )


def main(*words: str) -> None:
    """Print the page."""
    pairs = list(zip(words[::2], words[1::2], strict=True))
    rows = [row for audit_file, workspace in pairs for row in rows_of(Path(audit_file), Path(workspace))]
    head = ("data", "score", *(f"null sd, K = {k}" for k in RETRAINS))
    head += (*(f"gap of {100 * leak:g} %" for leak in LEAKS[1:]), "20 % over its null sd")
    files = " ".join(f"{audit_file} {Path(workspace).name}" for audit_file, workspace in pairs)
    print("# The memory score, on real networks\n")
    print(f"```\npython -m benchmarks.memory_score {files} > docs/results/memory-score.md\n```\n")
    print(
        f"{MODELS} retrains of each data set, each once the candidate against K others. *null sd*: standard deviation "
        "of its AUC\nless the retrains' mean. *gap of q %*: mean of that, at K = 5, where the candidate answers q % of "
        "the forget examples as the\noriginal does. All scores are taken on the common scale, and centred by class.\n"
    )
    print(table(head, rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
