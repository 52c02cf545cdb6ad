"""Control characters in vendors' texts: databases, XML and terminals refuse them, so they go no further."""

import re

_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_ESCAPED = re.compile(rb"(\\\\)|\\u00(?:0[0-8bcef]|1[0-9a-f])", re.IGNORECASE)
_REPLACEMENT = "�"


def printable(text: str) -> str:
    """The text with each control character (but tab and line ends) shown as U+FFFD."""
    return _CONTROLS.sub(_REPLACEMENT, text)


def printable_json(value: bytes) -> bytes:
    """The same for the texts of a JSON value, which has such characters escaped."""
    if b"\\u00" not in value:
        return value
    return _ESCAPED.sub(lambda found: found[1] or b"\\ufffd", value)
