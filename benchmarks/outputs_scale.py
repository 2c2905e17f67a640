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


def audit(path: Path, folder: Path) -> tuple[float, float, str]:
    """Seconds, peak resident GiB beyond what mapped pages of the file account for, and the verdict's line."""
    code = (
        "import resource, sys; from audit._entry import _run; "
        "from audit.cli import cli; _run(lambda: cli, sys.argv[1:]); "
        "status = open('/proc/self/status').read(); "
        "print('ANON', [l for l in status.splitlines() if l.startswith('VmHWM')][0].split()[1], "
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    words = [sys.executable, "-c", code, "audit", "--outputs", str(path), "--report", str(folder)]
    start = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    return time.perf_counter() - start, int(lines[-1].split()[-1]) / 2**20, lines[0]


def main() -> None:
    """Measure every size and print a table for the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--largest", type=int, default=SIZES[-1])
    parser.add_argument("--folder", type=Path, help="where there is room for the files")
    given = parser.parse_args()
    lines = []
    for classes in CLASSES:
        for rows in (size for size in SIZES if size <= given.largest):
            with tempfile.TemporaryDirectory(dir=given.folder) as folder:
                path = Path(folder) / "outputs.npz"
                write(path, rows, classes)
                start = time.perf_counter()
                with path.open("rb") as stream:
                    while stream.read(2**24):
                        pass
                floor = time.perf_counter() - start
                seconds, peak, _ = audit(path, Path(folder) / "report")
                lines.append((f"{rows:,}", f"{classes:,}", f"{path.stat().st_size / 2**30:.2f}", f"{seconds:.1f}"))
                lines[-1] += (f"{floor:.1f}", f"{peak:.2f}")
                print(lines[-1], file=sys.stderr)
    print(table(("examples", "classes", "file, GiB", "audit, s", "reading alone, s", "peak memory, GiB"), lines))


if __name__ == "__main__":
    main()
