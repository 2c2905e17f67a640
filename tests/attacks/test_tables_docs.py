"""The worked examples of docs/outputs.md are read, and all say the same."""

import re
from pathlib import Path

import numpy as np
import pytest

from vestige.attacks.outputs.tables import columns
from vestige.attacks.outputs.tables.read import TableFiles, read_tables

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "outputs.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"`(\w+\.csv)`\n\n```csv\n(.*?)```", PAGE, re.DOTALL))


@pytest.mark.parametrize("layout", ["rows", "wide", "long", "several"])
def test_the_examples_are_read(tmp_path, layout):
    assert set(EXAMPLES) == {f"{name}.csv" for name in "rows wide long examples candidate original retrain".split()}
    for name, text in EXAMPLES.items():
        (tmp_path / name).write_text(text)
    files = {name: tmp_path / f"{name}.csv" for name in ("examples", "candidate", "original")}
    several = TableFiles(**files, retrain=[tmp_path / "retrain.csv"])
    outputs = read_tables(several if layout == "several" else TableFiles(outputs=tmp_path / f"{layout}.csv"))
    assert outputs.id.tolist() == ["img-007", "img-008"] and outputs.labels.tolist() == [0, 1]
    assert outputs.role.tolist() == ["forget", "unseen"]
    assert np.array_equal(outputs.candidate, [[2.5, -1], [0.5, 0.75]])
    assert np.array_equal(outputs.original, [[6, -4], [0.25, 1]])
    assert np.array_equal(outputs.retrain, [[[1.5, -0.5], [0.5, 0.5]]])


def test_every_default_name_is_on_the_page():
    table = PAGE.partition("## Columns")[2].partition("If two")[0]
    names = [name for several in columns.DEFAULTS.values() for name in several]
    for name in (*names, *columns.PREFIXES, *columns.LISTS):
        assert f"`{name}`" in table, name
