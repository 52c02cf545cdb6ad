"""The rules of arithmetic and sign, over many documents."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from connector.domain.documents.common import SupplierRef, VatCategory
from connector.domain.documents.invoice import (
    Basis,
    Invoice,
    InvoiceLine,
    InvoiceStatus,
    InvoiceTotals,
    InvoiceType,
    VatBreakdown,
)
from connector.domain.documents.money import round_amount
from connector.domain.documents.purchase_order import OrderLifecycle, OrderLine, OrderTotals, PurchaseOrder
from connector.domain.rules.invoice import invoice_findings
from connector.domain.rules.purchase_order import order_findings

CENTS = st.integers(1, 10_000_000).map(lambda cents: Decimal(cents).scaleb(-2))
NETS = st.lists(CENTS, min_size=1, max_size=6)
TOTALS = st.sampled_from(["lines", "net", "vat", "gross", "payable"])
SLIPS = st.sampled_from([Decimal("0.01"), Decimal("-0.01"), Decimal(5)])


def sound_invoice(nets: list[Decimal], rate: Decimal = Decimal(21)) -> Invoice:
    net = sum(nets, Decimal(0))
    vat = round_amount(net * rate / 100, "EUR")
    return Invoice(
        type_code=InvoiceType.INVOICE,
        effect=1,
        basis=Basis.BOOKING,
        status=InvoiceStatus.OPEN,
        currency="EUR",
        supplier=SupplierRef(id="s"),
        totals=InvoiceTotals(lines=net, net=net, vat=vat, gross=net + vat, payable=net + vat),
        vat_breakdown=[VatBreakdown(category=VatCategory.STANDARD, rate=rate, taxable_amount=net, tax_amount=vat)],
        lines=[InvoiceLine(line_id=str(n), net_amount=amount) for n, amount in enumerate(nets)],
    )


def with_total(invoice: Invoice, name: str, value: Decimal | None) -> Invoice:
    return invoice.model_copy(update={"totals": invoice.totals.model_copy(update={name: value})})


@given(NETS)
def test_a_sound_invoice_has_no_findings(nets: list[Decimal]) -> None:
    assert invoice_findings(sound_invoice(nets)) == []


@given(NETS, TOTALS, SLIPS)
def test_any_total_off_by_a_cent_is_found(nets: list[Decimal], name: str, slip: Decimal) -> None:
    invoice = sound_invoice(nets)
    found = invoice_findings(with_total(invoice, name, getattr(invoice.totals, name) + slip))
    assert [reason for reason in found if reason.severity == "block"]


@given(NETS, TOTALS)
def test_an_unknown_total_is_not_applicable_and_not_zero(nets: list[Decimal], name: str) -> None:
    assert invoice_findings(with_total(sound_invoice(nets), name, None)) == []


@given(NETS)
def test_an_unknown_line_amount_stops_only_the_rule_that_needs_it(nets: list[Decimal]) -> None:
    invoice = sound_invoice(nets)
    unknown = invoice.lines[0].model_copy(update={"net_amount": None})
    broken = with_total(invoice, "gross", Decimal(0)).model_copy(update={"lines": [unknown, *invoice.lines[1:]]})
    codes = {reason.code for reason in invoice_findings(broken)}
    assert "br-co-10" not in codes
    assert "br-co-15" in codes


def test_vat_that_does_not_follow_its_rate_warns_on_a_booking_and_blocks_on_a_document() -> None:
    overridden = VatBreakdown(
        category=VatCategory.STANDARD, rate=Decimal(21), taxable_amount=Decimal(100), tax_amount=Decimal(19)
    )
    booking = sound_invoice([Decimal(100)]).model_copy(
        update={
            "vat_breakdown": [overridden],
            "totals": InvoiceTotals(net=Decimal(100), vat=Decimal(19), gross=Decimal(119)),
        }
    )
    document = booking.model_copy(update={"basis": Basis.DOCUMENT})
    assert [(reason.code, reason.severity) for reason in invoice_findings(booking)] == [("br-co-17", "warn")]
    assert [(reason.code, reason.severity) for reason in invoice_findings(document)] == [("br-co-17", "block")]


@given(NETS)
def test_flag_and_sign_must_agree(nets: list[Decimal]) -> None:
    credit = sound_invoice(nets).model_copy(update={"type_code": InvoiceType.CREDIT_NOTE})
    assert [reason.code for reason in invoice_findings(credit)] == ["credit-sign"]
    assert invoice_findings(credit.model_copy(update={"effect": -1})) == []


@given(NETS, CENTS)
def test_an_orders_lines_less_discount_must_give_its_net(nets: list[Decimal], off: Decimal) -> None:
    total = sum(nets, Decimal(0))
    order = PurchaseOrder(
        order_number="1",
        lifecycle=OrderLifecycle.OPEN,
        currency="EUR",
        supplier=SupplierRef(id="s"),
        totals=OrderTotals(lines=total, net=total),
        lines=[OrderLine(line_id=str(n), line_number=n, net_amount=amount) for n, amount in enumerate(nets)],
    )
    wrong = order.model_copy(update={"totals": OrderTotals(lines=total, net=total - off)})
    unknown = order.model_copy(update={"totals": OrderTotals()})
    assert order_findings(order) == []
    assert [reason.code for reason in order_findings(wrong)] == ["order-sum"]
    assert order_findings(unknown) == []
