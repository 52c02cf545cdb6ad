"""Basware's push subscriptions, kept as they should be."""

from connector.domain.identity import TrafficClass
from connector.domain.vendor_error import Rejected

from .client import BaswareClient, Row

RESOURCE = "subscriptions"
WANTED = (
    ("AccountingDocuments", "WaitingForTransfer"),
    ("AccountingDocuments", "WaitingToBeRemoved"),
    ("AccountingDocuments", "WaitingToBeReturned"),
    ("ExportedPurchaseOrders", "WaitingForExport"),
)
"""What we want to be told. Basware has no notices of vendors."""


async def keep_subscriptions(client: BaswareClient, address: str, secret: str, traffic: TrafficClass) -> None:
    """One subscription per kind, to our address and signed with our secret; one that differs is made anew.

    While it makes one, Basware posts a ConnectionTest to the address: the receiver must be up and know the secret.
    """
    kept = [row async for page in client.pages(RESOURCE, {}, traffic) for row in page.rows]
    missing = [kind for kind in WANTED if not any(_is(row, kind, address, secret) for row in kept)]
    if not missing:
        return
    body = [
        {
            "taskType": task_type,
            "taskSubType": sub_type,
            "subscriptionType": "Webhook",
            "notificationWebhookURL": address,
            "webhookAuthenticationToken": secret,
        }
        for task_type, sub_type in missing
    ]
    try:
        await client.post(RESOURCE, RESOURCE, body, traffic)
    except Rejected as refused:
        raise Rejected(
            f"{refused.message}. Basware tests the address while it subscribes: see that ingest is reachable from "
            "outside; if it refused an unsigned test, set accept_unsigned_test.",
            status=refused.status,
        ) from refused


def _is(row: Row, kind: tuple[str, str], address: str, secret: str) -> bool:
    return (
        (row.get("taskType"), row.get("taskSubType")) == kind
        and row.get("notificationWebhookURL") == address
        and row.get("webhookAuthenticationToken") == secret
    )
