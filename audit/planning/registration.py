"""A policy written down before the candidate is scored, so that later edits of its margins show."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.endpoints import BATTERY
from vestige.audit.policy import Policy
from vestige.audit.results.setting import Setting
from vestige.audit.results.shadows import ShadowTables
from vestige.audit.verdict.evidence import preconditions
from vestige.learners.errors import DataError
from vestige.learners.files.io import digest, read_bounded, write_atomically

MOST_BYTES = 2**20


def register(
    folder: Path,
    policy: Policy,
    outputs: Outputs,
    setting: Setting,
    shadows: ShadowTables | None = None,
) -> str:
    """Hash of the policy that was registered first for the audit of ``outputs``, for all its candidates.

    Writes policy, battery and preconditions to ``registration-DIGEST.json`` in ``folder`` unless something is
    registered there already; what stands in the file is never overwritten. The digest covers examples, retrains and
    original (and shadows), so another audit in the same folder has a registration of its own. DataError when the file
    cannot be read.
    """
    path = folder / f"registration-{subject(outputs)[:16]}.json"
    if not path.exists():
        content = {
            "battery": BATTERY,
            "policy": asdict(policy),
            "policy_hash": policy.hash,
            "preconditions": asdict(preconditions(outputs, setting, policy, shadows=shadows)),
            "setting": asdict(setting),
            "subject": subject(outputs),
        }
        write_atomically(path, (json.dumps(content, sort_keys=True, indent=1, allow_nan=False) + "\n").encode())
    return _registered_hash(path)


def subject(outputs: Outputs) -> str:
    """SHA-256 over everything in ``outputs`` but the candidate."""
    names = ("labels", "role", "retrain", "original", "shadow")
    arrays = {name: getattr(outputs, name) for name in names}
    parts: list[str | NDArray[Any]] = []
    for name, values in arrays.items():
        if values is not None:
            parts += [f"{name} {values.dtype} {values.shape}", values]
    return digest(*parts)


def _registered_hash(path: Path) -> str:
    try:
        content: Any = json.loads(read_bounded(path, MOST_BYTES, "a registered policy"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: expected a registered policy, got an unreadable file ({error}); remove it") from None
    if not isinstance(content, dict) or not isinstance(content.get("policy_hash"), str):
        raise DataError(f"{path}: expected a registered policy with its hash; remove the file")
    return str(content["policy_hash"])
