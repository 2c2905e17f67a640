"""Where examples come from: one small module a source, one function in front of them."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from vestige.learners.data.examples import Examples
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.untrusted import shown, shown_path
from vestige.learners.files.user_code import FUNCTION

SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "digits": "handwritten digits of scikit-learn, 1,797 of 8 x 8 pixels, always there",
        "fashion-mnist[:FOLDER]": "Fashion-MNIST from IDX files, by default those of the Debian package",
        "parquet:PATH": "a Parquet file, or a folder of them with train and test files, with encoded images",
        "npz:PATH": "NumPy arrays images, labels and optional test_images, test_labels, subjects, groups, class_names",
        "huggingface:PATH": "a data set that Hugging Face datasets saved to disk (save_to_disk)",
        "imagefolder:PATH": "a folder with one subfolder of images a class, or with train and test folders of those",
        "imagecsv:PATH": "a table with columns file, label and if wanted part, subject, group, beside the images",
        "torchvision:NAME[:FOLDER]": "a data set of torchvision, e.g. CIFAR10; downloaded only with download = true",
        "PACKAGE.MODULE:FUNCTION": "a Python function that returns Examples or (images, labels)",
    }
)

_WITH_COLUMNS = ("parquet", "huggingface")


def load_examples(
    source: str,
    *,
    download: bool = False,
    image_column: str | None = None,
    label_column: str | None = None,
    base: Path = Path("."),
) -> Examples:
    """All labelled images of a source, decoded once.

    source: one of ``SOURCES``. download: whether torchvision may fetch what is missing. image_column, label_column: of
    Parquet and Hugging Face data whose columns have unusual names. base: the folder that relative paths start from.
    Raises ConfigError for a source that is not known or takes other settings, DataError for missing or bad files.
    """
    if "\0" in source:
        raise ConfigError(f"data.source: expected a source without NUL characters, got {shown(source)!r}")
    try:
        return _load(source, download, image_column, label_column, base)
    except OSError as error:  # too long a name, no permission, a disk that fails
        reason = error.strerror or type(error).__name__
        raise DataError(f"{shown_path(Path(source))}: expected readable files, {reason}; check the path") from error


def _load(source: str, download: bool, image_column: str | None, label_column: str | None, base: Path) -> Examples:
    kind, _, rest = source.partition(":")
    if kind not in _WITH_COLUMNS and (image_column is not None or label_column is not None):
        known = " and ".join(_WITH_COLUMNS)
        raise ConfigError(f"data: expected image_column and label_column for {known} sources only, got {source!r}")
    match kind:
        case "digits" if source == kind:
            from vestige.learners.data.sources import digits

            return digits.load()
        case "fashion-mnist":
            from vestige.learners.data.sources import fashion_mnist

            folder = _path(base, rest, source) if source != kind else fashion_mnist.DEBIAN_FOLDER
            return fashion_mnist.load(folder, source)
        case "parquet" | "huggingface":
            from vestige.learners.data.sources import huggingface, parquet

            load_hub = parquet.load if kind == "parquet" else huggingface.load
            return load_hub(_path(base, rest, source), source, image_column=image_column, label_column=label_column)
        case "npz" | "imagefolder" | "imagecsv":
            from vestige.learners.data.sources import imagecsv, imagefolder, npz

            load = {"npz": npz.load, "imagefolder": imagefolder.load, "imagecsv": imagecsv.load}[kind]
            return load(_path(base, rest, source), source)
        case "torchvision":
            from vestige.learners.data.sources import torchvision

            name, _, folder_text = rest.partition(":")
            folder = _path(base, folder_text or "data", source)
            return torchvision.load(name, folder, source, download=download)
    if kind == "digits" or not FUNCTION.fullmatch(source):
        raise ConfigError(f"data.source: expected one of {', '.join(SOURCES)}, got {source!r}")
    from vestige.learners.data.sources import function

    return function.load(source, base)


def _path(base: Path, text: str, source: str) -> Path:
    if not text:
        raise ConfigError(f"data.source: expected a path after the colon, got {source!r}")
    try:
        return base / Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"data.source: expected a path whose home folder exists, got {source!r}") from error
