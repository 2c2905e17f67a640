"""Words out of files, made fit for a terminal."""

_MOST = 160


def shown(text: object, most: int = _MOST) -> str:
    """The text on one line, with control and invisible characters escaped, cut at ``most`` characters."""
    line = " ".join(str(text).split())
    safe = repr(line if len(line) <= most else line[:most] + " ...")
    return safe[1:-1].replace("\\'", "'")


def reason(error: BaseException) -> str:
    """What an error of a library says, on one line."""
    return shown(error) or type(error).__name__
