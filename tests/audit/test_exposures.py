"""Exposure of single examples in an audit: counts in the report, ids in files of their own."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vestige.audit.cli.entry import main
from vestige.audit.endpoints.simulation import World
from vestige.audit.exposure.counts import write_exposed
from vestige.audit.policy import Policy
from vestige.audit.results.json import read_report
from vestige.audit.results.setting import CHOSEN
from vestige.audit.verdict.evidence import gather
from vestige.learners.errors import DataError

WORLD = World(forget=400, unseen=2500, retain=50, retrains=5)


def leaking(seed: int, share: float = 0.05, by: float = 6.0):  # type: ignore[no-untyped-def]
    """The audit of a fresh retrain of which some forget examples are still remembered, and which."""
    table = WORLD.draw(seed)
    known = np.arange(int(share * WORLD.forget))
    phi = table.phi.copy()
    phi[WORLD.retrains, known] += by
    outputs = replace(table, phi=phi).outputs()
    return replace(outputs, id=np.array([f"case-{row}" for row in range(len(outputs.labels))])), known


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


def test_the_report_counts_and_the_file_of_ids_names() -> None:
    outputs, known = leaking(1)
    found = gather(outputs, CHOSEN, Policy()).single_examples
    assert found is not None and found.examples == 400 and len(found.counts) == 6
    candidate, *retrains = found.counts
    assert candidate.model == "candidate" and [counts.model for counts in retrains] == [
        f"retrain {k}" for k in range(1, 6)
    ]
    assert 0.7 * len(known) < candidate.exposed < 1.4 * len(known)
    assert 0.7 * len(known) < candidate.exposed_ranked < 1.4 * len(known)
    assert sum(counts.exposed + counts.over_forgotten for counts in retrains) <= 5 and candidate.over_forgotten <= 2


def test_the_exposed_ids_of_the_command_is_closed_and_the_report_holds_no_id(tmp_path: Path) -> None:
    outputs, known = leaking(2)
    outputs.write(tmp_path / "model.npz")
    words = ["audit", "--outputs", str(tmp_path / "model.npz"), "--report", str(tmp_path / "report")]
    run(*words, "--exposed-ids", str(tmp_path / "exposed_ids"), "--name", "../weird name")
    (exposed_ids,) = (tmp_path / "exposed_ids").iterdir()
    assert (
        exposed_ids.name.startswith("_weird_name-")
        and exposed_ids.suffix == ".csv"
        and exposed_ids.stat().st_mode & 0o777 == 0o600
    )
    assert (tmp_path / "exposed_ids").stat().st_mode & 0o777 == 0o700
    rows = list(csv.DictReader(exposed_ids.read_text().splitlines()))
    exposed = {row["id"] for row in rows if row["direction"] == "exposed"}
    named = {f"case-{row}" for row in known}
    assert len(exposed & named) > 0.7 * len(named) and len(exposed - named) < 0.4 * len(named)
    text = "".join(file.read_text() for file in (tmp_path / "report").iterdir())
    assert "case-" not in text
    counts = read_report(tmp_path / "report").audits[0].single_examples
    assert counts is not None
    flagged = [row for row in rows if row["direction"] == "exposed" and "t" in row["flagged_by"].split(" and ")]
    assert counts.counts[0].exposed == len(flagged)


def test_few_retrains_and_bad_places_are_refused_in_a_sentence(tmp_path: Path) -> None:
    few = replace(WORLD, retrains=2).draw(1).outputs()
    found = gather(few, CHOSEN, Policy()).single_examples
    assert found is not None and "at least 3 retrains, got 2" in found.reason and not found.counts
    with pytest.raises(DataError, match="exposed ids: .* at least 3 retrains"):
        write_exposed(tmp_path / "exposed_ids", "x", few, CHOSEN, Policy())
    place = tmp_path / "file"
    place.write_text("mine")
    outputs, _ = leaking(1)
    outputs.write(tmp_path / "model.npz")
    words = ["audit", "--outputs", str(tmp_path / "model.npz"), "--report", str(tmp_path / "report")]
    assert run(*words, "--exposed-ids", str(place)) == 4 and place.read_text() == "mine"


def test_rows_stand_for_ids_that_were_not_given(tmp_path: Path) -> None:
    outputs, known = leaking(3)
    path = write_exposed(tmp_path / "exposed_ids", "plain", replace(outputs, id=None), CHOSEN, Policy())
    ids = {int(row["id"]) for row in csv.DictReader(path.read_text().splitlines()) if row["direction"] == "exposed"}
    assert len(ids & set(known.tolist())) > 0.7 * len(known)
