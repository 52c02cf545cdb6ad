"""The bank account that an invoice names against those of the supplier's account in Exact.

Exact pays to the account it knows, whatever the invoice says: an invoice with another one is not booked before people
have looked. Compared are keyed hashes; the clear value never comes here from the source, and never leaves from Exact.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from connector.adapters.vault import Fingerprints
from connector.adapters.vault.fingerprints import last4_of, normalised
from connector.domain.documents.invoice import Invoice, InvoiceStatus
from connector.domain.identity import TrafficClass
from connector.domain.ports.references import ReferenceKey
from connector.domain.ports.target import Json, LinkedObject
from connector.domain.vendor_error import ReauthorisationNeeded

from .client import ExactClient, Query, guid
from .fields import BANK_ACCOUNTS

if TYPE_CHECKING:
    from .rendering import Rendering

KIND = "bank-account"
IBAN_PREFIX = 4
"""Country and check digits: what follows is the account as its own country writes it."""


@dataclass(frozen=True, slots=True)
class Payee:
    """A bank account that a supplier is asked about. `day` is when the invoice was read: an answer serves the invoices
    of a day, so that an account taken away in Exact does not count for ever."""

    day: str
    account: str
    last4: str
    hash: str

    @property
    def code(self) -> str:
        return "/".join((self.day, self.account, self.last4, self.hash))

    @staticmethod
    def of_code(code: str) -> "Payee":
        return Payee(*code.split("/", 3))


def check(r: "Rendering", invoice: Invoice, supplier: LinkedObject | None, part: str) -> None:
    """Before an entry is made or changed in a round; one that is booked is left to the people who pay it."""
    if supplier is None or invoice.payee_account is None or invoice.status is InvoiceStatus.CANCELLED:
        return
    known = r.wanted.known.get(part)
    if known is not None and known.frozen.get("round") == r.wanted.document.extras.get("round"):
        return
    last4 = invoice.payee_account_last4 or ""
    payee = Payee(r.wanted.document.read_at.date().isoformat(), supplier.target_id, last4, invoice.payee_account)
    if r.lookup.reference(r.wanted.target, KIND, payee.code) is None:
        ending = f" that ends in {last4}" if last4 else ""
        r.find(
            "bank-mismatch",
            f"The invoice names a bank account{ending}, which is not among the supplier's in Exact.",
            missing=str(ReferenceKey(r.wanted.target, KIND, payee.code)),
            fix="Ask the supplier in a way known from before, not by the invoice's own words. If the account is right, "
            "enter it with the supplier in Exact, else have the invoice corrected at the source.",
            field="payee_account",
        )


class Payees:
    """Bank accounts as Exact has them now; asked only for what is not known yet."""

    def __init__(self, client: ExactClient, fingerprints: Fingerprints, today: Callable[[], date]) -> None:
        self._client = client
        self._fingerprints = fingerprints
        self._today = today
        self._may_read_on: date | None = None

    async def known(self, codes: Sequence[str], traffic: TrafficClass) -> Mapping[str, Json]:
        """Those of the payees whose supplier has the bank account, and nobody has blocked it there."""
        payees = [Payee.of_code(code) for code in codes]
        theirs = await self._accounts_of(sorted({payee.account for payee in payees}), traffic)
        return {
            payee.code: {"last4": payee.last4}
            for payee in payees
            if any(self._same(payee, account) for account in theirs[payee.account])
        }

    async def _accounts_of(self, suppliers: Sequence[str], traffic: TrafficClass) -> Mapping[str, Sequence[str]]:
        query = Query(BANK_ACCOUNTS, ("ID", "Account", "BankAccount", "Blocked"))
        rows = await self._client.rows_of(query, "Account", [guid(supplier) for supplier in suppliers], traffic)
        if not rows:
            await self._refuse_without_right(traffic)
        theirs: defaultdict[str, list[str]] = defaultdict(list)
        for row in rows:
            if row.get("BankAccount") and not row.get("Blocked"):
                theirs[row["Account"]].append(row["BankAccount"])
        return theirs

    async def _refuse_without_right(self, traffic: TrafficClass) -> None:
        """Exact answers an empty list where a right is missing, and every invoice would look wrong: ask, once a day."""
        if self._may_read_on == self._today():
            return
        if not await self._client.has_rights(BANK_ACCOUNTS, traffic):
            raise ReauthorisationNeeded(f"Exact's user may not read {BANK_ACCOUNTS}: give the user this right.")
        self._may_read_on = self._today()

    def _same(self, payee: Payee, account: str) -> bool:
        """A hash whose key is gone can't be compared; the last four must do until the invoice is read again."""
        if not self._fingerprints.made_here(payee.hash):
            return payee.last4 == last4_of(account)
        plain = normalised(account)
        written = [plain, plain[IBAN_PREFIX:]] if _is_iban(plain) else [plain]
        return any(payee.hash in self._fingerprints.every(one) for one in written)


def _is_iban(plain: str) -> bool:
    return plain[:2].isalpha() and plain[2:IBAN_PREFIX].isdigit()
