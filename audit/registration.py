"""A policy written down before the candidate is scored, so that later edits of its margins show."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from audit._nouns import Reference
from audit.policy import Policy
from learners import DataError, write_atomically


@dataclass(frozen=True)
class Registration:
    """What was registered, and what is asked for now. new: this call wrote it."""

    path: Path
    policy_hash: str
    present_hash: str
    preconditions: Mapping[str, Any]
    new: bool

    @property
    def differs(self) -> bool:
        """Whether the policy was edited after it had been registered."""
        return self.policy_hash != self.present_hash


def register(path: Path, policy: Policy, preconditions: Reference) -> Registration:
    """Write the policy and its preconditions to ``path`` unless something is registered there already.

    preconditions: of ``audit.evidence.preconditions``. What stands in the file is never overwritten. DataError when the
    file cannot be read as a registration.
    """
    new = not path.exists()
    if new:
        content = {"policy_hash": policy.hash, "policy": asdict(policy), "preconditions": asdict(preconditions)}
        text = json.dumps(content, sort_keys=True, indent=1, allow_nan=False) + "\n"
        write_atomically(path, text.encode())
    kept = _read(path)
    return Registration(path, kept["policy_hash"], policy.hash, kept["preconditions"], new)


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: expected a registered policy, got an unreadable file ({error}); remove it") from None
    valid = (
        isinstance(content, dict)
        and isinstance(content.get("policy_hash"), str)
        and isinstance(content.get("preconditions"), dict)
    )
    if not valid:
        raise DataError(f"{path}: expected a registered policy with its hash and preconditions; remove the file")
    return content
