"""Accounts payable of one company in Basware, its books in Exact, and what both must show in the end."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from connector.domain.sync.states import State
from connector.sandbox.demo.basware_exact.company import (
    FIRST,
    MISSING_ACCOUNT,
    RATES,
    SECOND,
    USUAL,
    Company,
    open_late_account,
    set_up,
)
from connector.sandbox.demo.story import Book
from tests.simulation.checking import DISAGREEING, DOUBLED, LOST, Finding
from tests.simulation.loop import START

from .screens import Rows, Screens, Store, port, words

CENT, ZERO = Decimal("0.01"), Decimal(0)
ANSWERED = ("Transferred", "TransferFailed")
PAYMENT_BLOCK = "payment-block"
NO_ACCOUNT, NO_SUPPLIER = "gl-account-unknown-in-target", "supplier-unknown-in-target"
MESSAGE_LIMIT = 250

Json = dict[str, Any]


@dataclass(slots=True)
class Invoice:
    id: str
    number: str
    vendor: str
    rounds: int = 1
    """How often it was offered after an answer, the first time with them."""
    unsure: int = 0
    """How often it was offered again while it may or may not have been answered."""
    withdrawn: bool = False
    deleted: bool = False
    """Its entry, by people in Exact, since it was last offered."""


class BaswareBooks:
    def __init__(self, basware: Screens, exact: Screens, dice: random.Random, of: str) -> None:
        first, second = exact.credentials["divisions"]
        divisions = {FIRST: first, SECOND: second}
        self.company = Company(port(basware), port(exact), Book(), dice, divisions, today=START.date())
        self._of = of
        self._dice = dice
        self._invoices: dict[str, Invoice] = {}
        """By the name the schedule gives them."""
        self._accounts_open = False

    @property
    def _division(self) -> int:
        return self.company.divisions[self._of]

    async def prepare(self) -> None:
        await set_up(self.company, 2)

    async def enter(self, name: str, entity: str) -> None:
        company = self.company
        vendors = [*company.vendors[self._of], *([company.special["late"]] if self._of == SECOND else [])]
        vendor = self._dice.choice(vendors)
        number = f"INV-{len(self._invoices) + 1:04d}"
        made = await company.basware.act(
            "create_invoice", companyCode=self._of, supplierCode=vendor.code, supplierSourceSystemId="ERP",
            currencyCode=vendor.currency, invoiceNumber=number, invoiceDate=company.day(9), dueDate=company.day(39),
            paymentTermCode="30D", processingStatus="WaitingForTransfer", codingRows=self._rows(),
            paymentBlock=self._dice.random() < 0.25,
            attachments=[{"filename": "invoice.pdf"}] if self._dice.random() < 0.2 else [],
        )  # fmt: skip
        self._invoices[name] = Invoice(str(made["invoiceId"]), number, vendor.code)

    def _rows(self, *, good: bool = False) -> list[Json]:
        """Now and then a credit note, now and then an account that Exact does not have."""
        sign = -1 if self._dice.random() < 0.1 else 1
        rows = [self._row(self._dice.choice(USUAL), sign) for _ in range(self._dice.randint(1, 3))]
        if not good and self._dice.random() < 0.4:
            rows.append(self._row((MISSING_ACCOUNT, None, None), sign))
        return rows

    def _row(self, booking: tuple[str, str | None, str | None], sign: int) -> Json:
        account, center, unit = booking
        code, rate = self._dice.choice(RATES)
        net = sign * Decimal(self._dice.randint(500, 250000)) / 100
        tax = (net * rate / 100).quantize(CENT, ROUND_HALF_UP)
        coding = {"costCenterCode": center, "dimCode1": unit}
        row = {"accountCode": account, "taxCode": code, "taxPercent": rate, "netTotal": str(net), "taxSum": str(tax)}
        return row | {name: value for name, value in coding.items() if value}

    async def change(self, kind: str, name: str) -> str | None:
        invoice = self._invoices.get(name)
        match kind:
            case "open-account":
                return await self._open_accounts()
            case "rename":
                return await self._rename()
            case _ if invoice is None or invoice.withdrawn:
                return None
            case "transfer-again":
                return await self._again(invoice, self._rows() if self._dice.random() < 0.6 else None)
            case "recode":
                return await self._recode(invoice)
            case "refused":
                return await self._delete_entry(invoice)
        return await self._withdraw(invoice)

    async def _open_accounts(self) -> str | None:
        """What invoices were held or refused for want of is made in Exact."""
        if self._accounts_open:
            return None
        self._accounts_open = True
        exact, division = self.company.exact, self._division
        await exact.act("create_gl_account", division=division, Code=MISSING_ACCOUNT, Description="Opened late")
        await open_late_account(self.company)
        return "reference-gap"

    async def _rename(self) -> str:
        vendor = self._dice.choice(self.company.vendors[self._of])
        name = f"Vendor {vendor.code} {self._dice.randint(1, 99)}"
        await self.company.basware.act("edit_vendor", externalCode=vendor.external_code, name=name)
        return "edit"

    async def _again(self, invoice: Invoice, rows: list[Json] | None, **header: Any) -> str | None:
        """Transferred again by a user, as it is or coded anew."""
        status = (await self._shown(invoice))["processingStatus"]
        if status not in (*ANSWERED, "TransferInProgress"):
            return None
        if status in ANSWERED:
            invoice.rounds += 1
        else:
            invoice.unsure += 1
        invoice.deleted = False
        changes = {} if rows is None else {"changes": {"codingRows": rows, **header}}
        await self.company.basware.act("retransfer_invoice", invoiceId=invoice.id, **changes)
        return "transfer-again"

    async def _recode(self, invoice: Invoice) -> str | None:
        """Coded anew where it is, without transferring it: the answer that was given stands."""
        if (await self._shown(invoice))["processingStatus"] != "TransferFailed":
            return None
        await self.company.basware.act("recode_invoice", invoiceId=invoice.id, codingRows=self._rows(good=True))
        return "edit"

    async def _withdraw(self, invoice: Invoice) -> str | None:
        if (await self._shown(invoice))["processingStatus"] not in ("WaitingForTransfer", *ANSWERED):
            return None
        invoice.withdrawn = True
        await self.company.basware.act("cancel_invoice", invoiceId=invoice.id)
        return "withdraw"

    async def _delete_entry(self, invoice: Invoice) -> str | None:
        """One that was answered as booked."""
        if (await self._shown(invoice))["processingStatus"] != "Transferred":
            return None
        for entry in self._entries(await self.company.exact.store(), invoice):
            await self.company.exact.act("delete_purchase_entry", division=self._division, id=entry["EntryID"])
            invoice.deleted = True
            return "person-deletes-target"
        return None

    async def put_right(self) -> None:
        """Accounts payable transfers again what was refused and can be booked by now, and what it changed after the
        answer to an earlier offer was on its way."""
        exact = await self.company.exact.store()
        for invoice in self._invoices.values():
            shown = await self._shown(invoice)
            status, entries = shown["processingStatus"], self._entries(exact, invoice)
            if status == "TransferFailed" and shown["paymentBlock"] and not invoice.withdrawn:
                await self._again(invoice, self._rows(good=True), paymentBlock=False)
                continue
            refused = status == "TransferFailed" and not self._bad(shown, invoice)
            judged = _Judged(invoice, shown, entries, exact, frozenset())
            crossed = status == "Transferred" and invoice.unsure and entries and any(judged.equal(entries[0]))
            if refused or crossed:
                await self._again(invoice, None)

    async def _shown(self, invoice: Invoice) -> Json:
        store = await self.company.basware.store()
        return next(row for row in store["accountingDocuments"] if row["invoiceId"] == invoice.id)

    def _bad(self, shown: Json, invoice: Invoice) -> frozenset[str]:
        """Why it cannot be booked now."""
        blocked = frozenset({PAYMENT_BLOCK} if shown["paymentBlock"] else ())
        if self._accounts_open:
            return blocked
        coded = any(row["accountCode"] == MISSING_ACCOUNT for row in shown["codingRows"])
        late = invoice.vendor == self.company.special["late"].code
        return blocked | frozenset({NO_ACCOUNT} if coded else ()) | frozenset({NO_SUPPLIER} if late else ())

    def _entries(self, exact: Store, invoice: Invoice) -> list[Json]:
        return [
            row
            for row in exact["purchaseentry/PurchaseEntries"]
            if row["YourRef"] == invoice.number and row["Division"] == self._division and not row.get("_deleted")
        ]

    # judging

    async def findings(self, rows: Rows) -> list[Finding]:
        basware, exact = await self.company.basware.store(), await self.company.exact.store()
        by_id = {ref.native_id: row for ref, row in rows.items() if ref.entity == "invoice"}
        found = [*self._suppliers(exact, rows), *self._doubles(exact)]
        for invoice in self._invoices.values():
            shown = next(row for row in basware["accountingDocuments"] if row["invoiceId"] == invoice.id)
            judged = _Judged(invoice, shown, self._entries(exact, invoice), exact, self._bad(shown, invoice))
            row = by_id.get(invoice.id)
            for finding in judged.findings(None if row is None else row.state, words(row), self._of == FIRST):
                found.append(Finding(finding.kind, f"invoice {invoice.number} ({words(row)}): {finding.message}"))
        return found

    def _suppliers(self, exact: Store, rows: Rows) -> Iterator[Finding]:
        """Of the company's vendors: there once; those that people have to make or merge, blocked until they did."""
        accounts = [row for row in exact["crm/Accounts"] if row["Division"] == self._division and row["IsSupplier"]]
        for vendor in self.company.vendors[self._of]:
            there = sum(row["VATNumber"] == f"NL8000{vendor.code}B01" for row in accounts)
            if there != 1:
                yield Finding(LOST if there == 0 else DOUBLED, f"vendor {vendor.code} is there {there} times")
        expected = {vendor.external_code for vendor in self.company.vendors[self._of]}
        for ref, row in rows.items():
            if ref.entity == "supplier" and ref.native_id in expected and row.state is not State.SYNCED:
                yield Finding(DISAGREEING, f"vendor {ref.native_id}: {words(row)}")

    def _doubles(self, exact: Store) -> Iterator[Finding]:
        """Entries, documents and accounts that stand for the same thing more than once."""
        marks: Counter[tuple[str, ...]] = Counter()
        for entry in _there(exact, "purchaseentry/PurchaseEntries"):
            marks["entry", str(entry["ExternalLinkReference"] or entry["YourRef"])] += 1
        for document in _there(exact, "documents/Documents"):
            marks["document", str(document["Subject"])] += 1
        for account in _there(exact, "crm/Accounts"):
            if account["Remarks"]:
                marks["account", str(account["Division"]), str(account["Remarks"])] += 1
        for mark, count in marks.items():
            if count > 1:
                yield Finding(DOUBLED, f"{' '.join(mark)} is there {count} times")


def _there(store: Store, collection: str) -> list[Json]:
    return [row for row in store[collection] if not row.get("_deleted")]


@dataclass(slots=True)
class _Judged:
    """One invoice as Basware shows it, against its entries and the answers given."""

    invoice: Invoice
    shown: Json
    entries: list[Json]
    exact: Store
    bad: frozenset[str]
    """Why it cannot be booked now."""

    def findings(self, state: State | None, said: str, rejects: bool) -> Iterator[Finding]:
        if len(self.entries) > 1:
            yield Finding(DOUBLED, f"{len(self.entries)} entries")
        answers = self.shown.get("transferResponses") or []
        if any(not 0 < len(answer["responseMessage"]) <= MESSAGE_LIMIT for answer in answers):
            yield Finding(DISAGREEING, "an answer without words, or with too many")
        if self.invoice.withdrawn:
            yield from self._withdrawn(state, said)
        elif self.bad:
            yield from self._refused(state, said, answers, rejects)
        else:
            yield from self._booked(state, answers)

    def _answered(self, answers: list[Json], rounds: int) -> Iterator[Finding]:
        if not rounds <= len(answers) <= rounds + self.invoice.unsure:
            kind = LOST if len(answers) < rounds else DOUBLED
            yield Finding(kind, f"{len(answers)} answers in {rounds} rounds (and {self.invoice.unsure} unsure ones)")

    def _booked(self, state: State | None, answers: list[Json]) -> Iterator[Finding]:
        yield from self._answered(answers, self.invoice.rounds)
        if not answers or not answers[-1]["success"]:
            yield Finding(LOST, "not answered as booked")
        if self.invoice.deleted:
            if self.entries:
                yield Finding(DISAGREEING, "people deleted its entry, and it is there again without a new round")
            if state is not State.BLOCKED:
                yield Finding(DISAGREEING, "people deleted its entry, and nobody is told")
            return
        if state is not State.SYNCED:
            yield Finding(DISAGREEING, "could be booked")
        if not self.entries:
            yield Finding(LOST, "no entry")
            return
        entry = self.entries[0]
        if answers and str(entry["EntryNumber"]) != answers[-1].get("voucherNumber1"):
            yield Finding(DISAGREEING, f"answered as {answers[-1].get('voucherNumber1')}, is {entry['EntryNumber']}")
        yield from self.equal(entry)

    def equal(self, entry: Json) -> Iterator[Finding]:
        gross = Decimal(str(self.shown["grossSum"]))
        expected = (gross, self.shown["currencyCode"], 31 if gross < 0 else 30, bool(self.shown.get("attachments")))
        actual = (Decimal(entry["AmountFC"]), entry["Currency"], entry["Type"], bool(entry["Document"]))
        if expected != actual:
            yield Finding(DISAGREEING, f"payable, currency, type, image: {expected} became {actual}")
        approved: Counter[tuple[str, str]] = Counter()
        booked: Counter[tuple[str, str]] = Counter()
        for row in self.shown["codingRows"]:
            approved[row["accountCode"], row.get("costCenterCode") or ""] += Decimal(str(row["netTotal"]))  # type: ignore[assignment]
        for line in _there(self.exact, "purchaseentry/PurchaseEntryLines"):
            if line["EntryID"] == entry["EntryID"]:
                booked[line["GLAccountCode"], line["CostCenter"] or ""] += Decimal(line["AmountFC"])  # type: ignore[assignment]
        if approved != booked:
            yield Finding(DISAGREEING, f"coding: {dict(approved)} became {dict(booked)}")

    def _refused(self, state: State | None, said: str, answers: list[Json], rejects: bool) -> Iterator[Finding]:
        """Refused or held with a true reason; nothing is written in a round that was refused."""
        yield from self._answered(answers, self.invoice.rounds if rejects else self.invoice.rounds - 1)
        if state is not (State.REJECTED if rejects else State.BLOCKED):
            yield Finding(DISAGREEING, f"cannot be booked: {sorted(self.bad)}")
        if rejects and answers and answers[-1]["success"]:
            yield Finding(DISAGREEING, "answered as booked, and it cannot be")
        booked = any(answer["success"] for answer in answers)
        named = answers and any(str(entry["EntryNumber"]) in answers[-1]["responseMessage"] for entry in self.entries)
        if rejects and self.entries and not (booked or named):
            yield Finding(DISAGREEING, "it has an entry, every round was refused, and nobody is told")
        if not rejects and not any(code in said for code in self.bad):
            yield Finding(DISAGREEING, f"another reason than {sorted(self.bad)}")

    def _withdrawn(self, state: State | None, said: str) -> Iterator[Finding]:
        """Before it was booked: nothing is. After that: a person is asked."""
        if self.entries and state not in (State.BLOCKED, State.REJECTED):
            yield Finding(DISAGREEING, f"withdrawn, booked as {self.entries[0]['EntryNumber']}, and nobody is told")
