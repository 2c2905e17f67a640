"""A first reading in another process, for a parser that a hostile text can bring down."""

import subprocess
import sys

from vestige.learners.errors import DataError

SECONDS = 600
_STACK = 4 * 2**20  # bytes; half of what the process that goes on has, so that what passes here passes there

# It may not write a file, and what it reads is dropped when it ends.
_READER = f"""
import io, sys, warnings
warnings.simplefilter("ignore")
import torch
try:
    import resource
except ImportError:
    resource = None
content = io.BytesIO(sys.stdin.buffer.read())
if resource is not None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_STACK, ({_STACK}, resource.getrlimit(resource.RLIMIT_STACK)[1]))
try:
    program = torch.jit.load(content, map_location="cpu")
    str(program.inlined_graph)
except Exception:
    pass  # an exception is reported by the process that goes on
"""


def read_elsewhere(content: bytes) -> None:
    """Read a TorchScript archive in a process of its own. Its parser calls itself for every bracket, so that a text of
    many thousands of them overruns the stack, which no exception reports.

    Raises DataError where that process did not survive, or took more than ``SECONDS``."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _READER],
            input=content,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise DataError(
            f"expected a TorchScript program that is read in {SECONDS} s, it was not; save it again"
        ) from error
    if done.returncode < 0:
        raise DataError(
            f"expected a TorchScript program, got one that ended the process that read it (signal {-done.returncode}); "
            "give the weights (state_dict) and your own code instead"
        )
    if done.returncode > 0:
        raise DataError("expected a second Python process with torch to read a TorchScript program, it could not start")
