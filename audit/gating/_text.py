"""Texts of a report on their way to a terminal, a page or a file: a name in them may hold anything."""

MOST = 200
SAFE = frozenset(" ,;%=+'")


def one_line(text: str, most: int = MOST) -> str:
    """``text`` on one line of at most ``most`` characters; what cannot be printed, or turns the direction of writing,
    by its code.

    >>> one_line("a\\nb"), one_line("abcdef", 4)
    ('a\\\\nb', 'a...')
    """
    shown = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return shown if len(shown) <= most else shown[: most - 3] + "..."


def marked_up(text: str, most: int = MOST) -> str:
    """``one_line`` for Markdown and HTML: every sign that could mean something there is a numeric entity.

    >>> marked_up("<b> | gap +0.012")
    '&#60;b&#62; &#124; gap +0.012'
    """
    line = one_line(text, most)
    return "".join(_entity(sign, line[place + 1 : place + 2]) for place, sign in enumerate(line))


def _entity(sign: str, following: str) -> str:
    if sign.isalnum() or sign in SAFE:
        return sign
    # A point in a number or at the end of a sentence is left readable; one inside a word could make a link.
    if sign == "." and (not following or following.isdigit() or following == " "):
        return sign
    if sign == "-" and following.isdigit():
        return sign
    return f"&#{ord(sign)};"


def shown(value: object) -> str:
    """A value of a report in a sentence: numbers short, text in quotes."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(shown(one) for one in value)}]"
    return str(value) if isinstance(value, int) else repr(one_line(str(value)))


def count(number: int, noun: str) -> str:
    """``1 candidate``, ``2 candidates``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
