"""What the platform may use of Exact Online; heavy parts are imported when they are called for."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from connector.domain.ports.source import JobKind

from .settings import SECRETS, Settings
from .translate import TRANSLATIONS
from .webhook import Recipient, notices

if TYPE_CHECKING:
    from connector.adapters.systems import Check, RoomParts

    from .source import ExactSource

SYSTEM = "exact"


def jobs(settings: Settings) -> Sequence[JobKind]:
    from .source import jobs

    return jobs(settings)


def source(parts: "RoomParts") -> "ExactSource":
    from .source import ExactSource

    return ExactSource(
        parts.connection,
        parts.settings,
        parts.gate,
        parts.http,
        parts.stores["entry-index"],
        parts.stores["clock"],
        parts.webhook_address,
    )


def webhook(settings: Settings, secrets: Mapping[str, str]) -> Recipient:
    previous = secrets.get("webhook_secret_previous")
    return Recipient(
        secrets["webhook_secret"].encode(),
        settings.division,
        secrets["client_id"],
        None if previous is None else previous.encode(),
    )


async def ping(parts: "RoomParts") -> "Sequence[Check]":
    from .ping import ping

    return await ping(parts)


__all__ = ["SECRETS", "SYSTEM", "TRANSLATIONS", "Settings", "jobs", "notices", "ping", "source", "webhook"]
