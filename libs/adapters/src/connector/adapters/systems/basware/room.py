"""What the platform may use of Basware; heavy parts are imported when they are called for."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from connector.domain.ports.source import JobKind

from .settings import SECRETS, Settings
from .translate import TRANSLATIONS
from .webhook import Recipient, notices

if TYPE_CHECKING:
    from connector.adapters.systems import Check, RoomParts
    from connector.domain.ports.answers import Responder

    from .source import BaswareSource

SYSTEM = "basware"


def jobs(settings: Settings) -> Sequence[JobKind]:
    from .source import jobs

    return jobs(settings)


def source(parts: "RoomParts") -> "BaswareSource":
    from .source import BaswareSource

    return BaswareSource(
        parts.connection,
        parts.settings,
        parts.gate,
        parts.http,
        parts.stores["transfers"],
        parts.stores["blobs"],
        parts.stores["clock"],
        parts.stores["fingerprints"],
        parts.webhook_address,
        parts.stores["webhook-secret"],
        parts.stores["is-live"],
    )


def responder(parts: "RoomParts") -> "Responder":
    from .responses import BaswareResponder

    return BaswareResponder(parts.connection, parts.settings, parts.gate, parts.http, parts.stores["clock"])


def webhook(settings: Settings, secrets: Mapping[str, str]) -> Recipient:
    known = [secrets["webhook_secret"], secrets.get("webhook_secret_previous")]
    return Recipient(tuple(secret for secret in known if secret), settings.accept_unsigned_test)


async def ping(parts: "RoomParts") -> "Sequence[Check]":
    from .ping import ping

    return await ping(parts)


__all__ = ["SECRETS", "SYSTEM", "TRANSLATIONS", "Settings", "jobs", "notices", "ping", "responder", "source", "webhook"]
