"""Columns of a batch as one text each: psycopg escapes arrays element by element in Python, most of a batch's cost.

The separators are control characters, which neither JSON nor any system's keys hold.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import CursorResult, TextClause
from sqlalchemy.ext.asyncio import AsyncConnection

_SEPARATOR, _NULL = "\x1f", "\x1e"


def joined(values: Sequence[object]) -> str | None:
    """The parameter for `array_of(name)`; raises ValueError where a value holds a separator."""
    if not values:
        return None
    text = _SEPARATOR.join([_NULL if value is None else str(value) for value in values])
    if text.count(_SEPARATOR) != len(values) - 1:
        raise ValueError("a value holds the control character U+001F")
    return text


def array_of(name: str, kind: str = "text") -> str:
    """SQL for the array that `joined` made the parameter `name` of; one value that is empty text stays one."""
    split = f"case when :{name} = '' then array[''] else string_to_array(:{name}, chr(31), chr(30)) end"
    return f"cast({split} as {kind}[])"


async def run(db: AsyncConnection, statement: TextClause, given: Mapping[str, object]) -> CursorResult[Any]:
    """Execute a statement whose list parameters are read by `array_of`."""
    columns = {name: joined(value) if isinstance(value, list) else value for name, value in given.items()}
    return await db.execute(statement, columns)
