"""Purchase entries: the financial booking of a supplier's invoice, and its transaction lines."""

from decimal import Decimal

from .coding import (
    ZERO,
    check_coding,
    check_supplier,
    complete_currency,
    complete_payment_condition,
    complete_period,
    complete_vat,
    due_date,
    midnight,
    purchase_journal,
    taxed,
)
from .entities import PURCHASE_ENTRIES, PURCHASE_ENTRY_LINES
from .errors import FunctionalError
from .feeds import TRANSACTION_LINE_DELETED, TRANSACTION_LINES
from .records import Body, Handler, check_mandatory, check_references, lines_in, parsed
from .schema import Row
from .store import Actor, Division, rounded

REJECTED, OPEN, PROCESSED = 5, 20, 50
PURCHASE, CREDIT = 30, 31
CREDITORS = 22
"""Type of the ledger account that suppliers are owed on."""
_STATUS_TEXT = {REJECTED: "Rejected", OPEN: "Open", PROCESSED: "Processed"}
_TYPE_TEXT = {PURCHASE: "Purchase entry", CREDIT: "Purchase credit note"}


def lines_of(division: Division, entry: Row) -> list[Row]:
    rows = division.table(PURCHASE_ENTRY_LINES).where("EntryID", entry["EntryID"])
    return sorted(rows, key=lambda line: line["LineNumber"])


def create(division: Division, body: Body, actor: Actor) -> Row:
    settings = division.world.settings
    accepts_type = settings.entry_type_on_post == "accept"
    entry = parsed(PURCHASE_ENTRIES, body, frozenset({"Type"}) if accepts_type else frozenset())
    check_mandatory(PURCHASE_ENTRIES, entry)
    bodies = lines_in(PURCHASE_ENTRIES, body)
    if actor.through_api and division.world.random.random() < settings.document_number_clash:
        raise FunctionalError("In use: Document number")
    entry["EntryID"], entry["Status"] = division.world.new_id(), settings.entry_status
    entry["HeaderLine"], entry["GivenType"] = division.world.new_id(), entry.pop("Type", None)
    _complete(division, entry, None)
    lines = [_new_line(division, entry, line, n) for n, line in enumerate(bodies, start=1)]
    _number(division, entry)
    _store(division, entry, lines, actor, entry.get("VATAmountFC"))
    division.notify(PURCHASE_ENTRIES, "Create", entry["EntryID"], actor)
    _notify_lines(division, entry, len(lines), actor)
    return entry


def update(division: Division, old: Row, body: Body, actor: Actor) -> Row:
    _refuse_processed(division, old, actor)
    mode = division.world.settings.header_put_lines
    if "PurchaseEntryLines" in body and mode == "refuse":
        raise FunctionalError("Not allowed: Purchase entry lines")
    changes = parsed(PURCHASE_ENTRIES, body)
    entry = {**old, **changes}
    if "EntryDate" in changes and not {"ReportingYear", "ReportingPeriod"} & set(changes):
        entry["ReportingYear"] = entry["ReportingPeriod"] = None
    if changes.get("Currency", old["Currency"]) != old["Currency"] and "Rate" not in changes:
        entry["Rate"] = None
    _complete(division, entry, old)
    if entry["EntryNumber"] is None:
        entry["EntryNumber"] = old["EntryNumber"]
    elif entry["EntryNumber"] != old["EntryNumber"]:
        _refuse_number(division, entry)
    lines = [dict(line) for line in lines_of(division, old)]
    if "PurchaseEntryLines" in body and mode == "replace":
        replaced = lines
        bodies = lines_in(PURCHASE_ENTRIES, body)
        lines = [_new_line(division, entry, line, n) for n, line in enumerate(bodies, start=1)]
        _forget_lines(division, replaced, actor)
    _store(division, entry, lines, actor, changes.get("VATAmountFC"))
    division.notify(PURCHASE_ENTRIES, "Update", entry["EntryID"], actor)
    return entry


def delete(division: Division, entry: Row, actor: Actor) -> None:
    """Deleting leaves one row in the deleted feed for each transaction line: there is no type for entries."""
    _refuse_processed(division, entry, actor)
    lines = lines_of(division, entry)
    _forget_lines(division, lines, actor)
    division.table(PURCHASE_ENTRIES).remove(entry["EntryID"])
    division.tables[TRANSACTION_LINES.path].drop([entry["HeaderLine"]])
    division.note_deleted(entry["HeaderLine"], TRANSACTION_LINE_DELETED, actor)
    division.notify(PURCHASE_ENTRIES, "Delete", entry["EntryID"], actor)


def create_line(division: Division, body: Body, actor: Actor) -> Row:
    entry = _entry_of(division, parsed(PURCHASE_ENTRY_LINES, body), actor)
    lines = [dict(line) for line in lines_of(division, entry)]
    line = _new_line(division, entry, body, 1 + max(row["LineNumber"] for row in lines))
    _change_lines(division, entry, [*lines, line], actor)
    return line


def update_line(division: Division, old: Row, body: Body, actor: Actor) -> Row:
    entry = _entry_of(division, old, actor)
    changes = parsed(PURCHASE_ENTRY_LINES, body)
    changes.pop("EntryID", None)
    line = {**old, **changes}
    check_mandatory(PURCHASE_ENTRY_LINES, line)
    if "VATAmountFC" in changes:
        line["GivenVAT"] = changes["VATAmountFC"]
    elif {"AmountFC", "VATCode"} & set(changes):
        line["GivenVAT"] = None
    if "VATCode" in changes and "VATPercentage" not in changes:
        line["VATPercentage"] = None
    _complete_line(division, entry, line)
    lines = [line if row["ID"] == line["ID"] else dict(row) for row in lines_of(division, entry)]
    _change_lines(division, entry, lines, actor)
    return line


def delete_line(division: Division, line: Row, actor: Actor) -> None:
    entry = _entry_of(division, line, actor)
    rest = [dict(row) for row in lines_of(division, entry) if row["ID"] != line["ID"]]
    if not rest:
        raise FunctionalError("Not allowed: Delete the last line of an entry")
    _forget_lines(division, [line], actor)
    _change_lines(division, entry, rest, actor)


def set_status(division: Division, entry: Row, status: int, actor: Actor) -> Row:
    entry = {**entry, "Status": status}
    lines = [dict(line) for line in lines_of(division, entry)]
    _store(division, entry, lines, actor, None)
    division.notify(PURCHASE_ENTRIES, "Update", entry["EntryID"], actor)
    return entry


def _change_lines(division: Division, entry: Row, lines: list[Row], actor: Actor) -> None:
    entry = dict(entry)
    _store(division, entry, lines, actor, None)
    division.notify(PURCHASE_ENTRIES, "Update", entry["EntryID"], actor)
    _notify_lines(division, entry, 1, actor)


def _notify_lines(division: Division, entry: Row, count: int, actor: Actor) -> None:
    if division.world.settings.webhook_per_line:
        division.notify(PURCHASE_ENTRIES, "Update", entry["EntryID"], actor, times=count)


def _entry_of(division: Division, line: Row, actor: Actor) -> Row:
    entry = division.table(PURCHASE_ENTRIES).rows.get(line.get("EntryID"))
    if entry is None:
        raise FunctionalError("Mandatory: Entry" if not line.get("EntryID") else "Invalid reference: Entry")
    _refuse_processed(division, entry, actor)
    return entry


def _refuse_processed(division: Division, entry: Row, actor: Actor) -> None:
    locked = division.world.settings.processed_entries_locked and entry["Status"] == PROCESSED
    if locked and actor.through_api:
        raise FunctionalError("Not allowed: Entry is already processed")


def _complete(division: Division, entry: Row, old: Row | None) -> None:
    """Defaults and checks of the header."""
    check_references(division, PURCHASE_ENTRIES, entry)
    supplier = check_supplier(division, entry)
    complete_currency(division, entry, supplier, "Rate")
    purchase_journal(division, entry["Journal"], entry["Currency"])
    condition = complete_payment_condition(division, entry, supplier)
    entry["EntryDate"] = midnight(entry.get("EntryDate") or division.world.local_now())
    moved = old is not None and old["EntryDate"] != entry["EntryDate"] and old["DueDate"] == entry["DueDate"]
    if entry.get("DueDate") is None or moved:
        entry["DueDate"] = due_date(entry["EntryDate"], condition)
    complete_period(division, entry, "EntryDate", "ReportingYear", "ReportingPeriod")


def _number(division: Division, entry: Row) -> None:
    """The given entry number if it is free, else the journal's next one."""
    if entry.get("EntryNumber") is not None:
        _refuse_number(division, entry)
        return
    series = f"entry {entry['Journal']} {entry['ReportingYear']}"
    while True:
        division.numbers[series] += 1
        journal = int("".join(filter(str.isdigit, entry["Journal"])) or "0")
        entry["EntryNumber"] = (entry["ReportingYear"] % 100 * 1000 + journal % 1000) * 10_000 + division.numbers[
            series
        ]
        if not _numbered_alike(division, entry):
            return


def _refuse_number(division: Division, entry: Row) -> None:
    if _numbered_alike(division, entry):
        raise FunctionalError("Already exists: Entry number")


def _numbered_alike(division: Division, entry: Row) -> bool:
    others = division.table(PURCHASE_ENTRIES).where("EntryNumber", entry["EntryNumber"])
    same = (entry["Journal"], entry["ReportingYear"], entry["EntryID"])
    return any((o["Journal"], o["ReportingYear"]) == same[:2] and o["EntryID"] != same[2] for o in others)


def _new_line(division: Division, entry: Row, body: Body, number: int) -> Row:
    line = parsed(PURCHASE_ENTRY_LINES, body)
    check_mandatory(PURCHASE_ENTRY_LINES, line)
    line.update(ID=division.world.new_id(), EntryID=entry["EntryID"], LineNumber=number)
    line["GivenVAT"] = line.get("VATAmountFC")
    _complete_line(division, entry, line)
    return line


def _complete_line(division: Division, entry: Row, line: Row) -> None:
    """Defaults and checks of a line: ledger account, VAT, coding."""
    account = division.tables["financial/GLAccounts"].rows.get(line["GLAccount"])
    if account is None:
        raise FunctionalError("Invalid reference: G/L account")
    if account.get("IsBlocked"):
        raise FunctionalError("Not allowed: G/L account")
    complete_vat(division, line, account.get("VATCode"))
    if line.get("VATNonDeductiblePercentage") is None:
        line["VATNonDeductiblePercentage"] = account.get("VATNonDeductiblePercentage") or ZERO
    # The line's entry is not stored yet when the entry is new.
    reference = {name: value for name, value in line.items() if name != "EntryID"}
    check_coding(division, PURCHASE_ENTRY_LINES, reference, entry["EntryDate"], account)


def _store(division: Division, entry: Row, lines: list[Row], actor: Actor, given_vat: Decimal | None) -> None:
    _reckon(division, entry, lines, given_vat)
    entry["StatusDescription"], entry["TypeDescription"] = _STATUS_TEXT[entry["Status"]], _TYPE_TEXT[entry["Type"]]
    division.save(PURCHASE_ENTRIES, entry, actor)
    for line in lines:
        line["Type"] = entry["Type"]
        division.save(PURCHASE_ENTRY_LINES, line, actor)
    _publish(division, entry, lines)


def _reckon(division: Division, entry: Row, lines: list[Row], given_vat: Decimal | None) -> None:
    """Amounts of lines and header; a negative total makes a credit note."""
    settings = division.world.settings
    smallest, home = division.decimals(entry["Currency"]), division.decimals(division.currency)
    gross = vat = ZERO
    for line in lines:
        code = division.by_code("vat/VATCodes", line.get("VATCode"))
        follow = settings.entry_lines_follow_vat_type
        parts = taxed(line["AmountFC"], code, smallest, line["GivenVAT"], follow_type=follow)
        shown_vat = parts.vat + (parts.self_assessed if settings.charged_vat_on_lines else ZERO)
        line["AmountFC"] = rounded(line["AmountFC"], smallest)
        line["VATAmountFC"], line["VATBaseAmountFC"] = shown_vat, parts.net
        for name in ("AmountFC", "VATAmountFC", "VATBaseAmountFC"):
            line[f"{name.removesuffix('FC')}DC"] = rounded(line[name] * entry["Rate"], home)
        gross, vat = gross + parts.gross, vat + parts.vat
    if given_vat is not None:
        gross, vat = gross - vat + given_vat, given_vat
    entry["AmountFC"], entry["VATAmountFC"] = gross, vat
    entry["AmountDC"], entry["VATAmountDC"] = rounded(gross * entry["Rate"], home), rounded(vat * entry["Rate"], home)
    entry["GAccountAmountFC"] = gross
    entry["Type"] = entry["GivenType"] or (CREDIT if gross < 0 else PURCHASE)


def _forget_lines(division: Division, lines: list[Row], actor: Actor) -> None:
    for line in lines:
        division.table(PURCHASE_ENTRY_LINES).remove(line["ID"])
        division.note_deleted(line["ID"], TRANSACTION_LINE_DELETED, actor)
    division.tables[TRANSACTION_LINES.path].drop([line["ID"] for line in lines])


def _publish(division: Division, entry: Row, lines: list[Row]) -> None:
    """The entry's transaction lines: the supplier's side with LineNumber 0, then the costs, signed as in the ledger."""
    feed, now = division.tables[TRANSACTION_LINES.path], division.world.local_now()
    if entry["Status"] == REJECTED and not division.world.settings.rejected_in_transaction_lines:
        feed.drop([entry["HeaderLine"], *(line["ID"] for line in lines)])
        return
    supplier = division.referred(PURCHASE_ENTRIES, entry, "Supplier") or {}
    accounts = division.tables["financial/GLAccounts"]
    payable = accounts.rows.get(supplier.get("GLAP")) or accounts.one("Type", CREDITORS) or {}
    base = {
        "EntryID": entry["EntryID"], "EntryNumber": entry["EntryNumber"], "Type": entry["Type"],
        "Status": entry["Status"],
        "JournalCode": entry["Journal"], "JournalDescription": division.value(PURCHASE_ENTRIES, entry,
        "JournalDescription"),
        "Account": entry["Supplier"], "AccountCode": supplier.get("Code"), "AccountName": supplier.get("Name"),
        "Date": entry["EntryDate"], "DueDate": entry["DueDate"], "FinancialYear": entry["ReportingYear"],
        "FinancialPeriod": entry["ReportingPeriod"], "InvoiceNumber": entry.get("InvoiceNumber"), "LineType": 0,
        "OrderNumber": entry.get("OrderNumber"), "YourRef": entry.get("YourRef"), "Currency": entry["Currency"],
        "ExchangeRate": entry["Rate"], "PaymentReference": entry.get("PaymentReference"),
        "Document": entry.get("Document"),
        "Division": division.code, "Created": entry["Created"], "Creator": entry["Creator"],
        "Modified": entry["Modified"],
        "CreatorFullName": entry["CreatorFullName"], "Modifier": entry["Modifier"],
        "ModifierFullName": entry["ModifierFullName"],
    }  # fmt: skip
    feed.put({
        **base, "ID": entry["HeaderLine"], "LineNumber": 0, "AmountFC": -entry["AmountFC"],
        "AmountDC": -entry["AmountDC"],
        "AmountVATFC": ZERO, "AmountVATBaseFC": ZERO, "Description": entry.get("Description"),
        "GLAccount": payable.get("ID"), "GLAccountCode": payable.get("Code"),
    }, now)  # fmt: skip
    for line in lines:
        shown = {name: division.value(PURCHASE_ENTRY_LINES, line, name) for name in (
            "GLAccount", "GLAccountCode", "GLAccountDescription", "CostCenter", "CostUnit", "Project", "VATCode",
            "VATPercentage", "Description", "Notes", "LineNumber", "ID", "AmountFC", "AmountDC")}  # fmt: skip
        project = division.referred(PURCHASE_ENTRY_LINES, line, "Project") or {}
        feed.put({
            **base, **shown, "ProjectCode": project.get("Code"), "AmountVATFC": line["VATAmountFC"],
            "AmountVATBaseFC": line["VATBaseAmountFC"], "OffsetID": entry["HeaderLine"],
        }, now)  # fmt: skip


ENTRY_HANDLER = Handler(create, update, delete)
ENTRY_LINE_HANDLER = Handler(create_line, update_line, delete_line)
