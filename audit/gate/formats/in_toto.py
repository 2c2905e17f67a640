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
        (f"{judged.name}/{case.name}", case.state)
        for judged in found.candidates
        for case in cases(judged.audit, judged.unplanned)
    ]
    statement = {
        "_type": STATEMENT,
        "subject": [_subject(found, judged) for judged in found.candidates],
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


def _subject(found: Gate, judged: GatedCandidate) -> dict[str, Any]:
    weights = judged.audit.weights
    if weights is None:
        raise DataError(
            f"{judged.source}: expected a digest of the weights of candidate {judged.name!r} for the in-toto "
            "statement, got none: the report was made from outputs; audit checkpoints, or leave --in-toto out"
        )
    digests = {WEIGHTS: weights}
    for one in found.cited:
        cited = (one.report, one.candidate, one.digest)
        if cited == (judged.source, judged.audit.candidate, weights) and one.sha256 is not None:
            digests["sha256"] = one.sha256
    return {"name": judged.name, "digest": digests}


def _configuration(found: Gate) -> dict[str, Any]:
    required = found.requirement
    digests = {POLICY: required.policy.hash}
    if required.sha256 is not None:
        digests["sha256"] = required.sha256
    return {"name": required.name, "digest": digests}
