"""Header values that several vendors share."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime


def http_date_s(text: str | None) -> float | None:
    """Seconds since the epoch of an HTTP date; None where it is absent or none."""
    if not text:
        return None
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError):
        return None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds from now: a number, or a date measured against the answer's own Date."""
    text = headers.get("retry-after")
    if text is None:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        until, now = http_date_s(text), http_date_s(headers.get("date"))
        return max(0.0, until - now) if until is not None and now is not None else None


def whole_number(headers: Mapping[str, str], name: str) -> int | None:
    """A header as a number that is not negative; None where it is absent or none, which is not 0."""
    text = headers.get(name, "").strip()
    return int(text) if text.isascii() and text.isdigit() else None
