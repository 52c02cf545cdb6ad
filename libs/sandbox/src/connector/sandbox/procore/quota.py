"""The rate limit: an hourly and a 10-second window per application, told by three headers."""

import math
from dataclasses import dataclass

from connector.sandbox.core.clock import SandboxClock

from .settings import Settings

REFUSAL = "You have surpassed the max number of requests for an hour. Please wait until your limit resets."
"""The vendor says this of both windows."""


@dataclass(slots=True)
class _Window:
    ends_at: float
    used: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    allowed: bool
    headers: dict[str, str]


class Quota:
    """Windows open with the first call and count failed calls too; a refused call does not count."""

    def __init__(self, clock: SandboxClock, settings: Settings) -> None:
        self._clock = clock
        self._settings = settings
        self._windows: dict[tuple[str, str], _Window] = {}

    def take(self, application: str) -> Verdict:
        """Count one call. The headers tell of the window that will be exhausted first."""
        settings = self._settings
        limits = [
            ("hour", settings.hour_limit, settings.hour_window_s),
            ("spike", settings.spike_limit, settings.spike_window_s),
        ]
        now = self._clock.time()
        windows = [
            (limit, self._window(application, name, length, now)) for name, limit, length in limits if limit is not None
        ]
        if not windows:
            return Verdict(True, {})
        exhausted = [(limit, window) for limit, window in windows if window.used >= limit]
        if exhausted:
            limit, window = max(exhausted, key=lambda pair: pair[1].ends_at)
            headers = _headers(limit, window)
            if settings.retry_after_on_429:
                headers["Retry-After"] = str(max(1, math.ceil(window.ends_at - now)))
            return Verdict(False, headers)
        for _, window in windows:
            window.used += 1
        limit, window = min(windows, key=lambda pair: pair[0] - pair[1].used)
        return Verdict(True, _headers(limit, window))

    def _window(self, application: str, name: str, length_s: float, now: float) -> _Window:
        window = self._windows.get((application, name))
        if window is None or now >= window.ends_at:
            window = self._windows[application, name] = _Window(ends_at=now + length_s)
        return window


def _headers(limit: int, window: _Window) -> dict[str, str]:
    return {
        "X-Rate-Limit-Limit": str(limit),
        "X-Rate-Limit-Remaining": str(max(0, limit - window.used)),
        "X-Rate-Limit-Reset": str(math.ceil(window.ends_at)),
    }
