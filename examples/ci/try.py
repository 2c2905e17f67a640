"""See the gate pass, fail and stay undecided: python examples/ci/try.py [FOLDER]

Writes three small outputs files, audits each with `vestige audit`, and gates on the reports under the policy
policies/standard.toml. The outputs are made up: phi, the confidence in the right label, is the difficulty of an example
plus noise of the model.
"""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

POLICY = Path(__file__).parent / "policies" / "standard.toml"
VESTIGE = Path(sys.executable).with_name("vestige")
SIZES = {"forget": 1500, "unseen": 8000, "retain": 6000}
RETRAINS = 8
EXPECTED = {"forgot": 0, "remembers": 1, "undecided": 3}
"""Exit code of each candidate: PASS, FAIL, INCONCLUSIVE."""


def write_outputs(path: Path, leak: str, seed: int) -> None:
    """Outputs of a candidate that remembers as much of the forget set as `leak` says, and of its references."""
    random = np.random.default_rng(seed)
    role = np.repeat(list(SIZES), list(SIZES.values()))
    forget, labels = role == "forget", np.arange(len(role)) % 2
    difficulty = random.normal(0, 1, len(role)) + 3 * (role == "retain")

    def logits_of(remembered: np.ndarray) -> np.ndarray:
        logits = np.zeros((len(role), 2), np.float32)
        logits[np.arange(len(role)), labels] = difficulty + random.normal(0, 1, len(role)) + forget * remembered
        return logits

    nothing, everything = np.zeros(len(role)), random.exponential(1.5, len(role))
    remembered = {"forgot": nothing, "remembers": everything, "undecided": np.full(len(role), 0.17)}[leak]
    np.savez(
        path,
        labels=labels,
        role=role,
        candidate=logits_of(remembered),
        original=logits_of(everything),
        retrain=np.stack([logits_of(nothing) for _ in range(RETRAINS)]),
    )


def run(*command: object) -> int:
    """Run a command, show it with the first line it prints, and return its exit code."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    shown = [Path(word).name if "/" in word else word for word in words]
    print(f"$ {shlex.join(shown)}\n{(done.stdout or done.stderr).splitlines()[0]}\nexit code {done.returncode}\n")
    return done.returncode


def main(folder: Path) -> int:
    """0 when each candidate came out as it must."""
    wrong = []
    for name, expected in EXPECTED.items():
        write_outputs(folder / f"{name}.npz", name, seed=1)
        report = folder / name
        run(VESTIGE, "audit", "--outputs", folder / f"{name}.npz", "--policy", POLICY, "--report", report)
        files = ("--junit", report / "junit.xml", "--summary", report / "gate.md", "--sarif", report / "gate.sarif")
        code = run(VESTIGE, "gate", report, "--policy", POLICY, "--evidence", folder / f"{name}.npz", *files)
        wrong += [] if code == expected else [f"{name}: expected exit code {expected}, got {code}"]
    print("\n".join(wrong) or f"PASS, FAIL and INCONCLUSIVE end with {', '.join(map(str, EXPECTED.values()))}.")
    return 4 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) > 1:
        place = Path(sys.argv[1])
        place.mkdir(parents=True, exist_ok=True)
        sys.exit(main(place))
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(main(Path(temporary)))
