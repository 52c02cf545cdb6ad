"""How a room's checks become the lines of `connector ping`."""

from collections.abc import AsyncIterator, Sequence

from connector.adapters.systems import Check
from connector.domain.ports.clock import Clock
from connector.domain.ports.gate import GateError

_SKEW_AT_MOST_S = 60.0


async def gathered(checks: AsyncIterator[Check]) -> Sequence[Check]:
    """Every check in turn, until the gate lets no further call through: that is the last line then."""
    found: list[Check] = []
    try:
        async for check in checks:
            found.append(check)
    except GateError as error:
        found.append(Check("call", False, str(error), "Do what it says, then ping again"))
    return found


def clock_check(vendor: str, theirs_s: float | None, clock: Clock) -> Check:
    """This machine's clock beside the vendor's, which its Date header told (seconds since the epoch)."""
    if theirs_s is None:
        return Check("clock", True, f"{vendor} told no time")
    skew_s = clock.now().timestamp() - theirs_s
    near = abs(skew_s) <= _SKEW_AT_MOST_S
    return Check("clock", near, f"{skew_s:+.0f} s from {vendor}'s", None if near else "Set this machine's clock (NTP)")
