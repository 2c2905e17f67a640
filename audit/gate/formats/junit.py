"""The gate as JUnit XML: a suite for each candidate."""

from xml.etree import ElementTree

from vestige.audit.files.text import one_line
from vestige.audit.gate.formats.cases import Case, cases
from vestige.audit.gate.gate import Gate, GatedCandidate
from vestige.audit.report.hygiene import warnings as hygiene_warnings


def junit(found: Gate) -> bytes:
    """UTF-8 XML: FAIL is a ``failure``, INCONCLUSIVE an ``error`` of that type, as ``skipped`` would show green."""
    root = ElementTree.Element("testsuites", name="vestige gate")
    for gated in found.candidates:
        root.append(_suite(found, gated))
    for key in ("tests", "failures", "errors"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _suite(found: Gate, gated: GatedCandidate) -> ElementTree.Element:
    tests = cases(gated.audit, gated.unplanned)
    states = [test.state for test in tests]
    suite = ElementTree.Element(
        "testsuite",
        name=gated.name,
        package=gated.source,
        tests=str(len(tests)),
        failures=str(states.count("fail")),
        errors=str(states.count("open")),
        skipped="0",
        time="0",
    )
    policy, verdict = found.requirement.policy, gated.audit.verdict
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (
        ("report", gated.source),
        ("verdict", verdict.outcome),
        ("reasons", ", ".join(verdict.codes)),
        ("grade", verdict.grade),
        ("margins", policy.margins),
        ("policy", policy.hash),
        *(("warning", one_line(warning, 400)) for warning in hygiene_warnings(gated.report)),
    ):
        ElementTree.SubElement(properties, "property", name=name, value=value)
    for test in tests:
        suite.append(_case(gated, test))
    return suite


def _case(gated: GatedCandidate, test: Case) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=f"vestige.{gated.name}", name=test.name, time="0")
    if test.state == "pass":
        ElementTree.SubElement(case, "system-out").text = f"{test.title}. {test.text}"
    else:
        tag, kind = ("failure", "FAIL") if test.state == "fail" else ("error", "INCONCLUSIVE")
        ElementTree.SubElement(case, tag, type=kind, message=test.text).text = f"{test.title}. {test.text}"
    return case
