"""The gate as an in-toto statement about the candidates' checkpoints.

Source: in-toto Attestation Framework, Statement v1 and predicate test-result v0.1.
"""

import json
from typing import Any

from vestige.audit.gate.formats.cases import cases
from vestige.audit.gate.gate import Gate, GatedCandidate
from vestige.learners.errors import DataError

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"
WEIGHTS, POLICY = "vestigeWeights", "vestigePolicy"
"""Names of digests over content rather than over the bytes of a file: they are no ``sha256`` that other tools find."""


def in_toto(found: Gate) -> bytes:
    """UTF-8 JSON: an unsigned Statement with a test-result predicate.

    subject: every candidate, by the digest of its weights as the report cites it and, where its checkpoint was at hand
    and confirmed, by the SHA-256 of that file. result: PASSED only where all pass; INCONCLUSIVE is FAILED, as WARNED
    would mean passed. configuration: the policy. DataError where a report cites no digest of a candidate.
    """
    tests = [
        (f"{gated.name}/{case.name}", case.state)
        for gated in found.candidates
        for case in cases(gated.audit, gated.unplanned)
    ]
    statement = {
        "_type": STATEMENT,
        "subject": [_subject(found, gated) for gated in found.candidates],
        "predicateType": PREDICATE,
        "predicate": {
            "result": "PASSED" if found.outcome == "PASS" else "FAILED",
            "configuration": [_configuration(found)],
            "passedTests": [name for name, state in tests if state == "pass"],
            "warnedTests": [],
            "failedTests": [name for name, state in tests if state != "pass"],
        },
    }
    return (json.dumps(statement, indent=2) + "\n").encode()


def _subject(found: Gate, gated: GatedCandidate) -> dict[str, Any]:
    weights = gated.audit.weights
    if weights is None:
        raise DataError(
            f"{gated.source}: expected a digest of the weights of candidate {gated.name!r} for the in-toto "
            "statement, got none: the report was made from outputs; audit checkpoints, or leave --in-toto out"
        )
    own = (gated.source, gated.audit.candidate, weights)
    files = [entry.sha256 for entry in found.cited if (entry.report, entry.candidate, entry.digest) == own]
    return {"name": gated.name, "digest": _digests(WEIGHTS, weights, files[-1] if files else None)}


def _configuration(found: Gate) -> dict[str, Any]:
    required = found.requirement
    return {"name": required.name, "digest": _digests(POLICY, required.policy.hash, required.sha256)}


def _digests(name: str, digest: str, sha256: str | None) -> dict[str, str]:
    return {name: digest} if sha256 is None else {name: digest, "sha256": sha256}
