"""Coupa's limit: 25 requests a second per instance with a short queue; ours stays at 20."""

from collections.abc import Mapping
from typing import Any

from connector.adapters.http.headers import http_date_s, retry_after_s
from connector.domain.ports.quota import QuotaRules, Reading, Window

CEILING_PER_S = 20
"""Coupa: 25 a second; other clients of the customer share it, so a fifth stays free."""


class CoupaQuota:
    def rules(self, settings: Any) -> QuotaRules:
        return QuotaRules(
            windows=(Window("second", CEILING_PER_S, 1.0, paced=True),),
            serial=False,
            call_deadline_s=settings.call_deadline_s,
        )

    def read(self, status: int, headers: Mapping[str, str]) -> Reading:
        """Coupa sends no quota headers; Retry-After may come with a 429."""
        return Reading((), status == 429, retry_after_s(headers), http_date_s(headers.get("date")))


QUOTA = CoupaQuota()
