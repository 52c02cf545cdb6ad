"""The figures and lines of an invoice, from an entry or from a logistic purchase invoice."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from connector.domain.documents.common import VatCategory
from connector.domain.documents.invoice import LinkStrength
from connector.domain.reasons import Reason

from .accounts import account_of, no_account
from .values import HUNDRED, ZERO, Json, amount, day, decimal, joined, percent, quantity, total
from .vat import VatCode, VatCodes, part_of, vat_codes


class LineFigures(NamedTuple):
    """One line's amounts, credit notes already turned positive."""

    code: VatCode
    net: Decimal | None
    vat: Decimal | None


class Figures(NamedTuple):
    """All lines' amounts; sums are None where an amount is unknown."""

    lines: Sequence[LineFigures]
    discount: Decimal
    lines_sum: Decimal | None
    net: Decimal | None
    owed: Decimal | None
    """VAT that the supplier is owed."""
    self_assessed: Decimal

    def totals(self) -> dict[str, Decimal | None]:
        return {"lines": self.lines_sum, "allowances": self.discount or None, "net": self.net}

    def breakdown(self) -> list[dict[str, Any]]:
        """VAT by category and rate; empty where a line's category or amount is unknown: it would not be whole."""
        rows: dict[tuple[VatCategory, Decimal | None], list[Decimal]] = {}
        for line in self.lines:
            if line.code.category is None or line.net is None or line.vat is None:
                return []
            sums = rows.setdefault((line.code.category, line.code.rate), [ZERO, ZERO])
            sums[0] += line.net
            sums[1] += line.vat if line.code.owed else ZERO
        return [
            {"category": category, "rate": rate, "taxable_amount": taxable, "tax_amount": tax}
            for (category, rate), (taxable, tax) in rows.items()
        ]


def _sum_up(lines: Sequence[LineFigures], discount: Decimal = ZERO) -> Figures:
    lines_sum = total(line.net for line in lines)
    return Figures(
        lines,
        discount,
        lines_sum,
        net=None if lines_sum is None else lines_sum - discount,
        owed=total(line.vat for line in lines if line.code.owed),
        self_assessed=sum((line.vat or ZERO for line in lines if not line.code.owed), ZERO),
    )


def _line_figures(code: VatCode, net: Decimal | None, vat: Decimal | None, factor: int, unit: Decimal) -> LineFigures:
    """Under reverse charge Exact may show no VAT on the line: what the buyer assesses follows from the code's rate."""
    if not vat and code.assessed_rate and net is not None:
        vat = part_of(net, code.assessed_rate, unit)
    return LineFigures(code, None if net is None else net * factor, None if vat is None else vat * factor)


def figures_of_entry(
    rows: Sequence[Json], gross: Decimal | None, factor: int, unit: Decimal, resolved: Json
) -> Figures:
    """Entry lines. Exact does not say whether their AmountFC includes VAT under codes of Type I: read by type, unless
    only the plain reading gives the entry's gross."""
    codes = vat_codes(rows, resolved)
    by_type = _sum_up([_entry_figures(row, factor, unit, codes, by_type=True) for row in rows])
    if gross is None or _gross(by_type) == gross or not any(line.code.included for line in by_type.lines):
        return by_type
    plain = _sum_up([_entry_figures(row, factor, unit, codes, by_type=False) for row in rows])
    return plain if _gross(plain) == gross else by_type


def _gross(figures: Figures) -> Decimal | None:
    net, owed = figures.net, figures.owed
    return None if net is None or owed is None else net + owed


def _entry_figures(row: Json, factor: int, unit: Decimal, codes: VatCodes, *, by_type: bool) -> LineFigures:
    code = codes[row.get("VATCode")]
    booked, vat = amount(row.get("AmountFC"), unit), amount(row.get("VATAmountFC"), unit)
    if code.code is None and vat is None:
        vat = ZERO
    net = booked
    if by_type and code.included:
        net = None if booked is None or vat is None else booked - vat
    return _line_figures(code, net, vat, factor, unit)


def figures_of_purchase_invoice(invoice: Json, unit: Decimal, resolved: Json) -> Figures:
    """Purchase invoice lines. Exact: Amount reads net of VAT whatever the code; credit invoices are turned positive."""
    rows: Sequence[Json] = invoice["PurchaseInvoiceLines"]
    gross = amount(invoice.get("Amount"), unit) or ZERO
    factor = -1 if gross < 0 else 1
    discount = amount(invoice.get("AmountDiscountExclVat"), unit) or ZERO
    codes = vat_codes(rows, resolved)
    return _sum_up([_invoice_figures(row, factor, unit, codes) for row in rows], discount)


def _invoice_figures(row: Json, factor: int, unit: Decimal, codes: VatCodes) -> LineFigures:
    net, vat = amount(row.get("Amount"), unit), amount(row.get("VATAmount"), unit)
    return _line_figures(codes[row.get("VATCode")], net, vat, factor, unit)


def _amounts(figures: LineFigures, stated: Decimal | None, unit: Decimal) -> dict[str, Any]:
    """Net, VAT and what the line costs: net and the part of its VAT that nobody gives back."""
    code, net, vat = figures.code, figures.net, figures.vat
    lost = None if vat is None else part_of(vat, stated or code.non_deductible, unit)
    return {
        "net_amount": net,
        "vat": {
            "code": code.code,
            "category": code.category,
            "rate": code.rate,
            "amount": vat if code.owed or vat is None else ZERO,
        },
        "non_deductible_vat": lost,
        "self_assessed_vat": None if code.owed else vat,
        "cost_amount": None if net is None or lost is None else net + lost,
    }


def entry_lines(
    rows: Sequence[Json], figures: Figures, link: dict[str, Any], unit: Decimal, resolved: Json
) -> list[dict[str, Any]]:
    return [
        {
            "line_id": row["ID"],
            "line_number": row.get("LineNumber"),
            "description": row.get("Description") or row.get("GLAccountDescription") or None,
            **_amounts(line, percent(row.get("VATNonDeductiblePercentage"), resolved), unit),
            "accounting": [
                {
                    "share": HUNDRED,
                    "gl_account": row.get("GLAccountCode"),
                    "cost_center": row.get("CostCenter") or None,
                    "cost_unit": row.get("CostUnit") or None,
                    "project": joined(resolved, "project", row.get("Project")).get("Code"),
                    "dimensions": {},
                }
            ],
            "order_link": link,
            "period": _period(row),
        }
        for row, line in zip(rows, figures.lines, strict=True)
    ]


def _period(row: Json) -> dict[str, Any] | None:
    start, end = day(row.get("From")), day(row.get("To"))
    return {"start": start, "end": end} if start or end else None


def invoice_lines(
    invoice: Json, figures: Figures, supplier: str, header: dict[str, Any], unit: Decimal, resolved: Json,
    findings: list[Reason],
) -> list[dict[str, Any]]:  # fmt: skip
    return [
        _invoice_line(row, line, supplier, header, unit, resolved, findings)
        for row, line in zip(invoice["PurchaseInvoiceLines"], figures.lines, strict=True)
    ]


def _invoice_line(
    row: Json, figures: LineFigures, supplier: str, header: dict[str, Any], unit: Decimal, resolved: Json,
    findings: list[Reason],
) -> dict[str, Any]:  # fmt: skip
    item = joined(resolved, "item", row.get("Item"))
    number = row["LineNumber"]
    account = account_of(row.get("Item"), supplier, resolved)
    if account is None:
        findings.append(no_account(number, item.get("Code"), joined(resolved, "account", supplier).get("Code")))
    # the sign is in the amounts: a credited quantity reads as positive, like its net
    billed = quantity(row.get("Quantity"))
    billed = abs(billed) if billed is not None and figures.net is not None and figures.net >= 0 else billed
    price = decimal(row.get("NetPrice"))
    if billed and figures.net is not None:
        price = (figures.net / billed).quantize(Decimal("1e-10")).normalize()
    return {
        "line_id": row["ID"],
        "line_number": number,
        "description": row.get("Description") or item.get("Description") or None,
        "item": {"buyer_id": item.get("Code"), "name": item.get("Description")},
        "quantity": billed,
        "unit": row.get("Unit") or None,
        "price": price,
        **_amounts(figures, None, unit),
        "accounting": [
            {
                "share": HUNDRED,
                "gl_account": account,
                "cost_center": row.get("CostCenter") or None,
                "cost_unit": row.get("CostUnit") or None,
                "project": joined(resolved, "project", row.get("Project")).get("Code"),
                "dimensions": {},
            }
        ],
        "order_link": _line_link(row, resolved) or header,
    }


def _line_link(row: Json, resolved: Json) -> dict[str, Any] | None:
    """`line` where the purchase invoice line names its order line: the only link by which a line counts as matched."""
    line_id = row.get("PurchaseOrderLine")
    order = joined(resolved, "order-line", line_id)
    if not order:
        return None
    return {
        "strength": LinkStrength.LINE,
        "order_id": order["PurchaseOrderID"],
        "order_number": str(order["OrderNumber"]),
        "line_id": line_id,
    }
