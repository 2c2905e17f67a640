"""The entry point and its exit codes: every way a command can end is mapped here, so that no crash can look like a
verdict. Everything heavy is imported inside, where a failing import is mapped as well."""

import io
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import click

from vestige.audit.cli.exit_codes import BROKEN, PASS, USAGE

_UNPAIRED = re.compile("[\ud800-\udfff]")
TRACEBACK = "VESTIGE_TRACEBACK"
"""Set to anything, this variable shows where an internal error came from."""


def main(arguments: Sequence[str] | None = None) -> None:
    """The command ``vestige``: runs it and leaves the process with one of the exit codes 0 to 4."""

    def load() -> click.Command:
        from vestige.audit.cli.main import cli

        return cli

    run_command(load, arguments)


def run_command(load: Callable[[], click.Command], arguments: Sequence[str] | None) -> None:
    """Run the command that ``load`` imports and leave the process with 0 PASS, 1 FAIL, 2 usage error, 3 INCONCLUSIVE, 4
    anything else.

    click itself ends with 1 on an interrupt, a missing file or an exception; 1 is reserved for FAIL here.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name may hold what the terminal's encoding does not
            stream.reconfigure(errors="backslashreplace")
    with _ending_orderly():
        code = _run(load, arguments)
        try:
            if sys.stdout is not None:  # a process may be started without one
                sys.stdout.flush()
        except BrokenPipeError:
            _silence_standard_output()
            code = BROKEN
        except OSError as error:
            _silence_standard_output()
            code = _say(
                f"cannot write what was to be printed ({error.strerror or error}); print to another place", BROKEN
            )
    sys.exit(code)


@contextmanager
def _ending_orderly() -> Iterator[None]:
    """A request to end (SIGTERM, or SIGHUP of a closed terminal) is an interrupt: workers are ended, temporary files
    removed, the exit code is 4. A signal that the process was started to ignore stays ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    names = ("SIGTERM", "SIGHUP")
    ending = [getattr(signal, name) for name in names if hasattr(signal, name)]
    defaults = {number: signal.SIG_DFL for number in ending if signal.getsignal(number) is signal.SIG_DFL}

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    for number in defaults:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, before in defaults.items():
            signal.signal(number, before)


def _run(load: Callable[[], click.Command], arguments: Sequence[str] | None) -> int:
    wrong = [word for word in (sys.argv[1:] if arguments is None else arguments) if _UNPAIRED.search(word)]
    if wrong:  # a file's name becomes the name of a candidate, in JSON and HTML
        return _say(f"expected names in UTF-8, got {wrong[0][:200]!r}; rename the file or folder", USAGE)
    try:
        result = load().main(args=None if arguments is None else list(arguments), standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.UsageError as error:
        if error.ctx is not None:
            _print(f"{error.ctx.get_usage()}\nTry '{error.ctx.command_path} --help' for help.\n")
        return _say(error.format_message(), USAGE)
    except (click.Abort, KeyboardInterrupt):
        return _say("interrupted; what is finished is kept, the same command goes on from there", BROKEN)
    except click.ClickException as error:
        return _say(error.format_message(), BROKEN)
    except (BrokenPipeError, SystemExit):  # click itself leaves with 1 when the reader of a pipe is gone
        _silence_standard_output()
        return BROKEN
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _say(f"{where}{error.strerror or error}; check path, permissions and free space", BROKEN)
    except MemoryError:
        return _say("not enough memory; audit fewer examples, or use fewer workers", BROKEN)
    except Exception as error:
        refused = getattr(error, "exit_code", None)  # a VestigeError, which cannot be imported before it is raised
        if refused in (USAGE, BROKEN):
            return _say(str(error), refused)
        if os.environ.get(TRACEBACK):
            traceback.print_exc()
        first = (str(error).splitlines() or [""])[0]
        return _say(f"internal error ({type(error).__name__}: {first}); set {TRACEBACK}=1 to see where", BROKEN)
    return result if isinstance(result, int) else PASS


def _say(sentence: str, code: int) -> int:
    from vestige.audit.files.text import sentence as on_one_line

    _print(f"Error: {on_one_line(sentence)}")
    return code


def _print(text: str) -> None:
    with suppress(OSError):  # nobody is left to read it; the exit code says it
        click.echo(text, err=True)


def _silence_standard_output() -> None:
    """The reader is gone: without this, Python complains once more while it shuts down."""
    with suppress(OSError, ValueError, AttributeError):  # no file behind it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
