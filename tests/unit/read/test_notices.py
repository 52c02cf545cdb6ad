"""From webhooks in the log to due keys."""

from collections.abc import Sequence
from datetime import timedelta

from connector.adapters.memory.configuration import MemoryConfiguration
from connector.adapters.memory.source_keys import MemorySourceKeys, ReadState
from connector.domain.identity import ConnectionId, Entity, TrafficClass
from connector.domain.ports.configuration import Connection
from connector.domain.ports.log import Record
from connector.domain.ports.source import Notice
from connector.domain.read.notices import NoticeIntake
from tests.virtual import START, VirtualClock, run_virtually

CONNECTION = ConnectionId("acme", "erp")


def told(body: bytes) -> Sequence[Notice]:
    """`delete po-1` or `po-1`; anything else is no notice."""
    word, _, key = body.decode().rpartition(" ")
    return [Notice(Entity.PURCHASE_ORDER, key, deleted=word == "delete")] if key.startswith("po") else []


def webhook(body: bytes, *, key: str = str(CONNECTION), age: timedelta = timedelta(0)) -> Record:
    return Record("webhooks.erp", key, body, (), 0, 0, START - age)


def due_after(*records: Record) -> dict[str, tuple[TrafficClass, bool]]:
    """Class and claimed deletion of each key that is due in the end."""

    async def story() -> dict[str, tuple[TrafficClass, bool]]:
        clock, configuration = VirtualClock(), MemoryConfiguration()
        configuration.apply(connections={CONNECTION: Connection(CONNECTION, "erp", None)})
        keys = MemorySourceKeys(ReadState(), clock.now, clock.sleep, lambda *_: None)
        await NoticeIntake(told, keys, configuration, clock).take(records)
        await clock.sleep(10)
        found = await keys.claim(CONNECTION, 1, 100)
        found = [*found, *await keys.claim(CONNECTION, 1, 100)]
        return {key.native_id: (key.traffic, key.deleted_hint) for key in found}

    return run_virtually(story())


def test_a_notice_makes_its_key_due_now_and_an_old_one_when_there_is_room() -> None:
    assert due_after(webhook(b"po-1"), webhook(b"po-2", age=timedelta(minutes=11))) == {
        "po-1": (TrafficClass.LIVE, False),
        "po-2": (TrafficClass.BACKFILL, False),
    }


def test_a_claimed_deletion_is_not_forgotten_for_a_later_notice_of_the_batch() -> None:
    assert due_after(webhook(b"delete po-1"), webhook(b"po-1")) == {"po-1": (TrafficClass.LIVE, True)}


def test_what_is_no_notice_or_of_no_connection_of_ours_is_passed_over() -> None:
    assert due_after(webhook(b"hello"), webhook(b"po-1", key="acme/gone"), webhook(b"po-2")).keys() == {"po-2"}
