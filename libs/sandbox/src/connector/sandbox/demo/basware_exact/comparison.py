"""Both stores side by side: each invoice's approved coding, what Exact booked of it, and what Basware was told."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from connector.sandbox.demo.control import Json
from connector.sandbox.demo.story import Book, Comparison, Expected, Fate, Said

Store = Mapping[str, list[Json]]
ZERO = Decimal(0)
MESSAGE_LIMIT = 250
ELSEWHERE = "other-company"
"""What the other company's flow says of a document."""
THERE_ALL_THE_SAME = frozenset({"number-taken-in-target"})
"""Refused because somebody else's entry is there."""
_STATES = {Fate.EXCLUDED: "excluded", Fate.BLOCKED: "blocked", Fate.REJECTED: "rejected"}


@dataclass(frozen=True, slots=True)
class Rounds:
    """What accounts payable did with each invoice, by its id, and what it must read in an answer."""

    again: Mapping[str, int]
    """How often an invoice was transferred beyond the first time."""
    repaired: Collection[str]
    """Refused once, then corrected and transferred again."""
    named: Mapping[str, str]
    """What the refusal must name."""


def compare(
    basware: Store,
    exact: Store,
    book: Book,
    divisions: Mapping[str, int],
    rounds: Rounds,
    said: Sequence[Said],
) -> Comparison:
    """Judge every document the story knows."""
    sides = _Sides(basware, exact, divisions, rounds, Comparison(), said)
    for expected in book:
        counted = sides.result.documents[expected.entity]
        counted.source += 1
        there = sides.supplier(expected) if expected.entity == "supplier" else sides.invoice(expected)
        if expected.fate is Fate.MIRRORED:
            counted.target += there
            if not there:
                sides.differ(expected, "not in the target", "there", sides.words(expected))
        else:
            sides.kept_back(expected, there)
    sides.coding_sums(expected for expected in book.of("invoice") if expected.fate is Fate.MIRRORED)
    sides.result.doubled = sides.doubles()
    return sides.result


@dataclass(slots=True)
class _Sides:
    basware: Store
    exact: Store
    divisions: Mapping[str, int]
    rounds: Rounds
    result: Comparison
    said: Sequence[Said]

    def differ(self, expected: Expected, what: str, source: object, target: object) -> None:
        name = f"{expected.number} ({expected.case})" if expected.case else expected.number
        self.result.differ(expected.entity, name, what, source, target)

    def _said(self, expected: Expected) -> list[Said]:
        """What the flows say of it, those apart that leave it to another one."""
        found = [one for one in self.said if (one.entity, one.native_id) == (expected.entity, expected.native_id)]
        return [one for one in found if ELSEWHERE not in one.reasons]

    def words(self, expected: Expected) -> str:
        return "; ".join(f"{one.state} {sorted(one.reasons)}" for one in self._said(expected)) or "unknown"

    def kept_back(self, expected: Expected, there: bool) -> None:
        counted, state = self.result.documents[expected.entity], _STATES[expected.fate]
        if there and not expected.reasons & THERE_ALL_THE_SAME:
            self.differ(expected, "in the target, but should not be", expected.fate, "there")
        fitting = [one for one in self._said(expected) if one.state == state and one.reasons & expected.reasons]
        if not fitting:
            self.differ(
                expected, "is not where it should be", f"{state} {sorted(expected.reasons)}", self.words(expected)
            )
            return
        setattr(counted, state, getattr(counted, state) + 1)
        if state != "excluded":
            self.result.blocked_reasons[sorted(fitting[0].reasons & expected.reasons)[0]] += 1
        if expected.entity == "invoice":
            self._told(expected, success=False, entry=None, silent=state == "blocked")

    # suppliers

    def supplier(self, expected: Expected) -> bool:
        vat = f"NL8000{expected.number}B01"
        accounts = [row for row in self._rows("crm/Accounts") if row["VATNumber"] == vat and row["IsSupplier"]]
        return len(accounts) == 1

    # invoices

    def invoice(self, expected: Expected) -> bool:
        invoice = self._invoice(expected)
        entries = self._entries(invoice)
        if expected.fate is not Fate.MIRRORED or not entries:
            return bool(entries)
        entry = entries[0]
        gross = Decimal(str(invoice["grossSum"]))
        self._same(expected, "payable", gross, Decimal(entry["AmountFC"]))
        self._same(expected, "currency", invoice["currencyCode"], entry["Currency"])
        self._same(expected, "type", 31 if gross < 0 else 30, entry["Type"])
        self._same(expected, "due date", str(invoice["dueDate"])[:10], str(entry["DueDate"])[:10])
        self._same(expected, "image", bool(invoice.get("attachments")), bool(entry["Document"]))
        self.result.add("invoice", invoice["currencyCode"], gross, Decimal(entry["AmountFC"]))
        self._told(expected, success=True, entry=entry)
        return True

    def _same(self, expected: Expected, what: str, source: object, target: object) -> None:
        if source != target:
            self.differ(expected, what, source, target)

    def _told(self, expected: Expected, *, success: bool, entry: Json | None, silent: bool = False) -> None:
        """Exactly one answer a round: a repaired invoice was refused first; a held one has none."""
        responses = self._invoice(expected).get("transferResponses") or []
        rounds = 0 if silent else self.rounds.again[expected.native_id] + 1
        repaired = expected.native_id in self.rounds.repaired
        wanted = [success and not (repaired and round == 0) for round in range(rounds)]
        self._same(expected, "answers", wanted, [response["success"] for response in responses])
        self._same(expected, "names of answers", len(responses), len({one["externalCode"] for one in responses}))
        for response in responses:
            self._words(expected, response)
        if entry is not None and responses:
            self._same(expected, "voucher", str(entry["EntryNumber"]), responses[-1].get("voucherNumber1"))

    def _words(self, expected: Expected, response: Json) -> None:
        message, voucher = response["responseMessage"], response.get("voucherNumber1")
        if not 0 < len(message) <= MESSAGE_LIMIT:
            self.differ(expected, "message", f"1 to {MESSAGE_LIMIT} characters", len(message))
        named = self.rounds.named.get(expected.native_id, "")
        if not response["success"] and named not in message:
            self.differ(expected, "message", f"names {named}", message)
        if response["success"] and voucher not in self._numbers(expected):
            self.differ(expected, "voucher", "an entry's number", voucher)

    def _numbers(self, expected: Expected) -> set[str]:
        """The numbers of all entries there ever were of an invoice."""
        reference = self._invoice(expected)["invoiceNumber"]
        entries = self.exact["purchaseentry/PurchaseEntries"]
        return {str(entry["EntryNumber"]) for entry in entries if entry["YourRef"] == reference}

    def coding_sums(self, mirrored: Iterable[Expected]) -> None:
        """Per division, ledger account and cost center: the approved coding and the booked lines, to the cent."""
        approved: dict[tuple[str, str, str], Decimal] = defaultdict(lambda: ZERO)
        booked: dict[tuple[str, str, str], Decimal] = defaultdict(lambda: ZERO)
        lines: dict[str, list[Json]] = defaultdict(list)
        for line in self._rows("purchaseentry/PurchaseEntryLines"):
            lines[line["EntryID"]].append(line)
        for expected in mirrored:
            invoice = self._invoice(expected)
            company = invoice["companyCode"]
            for row in invoice["codingRows"]:
                key = (company, row["accountCode"], row.get("costCenterCode") or "")
                approved[key] += Decimal(str(row["netTotal"]))
            for entry in self._entries(invoice):
                for line in lines[entry["EntryID"]]:
                    booked[company, line["GLAccountCode"], line["CostCenter"] or ""] += Decimal(line["AmountFC"])
        for key in sorted(approved.keys() | booked.keys()):
            if approved[key] != booked[key]:
                self.result.differ("invoice", "/".join(key), "coding", approved[key], booked[key])

    def doubles(self) -> int:
        """Entries, documents and accounts that stand for the same thing more than once."""
        marks: dict[tuple[object, ...], int] = defaultdict(int)
        for entry in self._rows("purchaseentry/PurchaseEntries"):
            if entry["ExternalLinkReference"]:
                marks["entry", entry["ExternalLinkReference"]] += 1
        for document in self._rows("documents/Documents"):
            marks["document", document["Subject"]] += 1
        for account in self._rows("crm/Accounts"):
            if account["Remarks"]:
                marks["account", account["Division"], account["Remarks"]] += 1
        return sum(count - 1 for count in marks.values())

    def _invoice(self, expected: Expected) -> Json:
        (found,) = [row for row in self.basware["accountingDocuments"] if row["invoiceId"] == expected.native_id]
        return found

    def _entries(self, invoice: Json) -> list[Json]:
        division = self.divisions.get(invoice["companyCode"])
        return [
            row
            for row in self._rows("purchaseentry/PurchaseEntries")
            if row["YourRef"] == invoice["invoiceNumber"] and row["Division"] == division
        ]

    def _rows(self, collection: str) -> list[Json]:
        return [row for row in self.exact[collection] if not row.get("_deleted")]
