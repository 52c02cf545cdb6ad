"""The invoices of the story: coded, approved and transferred by accounts payable; some have a fate of their own."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from connector.sandbox.demo.control import Json
from connector.sandbox.demo.story import Fate

from .company import (
    CLOSING_CENTER,
    FIRST,
    LATE_CENTER,
    MISSING_ACCOUNT,
    RATES,
    SECOND,
    USUAL,
    Company,
    Vendor,
    enter_bank_account,
    iban,
    vat_id,
)

CENT = Decimal("0.01")
ELSEWHERE, LATER = iban("X404"), iban("D777")
"""A bank account that is no vendor's, and one that is entered in Exact in the middle of the month."""


class Invoices:
    def __init__(self, company: Company) -> None:
        self._company = company
        self._last = 0
        self.repaired: list[str] = []
        """Refused once, then corrected and transferred again."""
        self.rounds: dict[str, int] = {}
        """How often accounts payable transferred an invoice beyond the first time."""
        self.named: dict[str, str] = {}
        """What an answer that refuses an invoice must name."""

    async def transfer(self, of: str, count: int, days: tuple[int, int], *, images: int = 0) -> None:
        """Ordinary invoices, now and then a credit note."""
        for position in range(count):
            vendor = self._company.random.choice(self._company.vendors[of])
            credit = self._company.random.random() < 0.08
            invoice = await self._enter(vendor, days, self._rows(credit=credit), case="credit note" if credit else "")
            if position < images:
                await self._company.basware.act("attach_to_invoice", invoiceId=invoice, filename="invoice.pdf")
            await self._company.basware.act("approve_invoice", invoiceId=invoice)

    def _rows(self, *, credit: bool = False, count: int | None = None) -> list[Json]:
        dice = self._company.random
        return [self._row(dice.choice(USUAL), credit) for _ in range(count or dice.randint(1, 4))]

    def _row(self, coding: tuple[str, str | None, str | None], credit: bool = False, net: str | None = None) -> Json:
        account, center, unit = coding
        code, rate = self._company.random.choice(RATES)
        amount = Decimal(net) if net else Decimal(self._company.random.randint(500, 250000)) / 100
        amount = -amount if credit else amount
        tax = (amount * rate / 100).quantize(CENT, ROUND_HALF_UP)
        row: Json = {
            "accountCode": account,
            "taxCode": code,
            "taxPercent": rate,
            "netTotal": str(amount),
            "taxSum": str(tax),
        }
        row |= {"costCenterCode": center} if center else {}
        return row | ({"dimCode1": unit} if unit else {})

    async def _enter(
        self,
        vendor: Vendor,
        days: tuple[int, int],
        rows: list[Json],
        fate: Fate = Fate.MIRRORED,
        *reasons: str,
        case: str = "",
        state: str = "New",
        **given: Any,
    ) -> str:
        self._last += 1
        number = f"INV-{self._last:04d}"
        day = self._company.random.randint(*days)
        made = await self._company.basware.act(
            "create_invoice",
            **{
                "companyCode": vendor.company,
                "supplierCode": vendor.code,
                "supplierSourceSystemId": "ERP",
                "currencyCode": vendor.currency,
                "invoiceNumber": number,
                "invoiceDate": self._company.day(day),
                "dueDate": self._company.day(day + 30),
                "paymentTermCode": "30D",
                "processingStatus": state,
                "codingRows": rows,
                **({"supplierBankIBAN": iban(vendor.code)} if vendor.company == SECOND else {}),
                **given,
            },
        )
        key = str(made["invoiceId"])
        self._company.book.expect("invoice", key, number, fate, *reasons, case=case)
        self.rounds[key] = 0
        return key

    async def _offer(
        self, vendor: Vendor, rows: list[Json], fate: Fate, *reasons: str, case: str, named: str = "", **given: Any
    ) -> str:
        key = await self._enter(vendor, (9, 15), rows, fate, *reasons, case=case, state="WaitingForTransfer", **given)
        self.named[key] = named
        return key

    async def without_account(self, vendor: Vendor, fate: Fate) -> None:
        """An invoice coded on an account that Exact does not have."""
        rows = [self._row((MISSING_ACCOUNT, "CC1", None)), *self._rows(count=1)]
        named = f"GL account {MISSING_ACCOUNT}"
        await self._offer(vendor, rows, fate, "gl-account-unknown-in-target", case="account missing", named=named)

    async def odd(self) -> None:
        """Invoices that can't be booked as they are."""
        company = self._company
        vendor = company.vendors[FIRST][0]
        refused = Fate.REJECTED
        missing = {"named": f"GL account {MISSING_ACCOUNT}"}
        for _ in range(3):
            rows = [self._row((MISSING_ACCOUNT, "CC1", None)), *self._rows(count=1)]
            case = "account missing, corrected later"
            self.repaired.append(
                await self._offer(vendor, rows, refused, "gl-account-unknown-in-target", case=case, **missing)
            )
        rows = [self._row((MISSING_ACCOUNT, None, None))]
        await self._offer(vendor, rows, refused, "gl-account-unknown-in-target", case="account missing", **missing)
        rows = [self._row(("4000", None, None))]
        await self._offer(
            vendor, rows, refused, "cost-center-needed", case="cost center missing", named="needs a cost center"
        )
        rows = [self._row(("4600", "CC1", None))]
        await self._offer(
            vendor, rows, refused, "cost-center-forbidden", case="cost center forbidden", named="takes no cost center"
        )
        case = "payment block"
        await self._offer(
            vendor, self._rows(), refused, "payment-block", case=case, named="blocked for payment", paymentBlock=True
        )
        rows = [self._row(("4100", None, None), net="100.00")]
        case = "coding misses the sum"
        await self._offer(vendor, rows, refused, "coding-sum", case=case, named="0.01 EUR", netSum="100.01")
        case = "unknown company"
        await self._offer(vendor, self._rows(), refused, "company-unknown", case=case, named="SE01", companyCode="SE01")
        twice = company.special["twice"]
        case = "vendor twice in Exact"
        await self._offer(
            twice, self._rows(), refused, "supplier-unknown-in-target", case=case, named=f"Supplier {twice.code}"
        )
        held = company.vendors[SECOND][0]
        await self._offer(
            held, [self._row((MISSING_ACCOUNT, None, None))], Fate.BLOCKED, "gl-account-unknown-in-target", case="held"
        )
        await self._offer(held, [self._row(("4000", LATE_CENTER, None))], Fate.MIRRORED, case="cost center made later")
        await self._offer(company.special["late"], self._rows(), Fate.MIRRORED, case="account made later")
        await self._other_bank_accounts()

    async def _other_bank_accounts(self) -> None:
        """Invoices that name bank accounts which Exact does not have of their vendors."""
        refusing, holding = self._company.vendors[FIRST][0], self._company.vendors[SECOND][0]
        wrong = {"case": "another bank account", "supplierBankIBAN": ELSEWHERE}
        await self._offer(
            refusing, self._rows(), Fate.REJECTED, "bank-mismatch", named=f"ends in {ELSEWHERE[-4:]}", **wrong
        )
        await self._offer(holding, self._rows(), Fate.BLOCKED, "bank-mismatch", **wrong)
        await self._offer(
            holding, self._rows(), Fate.MIRRORED, case="bank account entered later", supplierBankIBAN=LATER
        )

    async def enter_bank_account(self) -> None:
        """The vendor has confirmed its new one."""
        vendor = self._company.vendors[SECOND][0]
        store = await self._company.exact.store()
        (account,) = [row for row in store["crm/Accounts"] if row["VATNumber"] == vat_id(vendor.code)]
        await enter_bank_account(self._company, vendor, account["ID"], LATER)

    async def closed_after_approval(self) -> None:
        """A cost center is closed between the approval and the booking."""
        company = self._company
        await company.exact.act(
            "edit_cost_center",
            division=company.divisions[FIRST],
            id=CLOSING_CENTER,
            EndDate=company.day(0)[:10],
        )
        await self._offer(
            company.vendors[FIRST][1], [self._row(("4000", CLOSING_CENTER, None))], Fate.REJECTED,
            "cost-center-closed-in-target", "rejected-by-target", case="cost center closed after approval",
            named=CLOSING_CENTER,
        )  # fmt: skip

    async def booked_by_hand(self) -> None:
        """Somebody typed an invoice into Exact that comes from Basware as well."""
        company = self._company
        vendor = company.vendors[FIRST][2]
        store = await company.exact.store()
        (account,) = [
            row
            for row in store["crm/Accounts"]
            if row["Division"] == company.divisions[FIRST] and row["Name"] == f"Vendor {vendor.code}"
        ]
        number = f"INV-{self._last + 1:04d}"
        await company.exact.act(
            "create_purchase_entry",
            division=company.divisions[FIRST],
            Journal="70",
            Supplier=account["ID"],
            YourRef=number,
            PurchaseEntryLines=[{"GLAccount": "4100", "AmountFC": 10.0}],
        )
        case = "booked by hand"
        await self._offer(vendor, self._rows(), Fate.REJECTED, "number-taken-in-target", case=case, named=number)

    async def repair(self) -> None:
        """Accounts payable reads why, corrects the coding and transfers again."""
        for key in self.repaired:
            await self.correct(key)

    async def correct(self, key: str) -> None:
        invoice = await self._invoice(key)
        rows = [
            row | {"accountCode": "4200"} if row["accountCode"] == MISSING_ACCOUNT else row
            for row in invoice["codingRows"]
        ]
        await self._company.basware.act("recode_invoice", invoiceId=key, codingRows=rows)
        await self._again(key)
        self._company.book.turn("invoice", key, Fate.MIRRORED)

    async def retransfer(self, count: int) -> None:
        """Booked invoices that are transferred again: unchanged, and with other amounts."""
        booked = [
            one.native_id for one in self._company.book.of("invoice") if one.fate is Fate.MIRRORED and not one.case
        ]
        chosen = self._company.random.sample(booked, count * 2)
        for position, key in enumerate(chosen):
            await self.transfer_again(key, recoded=position >= count)

    async def transfer_again(self, key: str, *, recoded: bool) -> None:
        if recoded:
            await self._company.basware.act("recode_invoice", invoiceId=key, codingRows=self._rows())
        await self._again(key)

    async def _again(self, key: str) -> None:
        await self._company.basware.act("retransfer_invoice", invoiceId=key)
        self.rounds[key] += 1

    async def _invoice(self, key: str) -> Json:
        store = await self._company.basware.store()
        (found,) = [row for row in store["accountingDocuments"] if row["invoiceId"] == key]
        return found
