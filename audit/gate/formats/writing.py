"""The gate's files: where they may go, and all of them written whole."""

from collections.abc import Callable, Mapping, Sequence
from os.path import realpath
from pathlib import Path

from vestige.audit.gate.formats.in_toto import in_toto
from vestige.audit.gate.formats.junit import junit
from vestige.audit.gate.formats.sarif import Profile, sarif
from vestige.audit.gate.formats.summary import summary
from vestige.audit.gate.gate import Gate
from vestige.learners.errors import ConfigError, DataError
from vestige.learners.files.io import write_together


def check_targets(targets: Mapping[str, Path], inputs: Sequence[Path]) -> None:
    """Refuse, before anything is judged, targets (by option) that are no plain files (DataError), that are the same
    file, or that an input is (ConfigError)."""
    taken = {realpath(path / "report.json" if path.is_dir() else path): "an input" for path in inputs}
    for option, path in targets.items():
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: expected a file for {option}, got a folder or device; take another name")
        place = realpath(path)
        if place in taken:
            raise ConfigError(
                f"{option}: expected a separate file, got {path}, which is {taken[place]} as well; take another name"
            )
        taken[place] = f"given to {option}"


def write(found: Gate, targets: Mapping[str, Path], sarif_profile: Profile = "plain") -> None:
    """Write what ``targets`` asks for: ``--junit``, ``--summary`` (appended to what is there), ``--sarif``,
    ``--in-toto``. Each file is whole or as it was; where one cannot be made, none is written."""
    make: dict[str, Callable[[Path], bytes]] = {
        "--junit": lambda path: junit(found),
        "--summary": lambda path: _appended(found, path),
        "--sarif": lambda path: sarif(found, sarif_profile),
        "--in-toto": lambda path: in_toto(found),
    }
    write_together({path: make[option](path) for option, path in targets.items()})


def _appended(found: Gate, path: Path) -> bytes:
    try:
        return summary(found, path.read_bytes() if path.exists() else b"")
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
