"""Call limits per app and company, and the block that follows too many errors."""

import math
from collections import Counter, deque
from dataclasses import dataclass, field

from .errors import Refusal
from .settings import Settings

COUNTED_ERRORS = frozenset({400, 401, 403, 404})


@dataclass(slots=True)
class _Used:
    minute: int = -1
    in_minute: int = 0
    day: int = -1
    in_day: int = 0


class LimitReached(Refusal):
    """429 with only the header family that was hit; the body is empty."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(429, "")
        self.headers = headers


class Quota:
    """Windows aligned to the clock, like calendar minutes and days."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._used: dict[tuple[str, int], _Used] = {}
        self.spent: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()

    def take(self, client_id: str, division: int, now: float) -> dict[str, str]:
        """Count one call and return its headers; raises LimitReached without counting."""
        settings, used = self.settings, self._used.setdefault((client_id, division), _Used())
        minute, day = int(now // settings.minute_s), int(now // settings.day_s)
        if used.minute != minute:
            used.minute, used.in_minute = minute, 0
        if used.day != day:
            used.day, used.in_day = day, 0
        if used.in_day >= settings.day_limit:
            self.refused["day"] += 1
            raise LimitReached(self._daily(used))
        if used.in_minute >= settings.minute_limit:
            self.refused["minute"] += 1
            raise LimitReached(self._minutely(used))
        used.in_minute += 1
        used.in_day += 1
        self.spent[f"{client_id}/{division}"] += 1
        return {**self._daily(used), **self._minutely(used)}

    def _daily(self, used: _Used) -> dict[str, str]:
        limit = self.settings.day_limit
        return _family("X-RateLimit", limit, limit - used.in_day, (used.day + 1) * self.settings.day_s)

    def _minutely(self, used: _Used) -> dict[str, str]:
        limit = self.settings.minute_limit
        return _family(
            "X-RateLimit-Minutely", limit, limit - used.in_minute, (used.minute + 1) * self.settings.minute_s
        )


def _family(name: str, limit: int, remaining: int, reset_s: float) -> dict[str, str]:
    """Reset is in milliseconds since the epoch, UTC."""
    return {f"{name}-Limit": str(limit), f"{name}-Remaining": str(max(0, remaining)),
            f"{name}-Reset": str(math.ceil(reset_s * 1000))}  # fmt: skip


@dataclass(slots=True)
class _Errors:
    at: deque[float] = field(default_factory=deque)
    blocked_until: float = 0.0
    block_s: float = 0.0


class ErrorBlock:
    """More than ten errors an hour of one key, user, company and endpoint block it for an hour, then longer."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._errors: dict[tuple[str, str, int, str], _Errors] = {}
        self.blocks = 0

    def check(self, key: tuple[str, str, int, str], now: float) -> None:
        errors = self._errors.get(key)
        if errors is not None and self.settings.error_block and now < errors.blocked_until:
            status = self.settings.error_block_status
            raise Blocked(status, "Too many errors: this endpoint is blocked for your app", "TooManyErrors")

    def count(self, key: tuple[str, str, int, str], now: float) -> None:
        errors = self._errors.setdefault(key, _Errors())
        errors.at.append(now)
        while errors.at and errors.at[0] <= now - self.settings.error_window_s:
            errors.at.popleft()
        if len(errors.at) <= self.settings.error_block_after:
            return
        ended_long_ago = now > errors.blocked_until + self.settings.error_window_s
        grown = errors.block_s * self.settings.error_block_growth
        errors.block_s = self.settings.error_block_s if not errors.block_s or ended_long_ago else grown
        errors.blocked_until = now + errors.block_s
        errors.at.clear()
        self.blocks += self.settings.error_block

    def clear(self) -> None:
        self._errors.clear()


class Blocked(Refusal):
    """The answer while an endpoint is blocked; it is not counted again."""
