"""The bank account that an invoice names against those of the supplier's account in Exact.

Exact pays to the account it knows, whatever the invoice says: an invoice with another one is not booked before people
have looked. Compared are keyed hashes; the clear value never comes here from the source, and never leaves from Exact.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


async def known(
    client: ExactClient, codes: Sequence[str], fingerprints: Fingerprints, traffic: TrafficClass
) -> Mapping[str, Json]:
    """Those of the payees whose supplier has the bank account, and nobody has blocked it there."""
    payees = [Payee.of_code(code) for code in codes]
    accounts = sorted({payee.account for payee in payees})
    query = Query(BANK_ACCOUNTS, ("ID", "Account", "BankAccount", "Blocked"))
    rows = await client.rows_of(query, "Account", [guid(account) for account in accounts], traffic)
    if not rows:
        await _refuse_without_right(client, traffic)
    theirs: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.get("BankAccount") and not row.get("Blocked"):
            theirs[row["Account"]].append(row["BankAccount"])
    return {
        payee.code: {"last4": payee.last4}
        for payee in payees
        if any(_same(payee, account, fingerprints) for account in theirs[payee.account])
    }


def _same(payee: Payee, account: str, fingerprints: Fingerprints) -> bool:
    """A hash whose key is gone can't be compared; the last four must do until the invoice is read again."""
    if not fingerprints.made_here(payee.hash):
        return payee.last4 == last4_of(account)
    plain = normalised(account)
    written = [plain, plain[IBAN_PREFIX:]] if _is_iban(plain) else [plain]
    return any(payee.hash in fingerprints.every(one) for one in written)


def _is_iban(plain: str) -> bool:
    return plain[:2].isalpha() and plain[2:IBAN_PREFIX].isdigit()


async def _refuse_without_right(client: ExactClient, traffic: TrafficClass) -> None:
    """Exact answers an empty list where a right is missing: every invoice would look wrong."""
    if not await client.has_rights(BANK_ACCOUNTS, traffic):
        raise ReauthorisationNeeded(f"Exact's user may not read {BANK_ACCOUNTS}: give the user this right.")
