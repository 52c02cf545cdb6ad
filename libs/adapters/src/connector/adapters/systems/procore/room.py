"""What the platform may use of Procore; heavy parts are imported when they are called for."""

from collections.abc import Iterable, Sequence

from connector.adapters.systems import Check, FlowKind, RoomParts
from connector.domain.identity import Entity
from connector.domain.ports.target import Target
from connector.domain.reconciliation.projects import Coded, Reconciliation

from .settings import TABLES, ExactProcoreOptions, Settings

SYSTEM = "procore"
SECRETS = {
    "client_id": "the service account's client id",
    "client_secret": "the service account's client secret",
}
FLOWS = (
    FlowKind(
        name="exact-procore",
        source="exact",
        target=SYSTEM,
        entities=frozenset((Entity.SUPPLIER, Entity.PURCHASE_ORDER, Entity.INVOICE)),
        options=ExactProcoreOptions,
        tables=TABLES,
    ),
)


def target(parts: RoomParts, flow_kind: str) -> Target:
    from .target import ProcoreTarget

    return ProcoreTarget(parts.settings, parts.connection, parts.gate, parts.http)


async def reconcile(parts: RoomParts, options: ExactProcoreOptions, documents: Iterable[Coded]) -> Reconciliation:
    """The projects' books: Procore's against those of the source's documents."""
    from connector.domain.reconciliation.projects import reconcile

    from .books import source_books, target_books
    from .client import ProcoreClient

    client = ProcoreClient(parts.settings, parts.connection, parts.gate, parts.http)
    return reconcile(source_books(documents, options), await target_books(client))


async def ping(parts: RoomParts) -> Sequence[Check]:
    from .ping import checks

    return await checks(parts)


__all__ = ["FLOWS", "SECRETS", "SYSTEM", "ExactProcoreOptions", "Settings", "ping", "reconcile", "target"]
