"""Fair use: at most so many requests per client in a sliding window."""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from math import ceil

from starlette.responses import Response

from connector.sandbox.core.clock import SandboxClock

from .settings import BaswareSettings
from .wire import gateway


@dataclass(slots=True)
class RateLimit:
    clock: SandboxClock
    settings: BaswareSettings
    _seen: defaultdict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def refusal(self, client_id: str) -> Response | None:
        """Count the request, or the 429 that refuses it."""
        allowed = self.settings.rate_limit_per_s * self.settings.rate_window_s
        if not allowed:
            return None
        now, seen = self.clock.time(), self._seen[client_id]
        while seen and seen[0] <= now - self.settings.rate_window_s:
            seen.popleft()
        if len(seen) < allowed:
            seen.append(now)
            return None
        wait_s = ceil(seen[0] + self.settings.rate_window_s - now)
        headers = {"Retry-After": str(max(1, wait_s))} if self.settings.retry_after else {}
        return gateway(429, "Too Many Requests", headers)
