"""Rules of an invoice or credit note: totals (EN 16931 BR-CO-10 to 17), and sign."""

from collections.abc import Callable, Iterator
from decimal import Decimal

from connector.domain.documents.invoice import Basis, Invoice, InvoiceType
from connector.domain.documents.money import round_amount
from connector.domain.reasons import Reason

InvoiceRule = Callable[[Invoice], Iterator[Reason]]

_ZERO = Decimal(0)
_VAT_SLACK = Decimal(1)
"""EN 16931's own checks of BR-CO-17 allow less than one currency unit a row: VAT may be rounded per line or per row."""


def _differs(code: str, field: str, what: str, expected: Decimal, actual: Decimal, severity: str = "block") -> Reason:
    return Reason(
        code=code,
        message=f"{what}: expected {expected:f}, found {actual:f}.",
        fix="Correct the amounts on the document in its source system; it is read again by itself.",
        field=field,
        severity=severity,
    )


def lines_sum(invoice: Invoice) -> Iterator[Reason]:
    """BR-CO-10: BT-106 is the sum of the lines' net amounts."""
    stated = invoice.totals.lines
    if stated is None:
        return
    total = _ZERO
    for line in invoice.lines:
        if line.net_amount is None:
            return
        total += line.net_amount
    if total != stated:
        yield _differs("br-co-10", "totals.lines", "The lines' net amounts do not sum to their total", stated, total)


def allowances_sum(invoice: Invoice) -> Iterator[Reason]:
    """BR-CO-11: BT-107 is the sum of the document's allowances."""
    stated = invoice.totals.allowances
    if stated is None:
        return
    total = sum((allowance.amount for allowance in invoice.allowances), _ZERO)
    if total != stated:
        yield _differs("br-co-11", "totals.allowances", "The allowances do not sum to their total", stated, total)


def charges_sum(invoice: Invoice) -> Iterator[Reason]:
    """BR-CO-12: BT-108 is the sum of the document's charges."""
    stated = invoice.totals.charges
    if stated is None:
        return
    total = sum((charge.amount for charge in invoice.charges), _ZERO)
    if total != stated:
        yield _differs("br-co-12", "totals.charges", "The charges do not sum to their total", stated, total)


def net_is_lines_less_allowances_plus_charges(invoice: Invoice) -> Iterator[Reason]:
    """BR-CO-13. Without allowances (or charges) on the document their totals count as 0."""
    totals = invoice.totals
    if totals.net is None or totals.lines is None:
        return
    if (totals.allowances is None and invoice.allowances) or (totals.charges is None and invoice.charges):
        return
    expected = totals.lines - (totals.allowances or _ZERO) + (totals.charges or _ZERO)
    if expected != totals.net:
        yield _differs("br-co-13", "totals.net", "Net is not lines less allowances plus charges", expected, totals.net)


def vat_is_sum_of_breakdown(invoice: Invoice) -> Iterator[Reason]:
    """BR-CO-14. A document without a breakdown does not say how its VAT is made up."""
    stated = invoice.totals.vat
    if stated is None or not invoice.vat_breakdown:
        return
    total = sum((row.tax_amount for row in invoice.vat_breakdown), _ZERO)
    if total != stated:
        yield _differs("br-co-14", "totals.vat", "The rates' VAT does not sum to the document's", total, stated)


def gross_is_net_plus_vat(invoice: Invoice) -> Iterator[Reason]:
    """BR-CO-15."""
    totals = invoice.totals
    if totals.gross is None or totals.net is None or totals.vat is None:
        return
    expected = totals.net + totals.vat
    if expected != totals.gross:
        yield _differs("br-co-15", "totals.gross", "Gross is not net plus VAT", expected, totals.gross)


def payable_is_what_is_left_of_gross(invoice: Invoice) -> Iterator[Reason]:
    """BR-CO-16: payable = gross - prepaid - withholding + rounding; of the last three, what is not stated is 0."""
    totals = invoice.totals
    if totals.payable is None or totals.gross is None:
        return
    taken = (totals.prepaid or _ZERO) + (totals.withholding or _ZERO)
    expected = totals.gross - taken + (totals.rounding or _ZERO)
    if expected != totals.payable:
        yield _differs(
            "br-co-16", "totals.payable", "Payable is not gross less prepaid and withheld", expected, totals.payable
        )


def vat_follows_rate(invoice: Invoice) -> Iterator[Reason]:
    """BR-CO-17: a row's VAT is its taxable amount times its rate. Warns on bookings: a person may override VAT."""
    severity = "warn" if invoice.basis is Basis.BOOKING else "block"
    for row in invoice.vat_breakdown:
        if row.rate is None:
            continue
        expected = round_amount(row.taxable_amount * row.rate / 100, invoice.currency)
        if abs(expected - row.tax_amount) >= _VAT_SLACK:
            what = f"The VAT at {row.rate:f} % does not follow from its taxable amount"
            yield _differs("br-co-17", "vat_breakdown", what, expected, row.tax_amount, severity)


def sign_follows_type(invoice: Invoice) -> Iterator[Reason]:
    """A credit note has positive totals and effect -1, everything else effect 1 and a payable not below 0."""
    credit = invoice.type_code is InvoiceType.CREDIT_NOTE
    gross = invoice.totals.gross
    if invoice.effect != (-1 if credit else 1) or (gross is not None and gross < 0):
        shown = "unknown" if gross is None else f"{gross:f}"
        yield Reason(
            code="credit-sign",
            message=f"Type {invoice.type_code}, effect {invoice.effect} and a total of {shown} contradict each other.",
            fix="Make it a credit note with a credit total, or an invoice, in the source system.",
            field="type_code",
        )


RULES: tuple[InvoiceRule, ...] = (
    lines_sum,
    allowances_sum,
    charges_sum,
    net_is_lines_less_allowances_plus_charges,
    vat_is_sum_of_breakdown,
    gross_is_net_plus_vat,
    payable_is_what_is_left_of_gross,
    vat_follows_rate,
    sign_follows_type,
)


def invoice_findings(invoice: Invoice) -> list[Reason]:
    """Every broken rule at once."""
    return [reason for rule in RULES for reason in rule(invoice)]
