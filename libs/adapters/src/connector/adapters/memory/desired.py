"""`DesiredRows` in memory."""

from collections.abc import Sequence

from connector.domain.identity import RowRef
from connector.domain.ports.desired import Desired, Upserted
from connector.domain.sync.states import Cause, State, after_newer

from .tables import MemoryTables, Row


class MemoryDesiredRows:
    def __init__(self, tables: MemoryTables) -> None:
        self._tables = tables

    async def upsert(self, wanted: Sequence[Desired]) -> Upserted:
        newer = due = 0
        for desired in wanted:
            before = self._tables.rows.get(desired.row)
            if before is not None and desired.revision <= before.desired.revision:
                continue
            newer += 1
            due += self._insert(desired) if before is None else self._update(before, desired)
            self._note(desired)
        return Upserted(newer, due)

    def _insert(self, desired: Desired) -> bool:
        now = self._tables.now()
        self._tables.rows[desired.row] = Row(
            desired, State.DUE, Cause.SOURCE, due=now, received_at=now, state_since=now
        )
        self._tables.ring(desired.target)
        return True

    def _update(self, row: Row, desired: Desired) -> bool:
        before = row.desired
        content = (before.content_digest, before.status) != (desired.content_digest, desired.status)
        resolved = before.resolved_digest != desired.resolved_digest
        state = after_newer(row.state, content_changed=content, resolved_changed=resolved)
        became_due = state is State.DUE and (content or row.state is not State.DUE)
        if content:
            row.attempts, row.released = 0, False
            later = desired.revision.read_at > before.revision.read_at
            said_the_same = desired.read_digest is not None and desired.read_digest == before.read_digest
            if later and not said_the_same:
                row.cause = Cause.SOURCE
            elif row.state is not State.DUE:
                row.cause = Cause.APPLY if later else Cause.TRANSLATION
        row.desired = desired
        row.received_at = self._tables.now()
        if became_due:
            row.wait_until = None
            self._tables.make_due(desired.row)
        return became_due

    def _note(self, desired: Desired) -> None:
        origin = desired.origin
        detail = {
            "topic": origin.topic,
            "partition": origin.partition,
            "offset": origin.offset,
            "read_at": desired.revision.read_at.isoformat(),
            "content_digest": desired.content_digest,
            "status": str(desired.status),
        }
        self._tables.note(desired.row, "received", detail)

    async def forget(self, rows: Sequence[RowRef]) -> int:
        found = [row for row in rows if self._tables.rows.pop(row, None) is not None]
        for row in found:
            self._tables.stop_waiting(row)
        return len(found)
