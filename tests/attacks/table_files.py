"""Outputs as files in every layout, written with pandas, for the tests of the reader."""

from pathlib import Path

import numpy as np
import pandas as pd

from vestige.attacks.outputs.outputs import Outputs
from vestige.attacks.outputs.tables.read import TableFiles

FACTS = ("role", "group", "subject", "id")


def make(seed=0, n=12, classes=3, retrains=2, original=True, shadows=0, dtype=np.float64, **changes):
    random = np.random.default_rng(seed)
    arrays = {
        "labels": random.integers(0, classes, n),
        "role": np.array(["forget", "unseen", "retain"])[np.arange(n) % 3],
        "candidate": random.normal(0, 3, (n, classes)).astype(dtype),
        "retrain": random.normal(0, 3, (retrains, n, classes)).astype(dtype),
        "group": np.array(["a", "bb", 'c"c,', "d\ne"])[np.arange(n) % 4],
        "subject": np.array([f"{i // 2:03d}" for i in range(n)]),
        "id": np.array([f"{i:03d}" for i in range(n)]),
    }
    if original is True:
        arrays["original"] = random.normal(0, 3, (n, classes)).astype(dtype)
    elif isinstance(original, np.ndarray):
        arrays["original"] = original
    if shadows:
        arrays["shadow"] = random.normal(0, 3, (shadows, n, classes)).astype(dtype)
    arrays |= changes
    return Outputs.from_arrays({name: values for name, values in arrays.items() if values is not None})


def models(outputs: Outputs) -> dict[str, np.ndarray]:
    found = {"candidate": outputs.candidate}
    if outputs.original is not None:
        found["original"] = outputs.original
    found |= {f"retrain-{i + 1}": one for i, one in enumerate(outputs.retrain)}
    if outputs.shadow is not None:
        found |= {f"shadow-{i + 1}": one for i, one in enumerate(outputs.shadow)}
    return found


def facts(outputs: Outputs) -> pd.DataFrame:
    held = {"label": outputs.labels} | {name: getattr(outputs, name) for name in FACTS}
    return pd.DataFrame({name: values for name, values in held.items() if values is not None})


def logits(values: np.ndarray, prefix="logit_") -> pd.DataFrame:
    return pd.DataFrame(values, columns=[f"{prefix}{c}" for c in range(values.shape[1])])


def by_row(outputs: Outputs, prefix="logit_") -> pd.DataFrame:
    frames = [
        pd.concat([facts(outputs), logits(one, prefix)], axis=1).assign(model=m) for m, one in models(outputs).items()
    ]
    return pd.concat(frames, ignore_index=True)


def wide(outputs: Outputs) -> pd.DataFrame:
    frames = [logits(one, m.replace("-", "_") + "_") for m, one in models(outputs).items()]
    return pd.concat([facts(outputs), *frames], axis=1)


def long(outputs: Outputs) -> pd.DataFrame:
    frame = by_row(outputs, "")
    classes = [str(c) for c in range(outputs.classes)]
    return frame.melt(id_vars=[c for c in frame if c not in classes], var_name="class", value_name="value")


def save(frame: pd.DataFrame, path: Path, **options) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False, **options)
    else:
        frame.to_csv(path, index=False, **({"sep": "\t"} if ".tsv" in path.name else {}), **options)
    return path


def several(outputs: Outputs, folder: Path, suffix=".csv", shuffle=None) -> TableFiles:
    """One file per model with ids (their rows shuffled by ``shuffle``), facts in an examples file."""
    paths: dict[str, Path] = {}
    for name, one in models(outputs).items():
        frame = logits(one).assign(id=outputs.id) if outputs.id is not None else logits(one)
        if shuffle is not None:
            frame = frame.iloc[shuffle.permutation(len(frame))]
        paths[name] = save(frame, folder / f"{name}{suffix}")
    return files(paths, examples=save(facts(outputs), folder / f"examples{suffix}"))


def files(paths: dict[str, Path], examples: Path | None = None) -> TableFiles:
    return TableFiles(
        candidate=paths["candidate"],
        original=paths.get("original"),
        retrain=[path for name, path in paths.items() if name.startswith("retrain")],
        shadow=[path for name, path in paths.items() if name.startswith("shadow")],
        examples=examples,
    )


def same(first: Outputs, second: Outputs) -> bool:
    """Equal to the last bit, in the order of ``first``."""
    at = np.arange(len(first))
    if first.id is not None and second.id is not None:
        order = {name: place for place, name in enumerate(second.id.tolist())}
        at = np.array([order[name] for name in first.id.tolist()])
    for name in ("labels", "candidate", "original", "retrain", "shadow", *FACTS):
        one, other = getattr(first, name), getattr(second, name)
        if (one is None) != (other is None):
            return False
        if one is not None and not np.array_equal(one, other[:, at] if one.ndim == 3 else other[at]):
            return False
    return len(first) == len(second) and first.candidate.dtype == second.candidate.dtype
