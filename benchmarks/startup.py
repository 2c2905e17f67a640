"""What every call of vestige pays before it does anything.

    python -m benchmarks.startup

CPU seconds (user and system, one thread) of whole processes: the list of commands, ``vestige gate`` on a report,
``vestige audit`` of a small outputs file, and imports, each as a median of several runs with compiled modules at hand.
The floor is a process that imports NumPy and click alone; the last column is the ratio to it. Which modules must not be
loaded is a test: tests/audit/test_startup.py.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks._timing import table

HEADER = ("process", "CPU seconds", "times the floor")
FLOOR = "import numpy, click"
LIRA = (
    "from vestige.attacks import lira; lira([[1.0]], [[2.0], [3.0], [4.0], [5.0]], [[True], [True], [False], [False]])"
)


def outputs(path: Path, rows: int = 1000) -> Path:
    """Logits of a candidate, an original and eight retrains on examples that all of them know equally well."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 4, rows)
    models = 4 * np.eye(4)[labels] + random.normal(0, 1, (10, rows, 4))
    role = np.repeat(["forget", "unseen"], [rows // 5, rows - rows // 5])
    np.savez(path, labels=labels, role=role, candidate=models[0], original=models[1], retrain=models[2:])
    return path


def cpu_seconds(words: Sequence[str], compiled: Path) -> float:
    """CPU seconds of one process. compiled: folder for compiled modules, as an installed package has them."""
    hidden = ("PYTHONDONTWRITEBYTECODE", "PYTHONPROFILEIMPORTTIME")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPYCACHEPREFIX": str(compiled)}
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 1, 3), words
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measure every process in turn and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        file, report = outputs(Path(folder) / "outputs.npz"), Path(folder) / "report"
        processes = {
            FLOOR: ("-c", FLOOR),
            "vestige --help": ("-m", "vestige", "--help"),
            "vestige audit --outputs": ("-m", "vestige", "audit", "--outputs", str(file), "--report", str(report)),
            "vestige gate": ("-m", "vestige", "gate", str(report), "--profile", "standard"),
            "import vestige": ("-c", "import vestige"),
            "import vestige.attacks": ("-c", "import vestige.attacks"),
            "vestige.attacks, lira": ("-c", LIRA),
        }
        seconds: dict[str, list[float]] = {name: [] for name in processes}
        for turn in range(repeats + 1):  # the first one compiles
            for name, words in processes.items():
                measured = cpu_seconds(words, Path(folder) / "compiled")
                seconds[name] += [measured] if turn else []
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    rows = [(name, f"{median:.2f}", f"{median / medians[FLOOR]:.1f}") for name, median in medians.items()]
    table("Start-up", [HEADER, *rows])


if __name__ == "__main__":
    main()
