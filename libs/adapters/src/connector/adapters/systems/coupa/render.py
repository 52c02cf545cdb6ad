"""From one desired row to what it wants in Coupa."""

from connector.domain.documents.envelope import AnyRecord, RecordStatus
from connector.domain.documents.invoice import Invoice
from connector.domain.documents.purchase_order import PurchaseOrder
from connector.domain.documents.reference import Reference
from connector.domain.documents.supplier import Supplier
from connector.domain.ports.target import Lookup, Rendered, RenderInput
from connector.domain.reasons import Reason

from . import invoices, lookup_values, purchase_orders, suppliers
from .rendering import Rendering
from .settings import Settings


def render(wanted: RenderInput, lookup: Lookup, settings: Settings) -> Rendered:
    """The row's part with every missing dependency and every broken rule; or why it is not to be written."""
    record: AnyRecord = wanted.document
    rendering = Rendering(wanted, lookup, settings, findings=list(record.findings))
    if record.status is RecordStatus.DELETED:
        return Rendered(parts=rendering.gone())
    match record.document:
        case PurchaseOrder() as order:
            return purchase_orders.render(rendering, order)
        case Invoice() as invoice:
            return invoices.render(rendering, invoice)
        case Supplier() as supplier:
            return suppliers.render(rendering, supplier)
        case Reference() as reference:
            return lookup_values.render(rendering, reference)
    message = f"Coupa gets no {wanted.row.entity} from this flow."
    return Rendered(excluded=Reason(code="not-sent-type", message=message, severity="warn"))
