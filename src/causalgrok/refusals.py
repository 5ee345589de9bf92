"""How input that cannot be used is spoken of: in one line of bounded length, whatever that input holds."""

import difflib

_LONGEST = 1000


class Refused(ValueError):
    """Input that cannot be used; the message is one line that names it and says what to do."""

    def __init__(self, message: object):
        super().__init__(one_line(message))


def one_line(message: object, longest: int = _LONGEST) -> str:
    """A message without line breaks and terminal sequences, its middle left out if it is too long.

    Args:
        message: the message, parts of which may be somebody else's.
        longest: most characters.
    """
    text = " ".join(str(message).split("\n"))
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if len(text) > longest:
        half = (longest - 5) // 2
        text = f"{text[:half]} ... {text[-half:]}"
    return text


def shown(value: object, longest: int = 60) -> str:
    """A value as it would be written, cut off if it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python prints no number of more than 4,300 digits
        return "a number of thousands of digits"
    return one_line(text if len(text) <= longest else f"{text[: longest - 3]}...")


def nearest(name: str, known: object) -> str:
    """A hint for a mistyped name: the nearest known one, or all of them."""
    close = difflib.get_close_matches(name[:100], list(known), n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    first = sorted(known)[:12]
    return f"expected one of {', '.join(first)}{', ...' if len(first) < len(known) else ''}"
