"""How far a vendor's clock is from the database's, as bounds that answers narrow: nobody's clock is trusted."""

from pydantic import BaseModel

from connector.domain.ports.quota import Lesson

_DRIFT = 1e-4
"""Seconds a second by which two clocks may come apart."""


class Offset(BaseModel):
    """The vendor's clock is ahead of ours by at least `low_s` and less than `high_s`, as of `at` (our time)."""

    low_s: float
    high_s: float
    at: float
    trusts_date: bool = True
    """A 429 that came in spite of us ends the trust in the Date header, which a proxy may have set."""


def observe(known: Offset | None, resets_at: float, length_s: float, lesson: Lesson) -> Offset:
    """Narrow the bounds by one answer: it was counted in the window that ends at `resets_at` on the vendor's clock."""
    low = resets_at - length_s - lesson.received_at
    high = resets_at - lesson.sent_at
    trusts = known is None or known.trusts_date
    if known is not None:
        drift = _DRIFT * max(0.0, lesson.received_at - known.at)
        if max(low, known.low_s - drift) < min(high, known.high_s + drift):
            low, high = max(low, known.low_s - drift), min(high, known.high_s + drift)
    said = lesson.reading.vendor_time
    if trusts and said is not None and low < said - lesson.received_at < high:
        low = said - lesson.received_at
    return Offset(low_s=low, high_s=high, at=lesson.received_at, trusts_date=trusts)


def ours(offset: Offset, vendor_time: float, now: float) -> float:
    """Our time by which the vendor's clock has certainly reached `vendor_time`."""
    return vendor_time - offset.low_s + _DRIFT * max(0.0, now - offset.at)


def distrusted(offset: Offset | None) -> Offset | None:
    return None if offset is None else offset.model_copy(update={"trusts_date": False})
