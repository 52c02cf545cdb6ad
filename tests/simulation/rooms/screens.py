"""A sandbox's screens, as people sit before them, without its control port."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from connector.adapters.memory.tables import Row
from connector.domain.identity import RowRef
from connector.sandbox.core.sandbox import Sandbox
from connector.sandbox.demo.control import ControlPort
from connector.sandbox.demo.story import Difference, Said
from tests.simulation.checking import DISAGREEING, Finding

Store = Mapping[str, list[dict[str, Any]]]
Rows = Mapping[RowRef, Row]


class Screens:
    """Speaks as a ControlPort does."""

    def __init__(self, sandbox: Sandbox, base_url: str) -> None:
        self._sandbox = sandbox
        self.credentials = sandbox.credentials(base_url)

    async def act(self, name: str, /, **payload: Any) -> Any:
        return _plain(await self._sandbox.acts[name](payload))

    async def many(self, name: str, records: Sequence[dict[str, Any]], /, **common: Any) -> Any:
        return await self.act(name, records=list(records), **common) if records else []

    async def store(self) -> dict[str, list[dict[str, Any]]]:
        stored: dict[str, list[dict[str, Any]]] = _plain(self._sandbox.dump())
        return stored


def port(screens: Screens) -> ControlPort:
    return cast(ControlPort, screens)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def said(rows: Rows) -> list[Said]:
    """What the connector says of each record, for comparisons that share no code with it."""
    return [
        Said(
            str(ref.entity),
            ref.native_id,
            row.desired.number or "",
            str(row.state),
            frozenset(reason.code for reason in row.reasons),
        )
        for ref, row in rows.items()
    ]


def told(one: Difference) -> Finding:
    return Finding(DISAGREEING, f"{one.entity} {one.number}: {one.what}: {one.source} / {one.target}")


def words(row: Row | None) -> str:
    if row is None:
        return "unknown to the connector"
    return f"{row.state}: {'; '.join(str(reason) for reason in row.reasons)}"


def stuck(rows: Rows, allowed: frozenset[str] = frozenset()) -> Iterator[Finding]:
    """Nothing that happens is a reason to block, but those allowed, and that a document was gone before it was ever
    read: of that there is no proof to be had. One that is there all the same is missed by the comparison."""
    for ref, row in rows.items():
        codes = {reason.code for reason in row.reasons}
        never_read = codes == {"missing-at-source"} and row.desired.number is None
        if row.state not in ("synced", "excluded") and not never_read and not codes & allowed:
            yield Finding(DISAGREEING, f"{ref.entity} {ref.native_id}: {words(row)}")
