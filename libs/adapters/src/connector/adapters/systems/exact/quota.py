"""Exact's limits: 60 calls a calendar minute and 5,000 a day per app and company, one at a time; and an error block."""

from collections.abc import Mapping

from connector.adapters.http.headers import http_date_s, retry_after_s, whole_number
from connector.domain.ports.quota import QuotaRules, Reading, Window, WindowReading

from .settings import Settings

ERRORS_PER_HOUR = 6
"""Exact blocks a key after ten errors (400, 401, 403, 404) per endpoint and hour; we stop well before."""

_FAMILIES = (("minute", "x-ratelimit-minutely"), ("day", "x-ratelimit"))


class ExactQuota:
    def rules(self, settings: Settings) -> QuotaRules:
        return QuotaRules(
            windows=(
                Window("minute", 60, settings.minute_s, taught=True),
                Window("day", 5000, 86400.0, guarded=True, taught=True),
            ),
            serial=True,
            call_deadline_s=settings.call_deadline_s,
            error_limit=ERRORS_PER_HOUR,
        )

    def read(self, status: int, headers: Mapping[str, str]) -> Reading:
        """Exact: a 429 carries only the family that was hit; resets are in milliseconds since the epoch (UTC)."""
        windows = []
        for name, prefix in _FAMILIES:
            limit, remaining = whole_number(headers, f"{prefix}-limit"), whole_number(headers, f"{prefix}-remaining")
            reset = whole_number(headers, f"{prefix}-reset")
            if limit is None and remaining is None and reset is None:
                continue
            windows.append(WindowReading(name, limit, remaining, None if reset is None else reset / 1000))
        return Reading(tuple(windows), status == 429, retry_after_s(headers), http_date_s(headers.get("date")))


QUOTA = ExactQuota()
