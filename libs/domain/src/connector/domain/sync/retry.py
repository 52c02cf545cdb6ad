"""When to try again: exponential backoff with full jitter, and a ceiling."""

from connector.domain.ports.clock import Randomness

FIRST_S = 1.0
LONGEST_S = 900.0
ATTEMPTS_AT_MOST = 12
"""About two hours of trying; then the row is failed, people are told, and `connector release` starts over."""


def backoff_s(attempts: int, randomness: Randomness, retry_after_s: float | None = None) -> float:
    """Seconds before attempt `attempts` + 1, never less than what the vendor asked for."""
    ceiling = min(LONGEST_S, FIRST_S * 2.0 ** min(attempts, 20))
    return max(retry_after_s or 0.0, randomness.uniform(ceiling / 2, ceiling))
