"""From webhooks in the log to due keys: a notice is a hint of what to read, nothing more."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from connector.domain.identity import ConnectionId, Entity, TrafficClass
from connector.domain.ports.clock import Clock
from connector.domain.ports.configuration import Configuration
from connector.domain.ports.log import Record
from connector.domain.ports.source import Notice
from connector.domain.ports.source_keys import SourceKeys

LIVE_FOR = timedelta(minutes=10)
"""An older notice is history by now: it takes only what live ones leave."""

NoticesOf = Callable[[bytes], Sequence[Notice]]


class NoticeIntake:
    """Handler of `webhooks.<system>`: makes the keys due; the offsets are committed after."""

    def __init__(self, notices_of: NoticesOf, keys: SourceKeys, configuration: Configuration, clock: Clock) -> None:
        self._notices_of = notices_of
        self._keys = keys
        self._configuration = configuration
        self._clock = clock

    async def take(self, records: Sequence[Record]) -> None:
        """Notices of connections that are no more are dropped: nobody could read what they point at."""
        known = (await self._configuration.current()).connections
        told: defaultdict[tuple[ConnectionId, TrafficClass], list[Notice]] = defaultdict(list)
        for record in records:
            connection = ConnectionId.parse(record.key)
            if connection in known and record.value:
                trace = record.header("traceparent")
                notices = [replace(notice, traceparent=trace) for notice in self._notices_of(record.value)]
                told[connection, self._class_of(record)].extend(notices)
        for (connection, traffic), notices in told.items():
            if notices:
                await self._keys.notice(connection, merged(notices), traffic)

    def _class_of(self, record: Record) -> TrafficClass:
        old = self._clock.now() - record.timestamp > LIVE_FOR
        return TrafficClass.BACKFILL if old else TrafficClass.LIVE


def merged(notices: Sequence[Notice]) -> list[Notice]:
    """One a key, the first; a claimed deletion is not forgotten for an other notice of the same batch."""
    deleted = {(notice.entity, notice.native_id) for notice in notices if notice.deleted}
    first: dict[tuple[Entity, str], Notice] = {}
    for notice in notices:
        first.setdefault((notice.entity, notice.native_id), notice)
    return [replace(notice, deleted=key in deleted) for key, notice in first.items()]
