"""Basware's limit: fair use without a number; we pace ourselves and heed 429."""

from collections.abc import Mapping
from typing import Any

from connector.adapters.http.headers import http_date_s, retry_after_s
from connector.domain.ports.quota import QuotaRules, Reading, Window


class BaswareQuota:
    def rules(self, settings: Any) -> QuotaRules:
        return QuotaRules(
            windows=(Window("second", settings.calls_per_s, 1.0, paced=True),),
            serial=False,
            call_deadline_s=settings.call_deadline_s,
        )

    def read(self, status: int, headers: Mapping[str, str]) -> Reading:
        return Reading((), status == 429, retry_after_s(headers), http_date_s(headers.get("date")))


QUOTA = BaswareQuota()
