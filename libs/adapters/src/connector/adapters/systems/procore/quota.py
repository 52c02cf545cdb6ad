"""Procore's two windows, an hour and a spike of seconds; each answer states the one that will be used up first."""

from collections.abc import Mapping
from typing import Any

from connector.adapters.http.headers import http_date_s, retry_after_s, whole_number
from connector.domain.ports.quota import QuotaRules, Reading, Window, WindowReading

HOUR, SPIKE = "hour", "spike"
LONGEST_SPIKE_S = 120.0
"""Spike windows of 10 and of about 60 seconds have been seen; a reset further away is the hour's."""


class ProcoreQuota:
    def rules(self, settings: Any) -> QuotaRules:
        """The spike is spread evenly, one call below its limit: its end is told in whole seconds only."""
        return QuotaRules(
            windows=(
                Window(SPIKE, max(1, settings.spike_calls - 1), settings.spike_s, paced=True),
                Window(HOUR, settings.calls_per_hour, 3600.0, guarded=True),
            ),
            serial=False,
            call_deadline_s=settings.call_deadline_s,
        )

    def read(self, status: int, headers: Mapping[str, str]) -> Reading:
        """Procore: X-Rate-Limit-Reset is in seconds since the epoch; which window it speaks of is not said."""
        limit, remaining = whole_number(headers, "x-rate-limit-limit"), whole_number(headers, "x-rate-limit-remaining")
        resets_at, now = whole_number(headers, "x-rate-limit-reset"), http_date_s(headers.get("date"))
        windows: tuple[WindowReading, ...] = ()
        if resets_at is not None and now is not None and resets_at - now > LONGEST_SPIKE_S:
            windows = (WindowReading(HOUR, limit, remaining, float(resets_at)),)
        return Reading(windows, status == 429, retry_after_s(headers), now)


QUOTA = ProcoreQuota()
