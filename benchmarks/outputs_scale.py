"""Audits of outputs files from small to larger than memory.

    python -m benchmarks.outputs_scale [--largest 1000000]

For 10,000 to 1,000,000 examples of 10 and of 1,000 classes, ten retrains, a candidate and an original, float16 logits
in an uncompressed ``.npz``: seconds and peak memory of ``vestige audit`` in a process of its own, the report included.
The floor is the time in which the file alone is read from the disk (or the page cache). The largest file has 24 GB.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from benchmarks._timing import table

SIZES = (10_000, 100_000, 1_000_000)
CLASSES = (10, 1_000)
RETRAINS = 10
ROWS = 10_000
HEADER = ("examples", "classes", "file, GiB", "audit, s", "reading alone, s", "peak memory, GiB")
FORGET, UNSEEN = 0.1, 0.6
"""Shares of the rows; the rest is retained."""


def write(path: Path, rows: int, classes: int) -> None:
    """Logits of models that know their labels; the original remembers the forget rows, the candidate does not."""
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, rows)
    role = np.repeat(["forget", "unseen", "retain"], np.diff([0, int(FORGET * rows), int(0.7 * rows), rows]))
    difficulty = random.normal(0, 1.5, rows)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, values in (("labels", labels), ("role", role)):
            with archive.open(f"{name}.npy", "w") as stream:
                npy.write_array(stream, values)
        for name, models in (("candidate", 1), ("original", 1), ("retrain", RETRAINS)):
            shape = (rows, classes) if models == 1 else (models, rows, classes)
            header = {"shape": shape, "fortran_order": False, "descr": "<f2"}
            with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
                npy.write_array_header_1_0(stream, header)
                for _ in range(models):
                    for start in range(0, rows, ROWS):
                        part = slice(start, start + ROWS)
                        logits = random.standard_normal((len(labels[part]), classes), np.float32)
                        known = role[part] != "unseen" if name == "original" else role[part] == "retain"
                        own = 5 + difficulty[part] + 1.5 * known + random.normal(0, 0.7, len(known))
                        logits[np.arange(len(known)), labels[part]] += own + np.log(classes / 10)
                        stream.write(logits.astype(np.float16).tobytes())


def audit(path: Path, folder: Path) -> tuple[float, float]:
    """Seconds, and peak memory of the process in GiB: what it allocated, not the pages of mapped files, which the
    system takes back at will."""
    words = [sys.executable, "-c", "from vestige.audit.cli.entry import main; main()", "audit"]
    start = time.perf_counter()
    process = subprocess.Popen([*words, "--outputs", str(path), "--report", str(folder)], stdout=subprocess.DEVNULL)
    status, peak = Path(f"/proc/{process.pid}/status"), 0
    while process.poll() is None:
        lines = status.read_text().splitlines()
        peak = max(peak, *(int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)
        time.sleep(0.05)
    return time.perf_counter() - start, peak / 2**20


def main() -> None:
    """Measure every size and print a table for the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    parser.add_argument("--smallest", type=int, default=SIZES[0])
    parser.add_argument("--folder", type=Path, help="where there is room for the files")
    given = parser.parse_args()
    lines = []
    for classes in CLASSES:
        for rows in (size for size in SIZES if given.smallest <= size <= given.largest):
            with tempfile.TemporaryDirectory(dir=given.folder) as folder:
                path = Path(folder) / "outputs.npz"
                write(path, rows, classes)
                start = time.perf_counter()
                with path.open("rb") as stream:
                    while stream.read(2**24):
                        pass
                floor = time.perf_counter() - start
                seconds, peak = audit(path, Path(folder) / "report")
                size = path.stat().st_size / 2**30
                lines.append(
                    (f"{rows:,}", f"{classes:,}", f"{size:.2f}", f"{seconds:.1f}", f"{floor:.1f}", f"{peak:.2f}")
                )
                print(lines[-1], file=sys.stderr)
    table("Audits of outputs files", [HEADER, *lines])


if __name__ == "__main__":
    main()
