"""Values as Coupa takes and shows them, in one notation on both sides so that they can be compared."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Json = Mapping[str, Any]

ZERO = Decimal(0)
SEGMENTS = tuple(f"segment-{position}" for position in range(1, 21))


def plain(value: Decimal) -> str:
    """A decimal as text, without exponent or trailing zeros."""
    return format(value.normalize(), "f") if value else "0"


def decimal(value: Any) -> Decimal | None:
    """Coupa sends decimals as text, here and there as numbers."""
    return None if value is None or value == "" else Decimal(str(value))


def number(value: Any) -> str | None:
    exact = decimal(value)
    return None if exact is None else plain(exact)


def shortened(text: str, limit: int) -> str:
    """Free text cut to what Coupa holds, its end marked; keys are never cut."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def noon(day: str) -> str:
    """Coupa has instants where the source has days: noon in UTC is that day in nearly every company's time zone."""
    return f"{day}T12:00:00Z"


def total(values: Iterable[Any]) -> Decimal | None:
    """The sum; unknown where one of the values is."""
    result = ZERO
    for value in values:
        exact = decimal(value)
        if exact is None:
            return None
        result += exact
    return result


def day_of_instant(value: Any) -> str | None:
    """The day in UTC, for what was sent as noon."""
    return None if not value else datetime.fromisoformat(str(value)).astimezone(UTC).date().isoformat()


def day_as_shown(value: Any) -> str | None:
    """The day in the company's own time zone, for what was sent as a date."""
    return str(value)[:10] if value else None


def instant(value: Any) -> str | None:
    """An instant as text in UTC; None where Coupa gives none that has a zone."""
    if not value:
        return None
    read = datetime.fromisoformat(str(value))
    return None if read.tzinfo is None else read.astimezone(UTC).isoformat()


def inner(row: Json, *names: str) -> Any:
    """A value inside associations; None where one of them is absent."""
    value: Any = row
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def text_id(value: Any) -> str | None:
    return None if value is None else str(value)


def custom(row: Json, field: str) -> Any:
    """A custom field: new ones lie under `custom-fields`, those of the old global namespace beside the others."""
    below = inner(row, "custom-fields", field)
    return below if below is not None else row.get(field)


def accounts_shown(row: Json) -> list[dict[str, str]]:
    """A line's accounting: per share its segments; one account is a share of 100."""
    rows = row.get("account-allocations") or []
    if rows:
        return [{"pct": number(one.get("pct")) or "0", **_segments(one.get("account"))} for one in rows]
    account = row.get("account")
    return [{"pct": "100", **_segments(account)}] if account else []


def _segments(account: Any) -> dict[str, str]:
    shown = account if isinstance(account, Mapping) else {}
    return {name: str(shown[name]) for name in SEGMENTS if shown.get(name) not in (None, "")}


def ids_of(row: Json, name: str) -> list[int]:
    return [int(child["id"]) for child in row.get(name) or []]


def share_ids(line: Json) -> list[int]:
    return ids_of(line, "account-allocations")


def children(wanted: Sequence[dict[str, Any]], ids: Sequence[int]) -> list[dict[str, Any]]:
    """Children of an object as they are to be: Coupa changes those with an id, adds others, removes the marked."""
    kept = [{"id": child_id, **child} for child, child_id in zip(wanted, ids, strict=False)]
    removed = [{"id": child_id, "_delete": True} for child_id in ids[len(wanted) :]]
    return [*kept, *wanted[len(ids) :], *removed]


def account_body(rows: list[dict[str, str]], chart: str, ids: Sequence[int]) -> dict[str, Any]:
    """Segments, never the joined code: a hyphen in a code would break it apart. One account or a split, not both."""

    def account(row: Mapping[str, str]) -> dict[str, Any]:
        return {"account-type": {"name": chart}, **{name: row[name] for name in SEGMENTS if name in row}}

    if len(rows) == 1:
        removed = children([], ids)
        return {"account": account(rows[0]), **({"account-allocations": removed} if removed else {})}
    shares = [{"pct": row["pct"], "account": account(row)} for row in rows]
    return {"account-allocations": children(shares, ids)}


def differences(wanted: Any, shown: Any, path: str = "") -> Iterator[str]:
    """Where the target shows something else, as `path: expected x, actual y`; only what is wanted counts, and a list
    counts as a whole."""
    if isinstance(wanted, Mapping):
        below = shown if isinstance(shown, Mapping) else {}
        for name, value in wanted.items():
            yield from differences(value, below.get(name), f"{path}.{name}" if path else str(name))
    elif wanted != shown:
        yield f"{path}: expected {wanted}, actual {shown}"


ACCOUNT_FIELDS: list[Any] = [
    {"account": [name.replace("-", "_") for name in SEGMENTS]},
    {"account_allocations": ["id", "pct", {"account": [name.replace("-", "_") for name in SEGMENTS]}]},
]
MADE_BY: list[Any] = ["created_at", {"created_by": ["login"]}, {"updated_by": ["login"]}]
