"""What the platform may use of Coupa; heavy parts are imported when they are called for."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from connector.adapters.systems import Check, FlowKind, RoomParts
from connector.domain.documents.reference import ReferenceKind
from connector.domain.identity import Entity
from connector.domain.ports.source import Notice
from connector.domain.ports.target import Target
from connector.domain.secret import Secret

from .settings import TABLES, ExactCoupaOptions, Settings

if TYPE_CHECKING:
    from .webhook import Verifier

SYSTEM = "coupa"
SECRETS = {
    "client_id": "the OAuth client's id",
    "client_secret": "the OAuth client's secret",
    "webhook_secret": "optional: the key that the instance signs its notices with",
}
LINKED = {
    Entity.SUPPLIER: ("supplier", "suppliers"),
    Entity.PURCHASE_ORDER: ("order", "purchase_orders"),
    Entity.INVOICE: ("invoice", "invoices"),
    Entity.REFERENCE: ("value", "lookup_values"),
}
FLOWS = (
    FlowKind(
        name="exact-coupa",
        source="exact",
        target=SYSTEM,
        entities=frozenset((Entity.SUPPLIER, Entity.PURCHASE_ORDER, Entity.INVOICE)),
        options=ExactCoupaOptions,
        references=frozenset(
            (ReferenceKind.GL_ACCOUNT, ReferenceKind.COST_CENTER, ReferenceKind.COST_UNIT, ReferenceKind.PROJECT)
        ),
        tables=TABLES,
    ),
)


def target(parts: RoomParts, flow_kind: str) -> Target:
    """The connection as a target; every kind of flow into Coupa writes alike."""
    from .target import CoupaTarget

    return CoupaTarget(parts.settings, parts.connection, parts.gate, parts.http)


def webhook(settings: Settings, secrets: Mapping[str, str]) -> "Verifier":
    import time

    from .webhook import Verifier

    return Verifier(settings.signature, Secret(secrets["webhook_secret"]), time.time)


def notices(body: bytes) -> Sequence[Notice]:
    from .webhook import notices as read

    return read(body)


async def ping(parts: RoomParts) -> Sequence[Check]:
    from .ping import checks

    return await checks(parts)


__all__ = [
    "FLOWS",
    "LINKED",
    "SECRETS",
    "SYSTEM",
    "ExactCoupaOptions",
    "Settings",
    "notices",
    "ping",
    "target",
    "webhook",
]
