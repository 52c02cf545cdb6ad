"""Invoice -> Exact's purchase entry: rendering, with every rule that Exact would refuse it for, and reading.

Exact derives the type from the sign: a credit note is an entry with negative lines. Amounts are sent net with VAT codes
of type E (excluding), whose VAT is overridden with the source's own; under reverse charge Exact computes it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connector.domain.documents.common import Coding
from connector.domain.documents.invoice import Invoice, InvoiceLine, InvoiceStatus, InvoiceType
from connector.domain.documents.money import round_amount
from connector.domain.identity import TrafficClass
from connector.domain.ports.references import ReferenceKey
from connector.domain.ports.target import Found, Json, Measure, NaturalKey, Part, Rendered
from connector.domain.reasons import Reason

from . import images, payees
from .client import ExactClient, Query, Row, guid, text
from .fields import ENTRIES, nested
from .references import attribute, next_period, period_code

if TYPE_CHECKING:
    from .rendering import Rendering

PART, RESOURCE = "entry", ENTRIES
ZERO = Decimal(0)
PURCHASE = "22"
"""Exact's type of purchase journals."""
CREDIT_NOTE, OPEN_ENTRY, REJECTED = 31, 20, 5
PERIODS_AHEAD = 12
FIELDS = (
    "EntryID", "EntryNumber", "Journal", "Type", "Status", "Supplier", "YourRef", "EntryDate", "DueDate", "Currency",
    "AmountFC", "VATAmountFC", "PaymentCondition", "ReportingYear", "ReportingPeriod", "Document",
    "ExternalLinkReference", "Created", "Creator",
)  # fmt: skip
LINE_FIELDS = (
    "ID", "LineNumber", "GLAccountCode", "AmountFC", "VATAmountFC", "VATCode", "CostCenter", "CostUnit", "Project",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Booked:
    """One line as it is booked; amounts with Exact's sign. `vat` is None where Exact computes it."""

    gl: str
    gl_id: str | None
    cost_center: str | None
    cost_unit: str | None
    project: str | None
    net: Decimal
    vat_code: str | None
    vat: Decimal | None
    description: str | None

    def wanted(self) -> dict[str, Any]:
        return {
            "gl": self.gl,
            "GLAccount": self.gl_id,
            "CostCenter": self.cost_center,
            "CostUnit": self.cost_unit,
            "Project": self.project,
            "AmountFC": f"{self.net:f}",
            "VATCode": self.vat_code,
            "VATAmountFC": None if self.vat is None else f"{self.vat:f}",
            "Description": self.description,
        }


def natural_key(supplier: str, reference: str) -> NaturalKey:
    return NaturalKey(RESOURCE, (("Supplier", supplier), ("YourRef", reference)))


# rendering


def render(r: "Rendering", invoice: Invoice) -> Rendered:
    excluded = _excluded(r, invoice)
    if excluded is not None:
        return Rendered(excluded=excluded)
    _refuse_what_exact_has_no_field_for(r, invoice)
    supplier = r.supplier(invoice.supplier)
    payees.check(r, invoice, supplier, PART)
    journal = _journal(r, invoice)
    year, period = _period(r, invoice, journal)
    lines = _lines(r, invoice)
    _check_sums(r, invoice, lines)
    header: dict[str, Any] = {
        "Journal": journal,
        "Supplier": supplier.target_id if supplier else None,
        "Currency": invoice.currency,
        "YourRef": invoice.invoice_number,
        "EntryDate": _iso(invoice.issue_date),
        "DueDate": _iso(invoice.due_date),
        "PaymentCondition": r.payment_condition(invoice.payment_terms.code if invoice.payment_terms else None),
        "ReportingYear": year,
        "ReportingPeriod": period,
        "Description": invoice.description or f"{invoice.supplier.name or ''} {invoice.invoice_number}".strip(),
    }
    attached = images.render(r, invoice, header["Supplier"])
    wanted = {
        "header": {name: value for name, value in header.items() if value is not None},
        "lines": [line.wanted() for line in lines],
        "image": bool(attached),
        "round": r.wanted.document.extras.get("round"),  # a new one is worth a look: people may have deleted the entry
    }
    key = natural_key(str(header["Supplier"]), str(invoice.invoice_number))
    frozen = {"round": wanted["round"], "again": _undone(r)}
    entry = Part(PART, key, r.stamp, wanted, _measure(invoice, lines), frozen=frozen)
    return Rendered(parts=[*attached, entry], findings=r.findings)


def _excluded(r: "Rendering", invoice: Invoice) -> Reason | None:
    record = r.wanted.document
    if PART in r.wanted.known:
        return None
    unknown = any(finding.code == "company-unknown" for finding in record.findings)
    if record.company not in r.options.companies and not unknown:
        message = f"It belongs to company {record.company}, which this flow does not carry."
        return Reason(code="other-company", message=message, severity="warn")
    if invoice.status is InvoiceStatus.CANCELLED:
        message = "Accounts payable took it back before it was ever booked."
        return Reason(code="withdrawn", message=message, severity="warn")
    if invoice.type_code is InvoiceType.PREPAYMENT:
        message = "Prepayments are not booked by this flow."
        return Reason(code="not-sent-type", message=message, severity="warn")
    if record.system == "basware" and "round" not in record.extras:
        message = "It was never offered to us for booking: another system transfers it."
        return Reason(code="not-offered", message=message, severity="warn")
    return None


def _undone(r: "Rendering") -> bool:
    known = r.wanted.known.get(PART)
    return known is not None and (known.step_reached or "").startswith("undo")


def _refuse_what_exact_has_no_field_for(r: "Rendering", invoice: Invoice) -> None:
    if invoice.status is InvoiceStatus.CANCELLED:
        number = r.wanted.known[PART].extra.get("number")
        r.find(
            "withdrawn-after-booking",
            f"Accounts payable took it back; it is booked as entry {number}.",
            fix="Reverse the entry in Exact, or have the invoice transferred again.",
            field="status",
        )
    if invoice.payment_block:
        r.find(
            "payment-block",
            "The invoice is blocked for payment, which an entry in Exact can't show.",
            fix="Lift the payment block at the source, then transfer the invoice again.",
            field="payment_block",
        )
    if not invoice.invoice_number:
        r.find(
            "invoice-number-missing",
            "The invoice has no number: it could not be told from others.",
            fix="Enter the supplier's invoice number at the source.",
            field="invoice_number",
        )
    if not invoice.lines:
        r.find("coding-missing", "The invoice has no coding rows.", fix="Code it at the source.", field="lines")


def _journal(r: "Rendering", invoice: Invoice) -> str:
    code = r.options.journal_of(invoice.currency)
    journal = r.code("journal", code, "journal")
    if journal is None:
        return code
    if attribute(journal, "type") != PURCHASE:
        r.find(
            "journal-type",
            f"Journal {code} is no purchase journal.",
            fix="Name a purchase journal (type 22) in the flow's option journal.",
            field="journal",
        )
    fixed = attribute(journal, "allow_variable_currency") == "false"
    if fixed and attribute(journal, "currency") != invoice.currency:
        r.find(
            "journal-currency",
            f"Journal {code} takes {attribute(journal, 'currency')} only, the invoice is in {invoice.currency}.",
            fix=f"Name a journal for {invoice.currency} in the flow's option journals, or allow other currencies on "
            f"journal {code} in Exact.",
            field="currency",
        )
    return code


def _period(r: "Rendering", invoice: Invoice, journal: str) -> tuple[int | None, int | None]:
    """As accounts payable states it, else the one of the voucher's (or the invoice's) date; an open one."""
    known = r.wanted.known.get(PART)
    if invoice.period is not None:
        year, period = invoice.period.year, invoice.period.period
    else:
        day = invoice.booking_date or invoice.issue_date
        if day is None:
            r.find("date-missing", "The invoice has no date.", fix="Enter it at the source.", field="issue_date")
            return None, None
        found = r.lookup.reference(r.wanted.target, "period-of-date", day.isoformat())
        if found is None:
            key = str(ReferenceKey(r.wanted.target, "period-of-date", day.isoformat()))
            fix = "Create the financial year in Exact."
            r.find(
                "period-unknown-in-target", f"Exact has no period for {day}.", missing=key, fix=fix, field="issue_date"
            )
            return None, None
        year, period = int(found["year"]), int(found["period"])
    if known is not None and known.extra.get("period") == f"{year}-{period:02d}":
        return year, period  # booked there already: what was closed since does not move it
    return _open_period(r, journal, year, period)


def _open_period(r: "Rendering", journal: str, year: int, period: int) -> tuple[int, int]:
    first = (year, period)
    for _ in range(PERIODS_AHEAD):
        code = period_code(journal, year, period)
        status = r.lookup.reference(r.wanted.target, "journal-period", code)
        if status is None or status["open"]:
            if status is None:
                _find_period(r, code, "period-unknown-in-target", "does not exist in Exact")
            return year, period
        if r.options.closed_period == "block":
            _find_period(r, code, "period-closed", "is closed in Exact")
            return year, period
        year, period = next_period(year, period)
    _find_period(r, period_code(journal, *first), "period-closed", "and the twelve after it are closed in Exact")
    return first


def _find_period(r: "Rendering", code: str, reason: str, what: str) -> None:
    r.find(
        reason,
        f"Period {code} {what}.",
        missing=str(ReferenceKey(r.wanted.target, "journal-period", code)),
        fix="Open the period in Exact, correct the accounting period at the source, or let the flow book in the next "
        "open one (closed_period: next-open).",
        field="period",
    )


def _lines(r: "Rendering", invoice: Invoice) -> list[Booked]:
    lines = [_line(r, invoice, line, position) for position, line in enumerate(invoice.lines, 1)]
    residual = _residual(r, invoice, lines)
    return [*lines, residual] if residual is not None else lines


def _line(r: "Rendering", invoice: Invoice, line: InvoiceLine, position: int) -> Booked:
    at = f"lines[{line.line_number or position}]"
    coding = line.accounting[0] if line.accounting else Coding()
    code = r.mapped("gl-accounts", coding.gl_account)
    if code is None:
        fix = "Code the row at the source, then transfer the invoice again."
        r.find("gl-account-missing", f"Row {position} has no account.", fix=fix, field=f"{at}.accounting")
    account = r.code("gl-account", code, f"{at}.accounting") if code else None
    project = r.mapped("projects", coding.project)
    known_project = r.code("project", project, f"{at}.accounting") if project else None
    net = (line.net_amount or ZERO) * invoice.effect
    tax = ((line.vat.amount or ZERO) + (line.self_assessed_vat or ZERO)) * invoice.effect
    vat_code, charged = _vat(r, line.vat.code, tax, at)
    return Booked(
        gl=code or "",
        gl_id=account.get("source_id") if account else None,
        cost_center=r.dimension(account, "cost-center", r.mapped("cost-centers", coding.cost_center), at),
        cost_unit=r.dimension(account, "cost-unit", r.mapped("cost-units", coding.cost_unit), at),
        project=known_project.get("source_id") if known_project else None,
        net=net,
        vat_code=vat_code,
        vat=None if charged else tax,
        description=line.description,
    )


def _vat(r: "Rendering", source_code: str | None, tax: Decimal, at: str) -> tuple[str | None, bool]:
    """Exact's VAT code, and whether the buyer owes the VAT (Exact: Charged)."""
    code = r.mapped("vat-codes", source_code) if source_code else r.options.no_tax_code
    if code is None:
        r.find(
            "vat-code-missing",
            "A row has no tax code, and Exact would take the GL account's own.",
            fix="Enter the tax code at the source, or name Exact's VAT code for such rows in the flow's no_tax_code.",
            field=f"{at}.vat",
        )
        return None, False
    vat = r.code("vat-code", code, f"{at}.vat")
    if vat is None:
        return code, False
    kind, use = attribute(vat, "type"), attribute(vat, "transaction_type")
    if kind != "E" and not (kind == "N" and tax == 0):
        r.find(
            "vat-code-type",
            f"VAT code {code} is of type {kind}: net amounts can only be booked on type E (excluding).",
            fix="Map the source's tax code to a VAT code of type E.",
            field=f"{at}.vat",
        )
    if use == "S":
        fix = "Map the source's tax code to a VAT code for purchases."
        r.find("vat-code-use", f"VAT code {code} is for sales only.", fix=fix, field=f"{at}.vat")
    return code, attribute(vat, "charged") in ("true", "1")


def _residual(r: "Rendering", invoice: Invoice, lines: Sequence[Booked]) -> Booked | None:
    """What the coding misses of the net sum, where the flow lets it go to an account of its own."""
    missed = _missed_net(invoice, lines)
    if not missed or abs(missed) > r.options.rounding_limit or r.options.rounding_account is None:
        return None
    account = r.code("gl-account", r.options.rounding_account, "totals.net")
    vat_code, _ = _vat(r, None, ZERO, "totals")
    return Booked(
        gl=r.options.rounding_account,
        gl_id=account.get("source_id") if account else None,
        cost_center=None,
        cost_unit=None,
        project=None,
        net=missed,
        vat_code=vat_code,
        vat=ZERO,
        description="Rounding",
    )


def _missed_net(invoice: Invoice, lines: Sequence[Booked]) -> Decimal:
    net = invoice.totals.net
    return ZERO if net is None else net * invoice.effect - sum((line.net for line in lines), ZERO)


def _check_sums(r: "Rendering", invoice: Invoice, lines: Sequence[Booked]) -> None:
    """To the minor unit: the rows' net amounts are the invoice's, and with their tax they are its gross."""
    missed = _missed_net(invoice, lines)
    if missed:
        _find_sum(r, "net", missed, invoice.currency)
    totals = invoice.totals
    if totals.gross is None:
        return
    stated = (totals.gross + (totals.self_assessed_vat or ZERO)) * invoice.effect
    rows = sum(
        (
            (row.net_amount or ZERO) + (row.vat.amount or ZERO) + (row.self_assessed_vat or ZERO)
            for row in invoice.lines
        ),
        ZERO,
    )
    residual = sum((line.net for line in lines[len(invoice.lines) :]), ZERO)
    missed = stated - rows * invoice.effect - residual
    if missed:
        _find_sum(r, "gross", missed, invoice.currency)


def _find_sum(r: "Rendering", what: str, missed: Decimal, currency: str) -> None:
    r.find(
        "coding-sum",
        f"The coding rows miss the invoice's {what} sum by {missed:f} {currency}.",
        fix="Correct the coding at the source, then transfer the invoice again.",
        field=f"totals.{what}",
    )


def _measure(invoice: Invoice, lines: Sequence[Booked]) -> Measure:
    """What Exact must show once it is booked; where it computes VAT of its own, only what is owed to the supplier."""
    net = sum((line.net for line in lines), ZERO)
    owed = sum((line.vat or ZERO for line in lines), ZERO)
    charged = any(line.vat is None for line in lines)
    return Measure(
        payable=net + owed,
        net=net,
        vat=None if charged else owed,
        currency=invoice.currency,
        credit=None if net + owed == 0 else net + owed < 0,
        lines=len(lines),
        references=coding_sums([(line.gl, line.cost_center, line.net) for line in lines]),
    )


def coding_sums(lines: Sequence[tuple[str, str | None, Decimal]]) -> tuple[tuple[str, str], ...]:
    sums: dict[str, Decimal] = {}
    for gl, cost_center, net in lines:
        key = f"{gl}/{cost_center or ''}"
        sums[key] = sums.get(key, ZERO) + net
    return tuple((key, f"{total.normalize():f}") for key, total in sorted(sums.items()))


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


# reading


def query() -> Query:
    select = (*FIELDS, *nested("PurchaseEntryLines", LINE_FIELDS))
    return Query(RESOURCE, select, expand=("PurchaseEntryLines",))


async def look_up(
    client: ExactClient, keys: Sequence[NaturalKey], user: str | None, traffic: TrafficClass
) -> dict[NaturalKey, Sequence[Found]]:
    """By the supplier's invoice number, then told apart by supplier."""
    references = sorted({dict(key.fields)["YourRef"] for key in keys})
    rows = await client.rows_of(query(), "YourRef", [text(reference) for reference in references], traffic)
    hits: dict[NaturalKey, list[Found]] = {key: [] for key in keys}
    for row in rows:
        shown = found(row, user)
        if shown.natural_key in hits:
            hits[shown.natural_key].append(shown)
    return dict(hits)


async def read(client: ExactClient, ids: Sequence[str], user: str | None, traffic: TrafficClass) -> dict[str, Found]:
    rows = await client.rows_of(query(), "EntryID", [guid(one) for one in ids], traffic)
    return {row["EntryID"]: found(row, user) for row in rows}


def found(row: Row, user: str | None) -> Found:
    """An entry as Exact shows it. A rejected one is none; Reversal and processing are people's doing."""
    currency = str(row.get("Currency"))
    lines: list[Row] = sorted(row.get("PurchaseEntryLines") or (), key=lambda line: int(line["LineNumber"]))
    booked = [(str(line.get("GLAccountCode")), line.get("CostCenter") or None, _money(line, "AmountFC", currency))
              for line in lines]  # fmt: skip
    payable = _money(row, "AmountFC", currency)
    status = int(row.get("Status") or 0)
    return Found(
        target_id=row["EntryID"],
        natural_key=natural_key(str(row.get("Supplier")), str(row.get("YourRef"))),
        stamp=row.get("ExternalLinkReference") or None,
        status=str(status),
        live=status != REJECTED,
        projection={"header": _header(row), "lines": [_shown_line(line, currency) for line in lines]},
        measure=Measure(
            payable=payable,
            net=sum((net for _, _, net in booked), ZERO),
            vat=_money(row, "VATAmountFC", currency),
            currency=currency,
            credit=None if payable == 0 else row.get("Type") == CREDIT_NOTE,
            lines=len(lines),
            references=coding_sums(booked),
        ),
        created_by_us=user is not None and row.get("Creator") == user,
        extra={
            "number": str(row.get("EntryNumber") or ""),
            "journal": row.get("Journal"),
            "period": f"{row.get('ReportingYear')}-{int(row.get('ReportingPeriod') or 0):02d}",
        },
    )


def _money(row: Mapping[str, Any], name: str, currency: str) -> Decimal:
    return round_amount(Decimal(row.get(name) or 0), currency)


def _header(row: Row) -> dict[str, Any]:
    dates = {name: (row.get(name) or "")[:10] or None for name in ("EntryDate", "DueDate")}
    plain = ("Journal", "Supplier", "Currency", "YourRef", "PaymentCondition", "Document", "ReportingYear")
    return {name: row.get(name) for name in (*plain, "ReportingPeriod")} | dates


def _shown_line(line: Row, currency: str) -> dict[str, Any]:
    """As `Booked.wanted`, as far as Exact shows it."""
    return {
        "gl": line.get("GLAccountCode"),
        "CostCenter": line.get("CostCenter") or None,
        "CostUnit": line.get("CostUnit") or None,
        "Project": line.get("Project") or None,
        "AmountFC": f"{_money(line, 'AmountFC', currency):f}",
        "VATCode": line.get("VATCode") or None,
        "VATAmountFC": f"{_money(line, 'VATAmountFC', currency):f}",
    }


def compared(line: Json, with_vat: bool) -> tuple[Any, ...]:
    """What makes two lines the same booking. `VATAmountFC` counts only where we set it."""
    names = ("gl", "CostCenter", "CostUnit", "Project", "VATCode")
    amounts = [Decimal(line["AmountFC"]), Decimal(line["VATAmountFC"] or 0) if with_vat else None]
    return (*(line[name] for name in names), *amounts)
