"""Reads that are no plain table: who am I, which companies, own subscriptions, open periods, and the two functions."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from starlette.responses import Response

from . import odata, render
from .entities import WEBHOOK_SUBSCRIPTIONS
from .errors import Refusal
from .feeds import TIMESTAMP_ENDPOINTS
from .reference_entities import JOURNAL_STATUS_LIST
from .schema import Entity, Row
from .store import Division, Table, User, World

_LANGUAGE_CODES = {"EN": "en-GB", "NL": "nl-NL"}


def table_of(entity: Entity, rows: Iterable[Row]) -> Table:
    """A table that lives for one answer."""
    table = Table(entity, lambda: 0)
    for row in rows:
        table.put(dict(row), datetime.min)  # noqa: DTZ901
    return table


def me(world: World, user: User) -> Row:
    division = world.divisions[user.current_division]
    first, _, last = user.full_name.partition(" ")
    return {
        "UserID": user.id, "UserName": user.user_name, "FullName": user.full_name, "FirstName": first, "LastName": last,
        "Email": f"{user.user_name}@example.com", "CurrentDivision": division.code, "AccountingDivision": division.code,
        "DivisionCustomer": world.customer, "DivisionCustomerCode": "1000001",
        "DivisionCustomerName": "Voorbeeld Holding",
        "Language": _LANGUAGE_CODES[user.language], "LanguageCode": _LANGUAGE_CODES[user.language], "Legislation": 1,
        "ServerTime": world.local_now().isoformat(timespec="milliseconds"), "PackageCode": "EOL",
        "ServerUtcOffset": int(world.utc_offset().total_seconds()), "IsClientUser": False,
    }  # fmt: skip


def rows(entity: Entity, division: Division, user: User, client_id: str) -> list[Row] | None:
    """Rows of an entity that is computed for the caller; None for a plain table."""
    if entity.table == "system/Divisions":
        return [found.as_row(user) for found in division.world.divisions.values() if found.code in user.divisions]
    if entity is WEBHOOK_SUBSCRIPTIONS:
        return [row for row in division.table(entity).rows.values() if row["ClientID"] == client_id]
    if entity is JOURNAL_STATUS_LIST:
        return list(_journal_statuses(division))
    return None


def _journal_statuses(division: Division) -> Iterable[Row]:
    for journal in division.tables["financial/Journals"].rows.values():
        for period in division.tables["financial/FinancialPeriods"].rows.values():
            year, number = period["FinYear"], period["FinPeriod"]
            closed = (journal["Code"], year, number) in division.closed_periods
            yield {
                "ID": f"{period['ID'][:24]}{journal['ID'][24:]}", "Journal": journal["Code"], "Year": year,
                "Period": number,
                "JournalDescription": journal["Description"], "JournalType": journal.get("Type"), "Status": int(closed),
                "StatusDescription": "Closed" if closed else "Open",
            }  # fmt: skip


def function(entity: Entity, options: Mapping[str, str], user: User, division: Division) -> Response:
    arguments = {name.lower(): value.strip() for name, value in options.items()}
    if entity.name == "UserHasRights":
        return _user_has_rights(arguments, user)
    return _sync_timestamp(arguments, division)


def _quoted(arguments: Mapping[str, str], name: str) -> str:
    value = arguments.get(name, "")
    if len(value) < 2 or value[0] != "'" or value[-1] != "'":
        raise odata.syntax()
    return value[1:-1]


def _user_has_rights(arguments: Mapping[str, str], user: User) -> Response:
    endpoint, action = _quoted(arguments, "endpoint"), _quoted(arguments, "action")
    return render.json_answer({"d": {"UserHasRights": user.may(endpoint, action)}})


def _sync_timestamp(arguments: Mapping[str, str], division: Division) -> Response:
    """The row version to start a feed from, given a date: rows changed since have higher ones."""
    endpoint, literal = _quoted(arguments, "endpoint"), list(odata.tokens(arguments.get("modified", "")))
    path = TIMESTAMP_ENDPOINTS.get(endpoint.lower())
    if path is None:
        raise Refusal(400, f"Bad Request - endPoint '{endpoint}' is not supported.")
    if len(literal) != 1 or not isinstance(literal[0][1], datetime):
        raise odata.syntax()
    since = literal[0][1]
    modified = f"/Date({int((since - datetime(1970, 1, 1)).total_seconds() * 1000)})/"  # noqa: DTZ001
    answer = {
        "Modified": modified,
        "API": endpoint,
        "TimeStampAsBigInt": str(division.tables[path].version_before(since)),
    }
    return render.json_answer({"d": answer})
