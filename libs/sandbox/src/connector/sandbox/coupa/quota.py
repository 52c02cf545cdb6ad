"""The instance's request limit: a leaky bucket that all clients fill together."""

from collections.abc import Callable

from .settings import Settings


class LeakyBucket:
    """`rate_per_s` requests leak out; at most `rate_burst` may be in it. `throttled` counts those turned away."""

    def __init__(self, settings: Settings, time: Callable[[], float]) -> None:
        self._settings = settings
        self._time = time
        self._level = 0.0
        self._at = time()
        self.served = 0
        self.throttled = 0

    def admit(self) -> bool:
        now = self._time()
        self._level = max(0.0, self._level - (now - self._at) * self._settings.rate_per_s)
        self._at = now
        # The tolerance keeps evenly paced requests from tripping over rounding.
        if self._level + 1 > self._settings.rate_burst + 1e-6:
            self.throttled += 1
            return False
        self._level += 1
        self.served += 1
        return True

    def wait_s(self) -> float:
        """Until one more request fits."""
        return max(0.0, (self._level + 1 - self._settings.rate_burst) / self._settings.rate_per_s)
