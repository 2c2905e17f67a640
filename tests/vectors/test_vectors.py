"""The conformance vectors: the files as committed give the values as committed."""

import json
from typing import Any

import numpy as np
import pytest

from tests.vectors.make import EXPECTED, FOLDER, TOLERANCE, VECTORS, narrow, values
from vestige.attacks.outputs.outputs import Outputs
from vestige.audit.endpoints.endpoints import BATTERY

WRITTEN = json.loads(EXPECTED.read_text())
MOST_BYTES = 100_000


def _close(found: Any, expected: Any, where: str) -> None:
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key, value in expected.items():
            _close(found[key], value, f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for place, value in enumerate(expected):
            _close(found[place], value, f"{where}[{place}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=TOLERANCE, rel=TOLERANCE), where
    else:
        assert found == expected, where


def test_they_are_of_this_battery_and_complete() -> None:
    assert WRITTEN["battery"] == BATTERY and set(WRITTEN["audits"]) == set(VECTORS)
    files = list(FOLDER.glob("*.npz"))
    assert {file.stem for file in files} == set(VECTORS)
    assert all(file.stat().st_size < MOST_BYTES for file in files)
    outcomes = {audit["outcome"] for audit in WRITTEN["audits"].values()}
    assert outcomes == {"PASS", "FAIL", "INCONCLUSIVE"}
    assert {audit["setting"] for audit in WRITTEN["audits"].values()} == {"chosen", "random", "class"}


@pytest.mark.parametrize("name", VECTORS)
def test_the_file_gives_the_values(name: str) -> None:
    vector, expected = VECTORS[name], WRITTEN["audits"][name]
    assert (expected["declared"], expected["policy"]) == (vector.declared, vector.policy())
    outputs = Outputs.read(FOLDER / f"{name}.npz", without_retrains=True)
    found = json.loads(json.dumps(values(outputs, vector)))
    _close(found, {key: value for key, value in expected.items() if key not in ("declared", "policy")}, name)


@pytest.mark.parametrize("name", VECTORS)
def test_the_file_is_what_the_generator_makes(name: str) -> None:
    made, read = narrow(VECTORS[name].make()), Outputs.read(FOLDER / f"{name}.npz", without_retrains=True)
    for field in ("labels", "role", "group", "subject", "id"):
        first, second = getattr(made, field), getattr(read, field)
        assert (first is None and second is None) or (first == second).all()
    for field in ("candidate", "retrain", "original"):
        assert np.allclose(np.float64(getattr(made, field)), np.float64(getattr(read, field)), atol=1e-2, rtol=1e-2)


def test_a_changed_number_is_seen() -> None:
    outputs = Outputs.read(FOLDER / "class.npz")
    found = json.loads(json.dumps(values(outputs, VECTORS["class"])))
    found["endpoints"]["M"]["gap"] += 1e-5
    with pytest.raises(AssertionError, match="class.endpoints.M.gap"):
        _close(found["endpoints"], WRITTEN["audits"]["class"]["endpoints"], "class.endpoints")
