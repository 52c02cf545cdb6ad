"""Exact's codes as a flow into Exact asks for them: the same shape as the reference data that is read from Exact.

Beside the code tables there are four questions that only a target asks: which period a date is in
(`period-of-date`, code 2026-03-05), whether a journal's period is open (`journal-period`, code 70/2026-03), which
account is a given supplier (`account`, code as `accounts.Wanted.code` writes it), and whether a supplier has a given
bank account (`bank-account`, code as `payees.Payee.code` writes it).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from connector.adapters.vault import Fingerprints
from connector.domain.documents.reference import ReferenceKind
from connector.domain.identity import TrafficClass
from connector.domain.ports.target import Json

from . import accounts, payees
from .client import ExactClient, Query, Row, text
from .settings import Settings
from .sweeps import CODE_TABLES
from .translate.reference import reference_of

JOURNAL_STATUS = "read/financial/JournalStatusList"
OPEN = 0
"""Status of a journal's period; 1 is closed. A period that the list does not name was never closed."""


class References:
    def __init__(
        self, client: ExactClient, settings: Settings, today: Callable[[], date], fingerprints: Fingerprints
    ) -> None:
        self._client = client
        self._settings = settings
        self._today = today
        self._payees = payees.Payees(client, fingerprints, today)

    async def read(self, kind: str, codes: Sequence[str] | None, traffic: TrafficClass) -> Mapping[str, Json]:
        """The codes asked for that Exact has; all of a code table where none are named."""
        match kind:
            case "period-of-date":
                return await self._periods_of(codes or (), traffic)
            case "journal-period":
                return await self._journal_periods(codes or (), traffic)
            case "account":
                return await self._accounts(codes or (), traffic)
            case "bank-account":
                return await self._payees.known(codes or (), traffic)
        return await self._codes(kind, codes, traffic)

    async def _codes(self, kind: str, codes: Sequence[str] | None, traffic: TrafficClass) -> Mapping[str, Json]:
        table = CODE_TABLES[kind]
        query = Query(table.endpoint, table.fields)
        if codes is None:
            rows = await self._client.rows(query, traffic)
        else:
            rows = await self._client.rows_of(query, "Code", [text(code) for code in codes], traffic)
        today = self._today()
        return {
            code: reference_of(ReferenceKind(kind), code, row, self._rate(row), today).model_dump(mode="json")
            for row in rows
            for code in (table.code_of(row),)
        }

    def _rate(self, row: Row) -> Decimal | None:
        if row.get("Percentage") is None:
            return None
        scale = 1 if self._settings.company.percentages == "percent" else 100
        return (Decimal(row["Percentage"]) * scale).normalize()

    async def _periods_of(self, days: Sequence[str], traffic: TrafficClass) -> Mapping[str, Json]:
        years = sorted({day[:4] for day in days})
        query = Query("financial/FinancialPeriods", ("FinYear", "FinPeriod", "StartDate", "EndDate"))
        around = sorted({str(int(year) + shift) for year in years for shift in (-1, 0, 1)})
        rows = await self._client.rows_of(query, "FinYear", around, traffic)
        found: dict[str, Json] = {}
        for day in days:
            for row in rows:
                if str(row["StartDate"])[:10] <= day <= str(row["EndDate"])[:10]:
                    found[day] = {"year": row["FinYear"], "period": row["FinPeriod"]}
        return found

    async def _journal_periods(self, codes: Sequence[str], traffic: TrafficClass) -> Mapping[str, Json]:
        """`70/2026-03`: known where the financial year has such a period."""
        journals = sorted({code.rpartition("/")[0] for code in codes})
        years = sorted({code.rpartition("/")[2].partition("-")[0] for code in codes})
        query = Query(JOURNAL_STATUS, ("Journal", "Year", "Period", "Status"))
        statuses = await self._client.rows_of(query, "Journal", [text(journal) for journal in journals], traffic)
        closed = {period_code(row["Journal"], row["Year"], row["Period"]) for row in statuses if row["Status"] != OPEN}
        query = Query("financial/FinancialPeriods", ("FinYear", "FinPeriod"))
        periods = await self._client.rows_of(query, "FinYear", years, traffic)
        known = {period_code(journal, row["FinYear"], row["FinPeriod"]) for row in periods for journal in journals}
        return {code: {"open": code not in closed} for code in codes if code in known}

    async def _accounts(self, codes: Sequence[str], traffic: TrafficClass) -> Mapping[str, Json]:
        wanted = {code: accounts.Wanted.of_code(code) for code in codes}
        rows = await accounts.candidates(self._client, list(wanted.values()), traffic)
        found: dict[str, Json] = {}
        for code, supplier in wanted.items():
            same = [row for row in rows if accounts.proof(supplier, row) is None]
            if same:
                found[code] = {"ids": sorted(row["ID"] for row in same)}
        return found


def period_code(journal: str, year: int, period: int) -> str:
    return f"{journal}/{year}-{period:02d}"


def next_period(year: int, period: int) -> tuple[int, int]:
    """The period after; Exact's years have at most 13, a twelfth is followed by the next year's first."""
    return (year, period + 1) if period < 12 else (year + 1, 1)


def attribute(body: Json, name: str) -> str | None:
    attributes: Mapping[str, Any] = body.get("attributes") or {}
    value = attributes.get(name)
    return None if value is None else str(value)
