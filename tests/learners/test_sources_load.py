"""load_examples: which source, the embedded digits, and a function of the user's own."""

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from vestige.learners.data.sources.load import SOURCES, load_examples
from vestige.learners.errors import ConfigError, DataError


def test_digits_are_all_there_and_scaled() -> None:
    examples = load_examples("digits")
    original = load_digits()
    assert examples.images.shape == (1797, 8, 8, 1) and examples.shape == (8, 8, 1)
    assert not examples.test_part.any()
    assert examples.class_names == tuple("0123456789")
    assert np.array_equal(examples.labels, original.target)
    assert examples.images.max() == 255
    assert np.abs(examples.images[..., 0] / 255 * 16 - original.images).max() <= 0.5 * 16 / 255
    assert len(np.unique(examples.images)) == 17
    assert examples.fingerprint == load_examples("digits").fingerprint


def test_listing_has_one_line_a_source() -> None:
    assert len(SOURCES) == 9
    assert all(text and "\n" not in text for text in SOURCES.values())


@pytest.mark.parametrize(
    "source", ["", "cifar", "digits:3", "Digits", "npz", "npz:", "fashion-mnist:", "s3://x", "a:b:c"]
)
def test_unknown_sources_are_refused(source: str) -> None:
    with pytest.raises(ConfigError, match="data.source: expected"):
        load_examples(source)


def test_unknown_source_lists_what_there_is() -> None:
    with pytest.raises(ConfigError) as refusal:
        load_examples("cifar")
    assert all(source in str(refusal.value) for source in SOURCES)


def test_columns_are_for_parquet_only() -> None:
    with pytest.raises(ConfigError, match="parquet and huggingface sources only, got 'digits'"):
        load_examples("digits", image_column="img")


MODULE = """
import numpy as np
from vestige.learners.data.examples import Examples

images = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4)

def pair():
    return images, [0, 2]

def whole():
    return Examples(images[..., None], np.array([1, 0]), ("x", "y"), "mine", np.array([False, True]))

def floats():
    return images / 255.0, [0, 1]

def short():
    return images, [0]

def broken():
    return 1 / 0

def nothing():
    pass

answer = 42
"""


@pytest.fixture
def module(tmp_path: Path) -> str:
    name = f"loader_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(MODULE)
    return name


def test_function_returns_a_pair_or_examples(tmp_path: Path, module: str) -> None:
    path = list(sys.path)
    pair = load_examples(f"{module}:pair", base=tmp_path)
    assert pair.images.shape == (2, 4, 4, 1) and pair.labels.tolist() == [0, 2]
    assert pair.class_names == ("0", "1", "2") and pair.name == f"{module}:pair"
    whole = load_examples(f"{module}:whole", base=tmp_path)
    assert whole.name == "mine" and whole.test_part.tolist() == [False, True]
    assert sys.path == path


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        ("floats", DataError, "expected images as uint8 in 0..255, got float64; scale"),
        ("short", DataError, r"labels as whole numbers of shape \[2\], got int64 \[1\]"),
        ("broken", DataError, "it raised ZeroDivisionError: division by zero"),
        ("nothing", DataError, "got NoneType"),
        ("answer", ConfigError, "to be a function, got int"),
        ("absent", ConfigError, "has no attribute 'absent'"),
    ],
)
def test_function_that_gives_no_examples(
    tmp_path: Path, module: str, function: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        load_examples(f"{module}:{function}", base=tmp_path)


def test_module_that_is_absent_or_broken(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No module named 'no_such_module_here'"):
        load_examples("no_such_module_here:load", base=tmp_path)
    (tmp_path / "broken_loader_module.py").write_text("def load(:\n")
    with pytest.raises(DataError, match="a module that can be imported, got SyntaxError"):
        load_examples("broken_loader_module:load", base=tmp_path)


def test_a_file_beside_the_configuration_never_shadows_an_installed_module(tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text("raise RuntimeError('shadowed')\n")
    sys.modules.pop("colorsys", None)
    with pytest.raises(ConfigError, match="no attribute 'load'"):
        load_examples("colorsys:load", base=tmp_path)
