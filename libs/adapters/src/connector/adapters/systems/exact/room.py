"""What the platform may use of Exact Online; heavy parts are imported when they are called for."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from connector.adapters.systems import FlowKind
from connector.domain.identity import Entity
from connector.domain.ports.source import JobKind

from .options import TABLES, BaswareExactOptions
from .settings import SECRETS, Settings
from .translate import TRANSLATIONS
from .webhook import Recipient, notices

if TYPE_CHECKING:
    from connector.adapters.systems import Check, RoomParts

    from .source import ExactSource
    from .target import ExactTarget

SYSTEM = "exact"
FLOWS = (
    FlowKind(
        name="basware-exact",
        source="basware",
        target=SYSTEM,
        entities=frozenset((Entity.SUPPLIER, Entity.PURCHASE_ORDER, Entity.INVOICE)),
        options=BaswareExactOptions,
        tables=TABLES,
        feedback=True,
    ),
)
ANSWERS_OF_A_DAY = frozenset(("bank-account",))


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


def target(parts: "RoomParts", flow_kind: str) -> "ExactTarget":
    from .target import ExactTarget

    stores = parts.stores
    return ExactTarget(
        parts.settings,
        parts.connection,
        parts.gate,
        parts.http,
        stores["blobs"],
        stores["clock"],
        stores["fingerprints"],
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


__all__ = [
    "ANSWERS_OF_A_DAY",
    "FLOWS",
    "SECRETS",
    "SYSTEM",
    "TRANSLATIONS",
    "Settings",
    "jobs",
    "notices",
    "ping",
    "source",
    "target",
    "webhook",
]
