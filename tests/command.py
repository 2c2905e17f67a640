"""What the command said, and the command in this process."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from vestige.audit.cli.entry import main


@dataclass(frozen=True)
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def refusal(self) -> str:
        """The one sentence of a refusal; fails on anything else."""
        lines = self.err.splitlines() or [""]
        assert self.code in (2, 4) and lines[-1].startswith("Error: "), (self.code, self.err[-2000:], self.out)
        assert sum(line.startswith("Error: ") for line in lines) == 1, self.err
        assert "Traceback" not in self.err and "internal error" not in self.err, self.err
        assert lines[-1].isprintable() and len(lines[-1]) <= 1100, lines[-1]
        return lines[-1]


def say(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Said:
    """The command in this process."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main([str(one) for one in arguments])
    said = capsys.readouterr()
    assert isinstance(left.value.code, int) and 0 <= left.value.code <= 4
    return Said(left.value.code, said.out, said.err)
