"""``python -m tests.fuzz TARGET --seconds 300``: a coverage-guided search for bytes that break a reader."""

import argparse
import sys
from pathlib import Path

FOUND = Path(__file__).with_name("found")


def main() -> None:
    """Runs until the time is over or something is found, which is then in tests/fuzz/found/TARGET-DIGEST."""
    import atheris
    import pandas  # noqa: F401  (what is not ours is imported before: instrumenting it would take minutes)
    import scipy.stats  # noqa: F401
    import sklearn  # noqa: F401
    import torch  # noqa: F401

    with atheris.instrument_imports(include=["vestige"]):
        from tests.fuzz.targets import TARGETS, hold

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=list(TARGETS))
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, required=True, help="Folder that keeps inputs of new coverage.")
    options = parser.parse_args()
    target = TARGETS[options.target]
    for folder in (options.corpus, FOUND):
        folder.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(target.seeds()):
        (options.corpus / f"seed-{number}").write_bytes(content)

    def test_one_input(content: bytes) -> None:
        hold(target, content)

    limits = [f"-max_total_time={options.seconds}", "-timeout=20", "-rss_limit_mb=4096", f"-seed={options.seed}"]
    limits += [f"-artifact_prefix={FOUND}/{options.target}-", "-max_len=65536", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], str(options.corpus), *limits], test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
