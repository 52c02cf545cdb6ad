"""Reading a list request: filters in all the spellings clients use, ranges, pages."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from .errors import ApiError

_FILTER = re.compile(r"filters\[(\w+)\](\[\])?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")

Pairs = list[tuple[str, str]]


class Filters:
    """`filters[a]=1`, `filters[a][]=1&filters[a][]=2`, `filters[a]=[1,2]`, `filters[a]=1,2`; all are lists of text."""

    def __init__(self, query: Pairs) -> None:
        self._values: dict[str, list[tuple[str, bool]]] = {}
        for key, value in query:
            if match := _FILTER.fullmatch(key):
                self._values.setdefault(match[1], []).append((value.strip(), match[2] is not None))

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def texts(self, name: str, *, comma: bool = True) -> list[str] | None:
        """The values, or None if the filter is absent. `comma=False`: commas belong to the value."""
        if name not in self._values:
            return None
        result: list[str] = []
        for value, is_item in self._values[name]:
            if value.startswith("[") and value.endswith("]"):
                result += [_unquoted(item) for item in value[1:-1].split(",") if item.strip()]
            elif comma and not is_item:
                result += [_unquoted(item) for item in value.split(",") if item.strip()]
            else:
                result.append(_unquoted(value))
        return result

    def ids(self, name: str) -> list[int] | None:
        values = self.texts(name)
        if values is None:
            return None
        try:
            return [int(value) for value in values]
        except ValueError:
            raise ApiError(400, f"filters[{name}] must hold integers", {name: ["is not an integer"]}) from None

    def one(self, name: str) -> str | None:
        values = self.texts(name, comma=False)
        return values[-1] if values else None

    def range(self, name: str) -> tuple[str, str] | None:
        """`a...b` with or without quotes; dates, Z or offset stamps. As two UTC stamps, both included."""
        value = self.one(name)
        if not value:
            return None
        first, dots, last = value.replace('"', "").partition("...")
        return _moment(name, first, end=False), _moment(name, last if dots else first, end=True)


def _unquoted(value: str) -> str:
    return value.strip().strip('"').strip("'")


def _moment(name: str, value: str, *, end: bool) -> str:
    value = value.strip()
    if not value:
        return "9999" if end else ""
    if _DATE.fullmatch(value):
        return value + ("T23:59:59Z" if end else "T00:00:00Z")
    try:
        # An unescaped "+01:00" arrives as a space.
        moment = datetime.fromisoformat(value.replace(" ", "+") if "T" in value else value)
    except ValueError:
        raise ApiError(400, f"filters[{name}] is not a date range", {name: ["is not a valid date"]}) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def within(stamp: str | None, bounds: tuple[str, str] | None) -> bool:
    return bounds is None or (stamp is not None and bounds[0] <= stamp <= bounds[1])


def page_numbers(query: dict[str, str], default: int, maximum: int) -> tuple[int, int]:
    """`page` (1-based) and `per_page`, the latter cut to the endpoint's maximum."""
    try:
        page, per_page = int(query.get("page", 1)), int(query.get("per_page", default))
    except ValueError:
        raise ApiError(400, "page and per_page must be integers", {"page": ["is not an integer"]}) from None
    if page < 1 or per_page < 1:
        raise ApiError(400, "page and per_page must be positive", {"page": ["must be greater than 0"]})
    return page, min(per_page, maximum)


def paged(
    rows: Sequence[Any], query: Pairs, url: str, page: int, per_page: int, render: Callable[[Any], Any]
) -> tuple[list[Any], dict[str, str]]:
    """One page, rendered, and its headers `Link`, `Per-Page`, `Total`."""
    total = len(rows)
    last = max(1, -(-total // per_page))
    numbers = {"first": 1, "prev": page - 1, "next": page + 1, "last": last}
    wanted = {
        rel: number for rel, number in numbers.items() if 1 <= number <= last and not (rel == "prev" and page == 1)
    }
    kept = [(key, value) for key, value in query if key not in ("page", "per_page")]
    link = ", ".join(
        f'<{url}?{urlencode([*kept, ("page", str(number)), ("per_page", str(per_page))])}>; rel="{rel}"'
        for rel, number in wanted.items()
    )
    start = (page - 1) * per_page
    body = [render(row) for row in rows[start : start + per_page]]
    return body, {"Link": link, "Per-Page": str(per_page), "Total": str(total)}


def ordered(rows: Iterable[Any], sort: str | None, keys: dict[str, Callable[[Any], Any]]) -> list[Any]:
    """`sort=name`, `sort=-name`, comma list; unknown keys are ignored."""
    result = list(rows)
    for key in reversed([part for part in (sort or "").split(",") if part.lstrip("-") in keys]):
        result.sort(key=keys[key.lstrip("-")], reverse=key.startswith("-"))
    return result
