"""The gate as SARIF 2.1.0: a rule for each endpoint, a result for each test of each candidate."""

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from vestige.audit.files.text import one_line
from vestige.audit.gate.formats.cases import Case, cases
from vestige.audit.gate.gate import Gate, GatedCandidate
from vestige.learners.errors import ConfigError
from vestige.learners.files.io import digest

Profile = Literal["plain", "github"]
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(found: Gate, profile: Profile = "plain") -> bytes:
    """UTF-8 JSON.

    plain: every test; ``kind`` is pass, fail (level error) or open (level none), located in the report. github: only
    what fails (level error) and what is INCONCLUSIVE (level warning), located in the policy's file, as code scanning
    does not distinguish kinds. ConfigError for ``github`` where the policy has no file.
    """
    if profile == "github" and found.requirement.path is None:
        raise ConfigError(
            "--sarif-profile github: expected --policy FILE to locate the results in, got a ready profile; write the "
            "profile into a policy file"
        )
    tests = [(gated, case) for gated in found.candidates for case in cases(gated.audit, gated.unplanned)]
    rules = {_rule_id(case): case.title for _, case in tests}
    places = {name: place for place, name in enumerate(rules)}
    results = [
        _result(found, gated, case, profile) | {"ruleIndex": places[_rule_id(case)]}
        for gated, case in tests
        if profile == "plain" or case.state != "pass"
    ]
    driver = {
        "name": "vestige",
        "version": version("vestige"),
        "rules": [{"id": name, "shortDescription": {"text": one_line(title)}} for name, title in rules.items()],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": "vestige/gate/"},
        "properties": {"outcome": found.outcome, "headline": found.headline},
        "results": results,
    }
    return (json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n").encode()


def _rule_id(case: Case) -> str:
    return "vestige/" + re.sub(r"[^\w.-]+", "-", case.name)


def _result(found: Gate, gated: GatedCandidate, case: Case, profile: Profile) -> dict[str, Any]:
    path, kind, rule = Path(gated.source), str(case.state), _rule_id(case)
    level = "error" if case.state == "fail" else "none"
    if profile == "github":
        path, kind = found.requirement.path or Path(), "fail"
        level = "error" if case.state == "fail" else "warning"
    return {
        "ruleId": rule,
        "kind": kind,
        "level": level,
        "message": {"text": f"{gated.name}: {case.name}: {case.text}"},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": _uri(path)}, "region": {"startLine": 1}},
                "logicalLocations": [{"name": gated.name, "kind": "candidate"}],
            }
        ],
        "partialFingerprints": {"primaryLocationLineHash": f"{digest(gated.audit.candidate, rule)[:16]}:1"},
    }


def _uri(path: Path) -> str:
    """Relative to the working folder, from where code scanning takes the repository's root to be; a path elsewhere by
    its name alone, which says nothing about the machine."""
    whole, here = path.absolute(), Path.cwd()
    return quote(whole.relative_to(here).as_posix() if whole.is_relative_to(here) else path.name)
