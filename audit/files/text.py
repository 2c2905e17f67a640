"""Texts on their way to a terminal, a page or a file: a name in them may hold anything."""

import re

MOST = 200
SAFE = frozenset(" ,;%=+'")
HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters but tab and newline, marks that turn the direction of writing, breaks of line, lone surrogates."""


def one_line(text: str, most: int = MOST) -> str:
    """``text`` on one line of at most ``most`` characters; what cannot be printed, or turns the direction of writing,
    by its code.

    >>> one_line("a\\nb"), one_line("abcdef", 4)
    ('a\\\\nb', 'a...')
    """
    shown = "".join(sign if sign.isprintable() else _code(sign) for sign in text[: most + 1])
    return shown if len(shown) <= most else shown[: most - 3] + "..."


def sentence(text: str, most: int = 1000) -> str:
    """``one_line`` for a refusal: what is too long loses its middle, as the end says what to do."""
    line = one_line(text, 12 * len(text) + 3)
    return line if len(line) <= most else f"{line[: most // 2]} ... {line[5 - most // 2 :]}"


def visible(text: str) -> str:
    """``text`` with its lines, and with what nobody should send to a screen by its code.

    >>> visible("PASS\\x1b[8m")
    'PASS\\\\x1b[8m'
    """
    return HIDDEN.sub(lambda found: _code(found.group()), text)


def _code(sign: str) -> str:
    return sign.encode("unicode_escape").decode()


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
