"""Accounting documents: how they move between states, whoever moves them."""

from typing import Any

from .schema import plain
from .store import Attachment, Invoice
from .tenant import Tenant
from .wire import moment
from .world import World

ACKNOWLEDGED = {
    "WaitingForTransfer": "TransferInProgress",
    "WaitingForPrebook": "PrebookInProgress",
    "WaitingForPrebookCancelation": "PrebookCancelationInProgress",
    "WaitingForEnrichmentTransfer": "EnrichmentTransferInProgress",
    "WaitingToBeCompleted": "CompletionInProgress",
    # open: what follows a removal or a return that an external system has seen
    "WaitingToBeRemoved": "Removed",
    "WaitingToBeReturned": "Returned",
}
IN_PROGRESS = frozenset(status for status in ACKNOWLEDGED.values() if status.endswith("InProgress"))


def store_new(world: World, tenant: Tenant, fields: dict[str, Any]) -> Invoice:
    """A new invoice; it becomes visible to the API after the store's lag and is announced at once."""
    invoice = Invoice(fields["invoiceId"], fields, visible_at=world.clock.time() + world.settings.store_lag_s)
    save(world, tenant, invoice)
    index_number(tenant, invoice)
    announce(world, tenant, invoice)
    return invoice


def save(world: World, tenant: Tenant, invoice: Invoice, *, move: bool = True) -> None:
    tenant.invoices.put(invoice, step_ms=world.settings.last_updated_step_ms, move=move)


def index_number(tenant: Tenant, invoice: Invoice) -> None:
    number = invoice.fields.get("invoiceNumber")
    if number:
        ids = tenant.by_number.setdefault((invoice.fields["companyCode"], number), [])
        if invoice.key not in ids:
            ids.append(invoice.key)


def announce(world: World, tenant: Tenant, invoice: Invoice) -> None:
    """Basware notifies of every transition into a Waiting state."""
    if invoice.status.startswith("Waiting"):
        world.webhooks.notify(tenant, "AccountingDocuments", invoice.status, invoice.key)


def move(world: World, tenant: Tenant, invoice: Invoice, status: str, log: str) -> None:
    invoice.fields["processingStatus"] = status
    invoice.was_transferred |= status == "Transferred"
    invoice.action_log.append(log)
    save(world, tenant, invoice)
    announce(world, tenant, invoice)


def acknowledge(world: World, tenant: Tenant, invoice: Invoice) -> bool:
    """Take an invoice over from P2P; False when it does not wait for anything."""
    after = ACKNOWLEDGED.get(invoice.status)
    if after is None:
        return False
    invoice.fields["processingStatus"] = after
    invoice.action_log.append(f"Acknowledged: {after}")
    save(world, tenant, invoice, move=world.settings.acknowledge_moves_last_updated)
    return True


def add_attachment(world: World, invoice: Invoice, fields: dict[str, Any], content: bytes, media_type: str) -> None:
    stamped = {"isConfidential": False, "creationTime": world.clock.now(), **fields}
    invoice.attachments[fields["externalCode"]] = Attachment(stamped, content, media_type)


def shown(world: World, invoice: Invoice) -> dict[str, Any]:
    """The invoice as the API shows it, without nulls; attachments only once they are to be seen."""
    fields = {**invoice.fields, "lastUpdated": moment(invoice.last_updated_ms)}
    if invoice.attachments and (invoice.was_transferred or world.settings.attachments_visible == "always"):
        fields["attachments"] = [attachment.fields for attachment in invoice.attachments.values()]
    return fields


def dumped(tenant: Tenant, invoice: Invoice) -> dict[str, Any]:
    attachments = [{**item.fields, "size": len(item.content)} for item in invoice.attachments.values()]
    return dict(
        plain(
            {
                **invoice.fields,
                "lastUpdated": moment(invoice.last_updated_ms),
                "attachments": attachments,
                "actionLog": invoice.action_log,
                "bwcid": tenant.bwcid,
                "deleted": invoice.gone,
            }
        )
    )
