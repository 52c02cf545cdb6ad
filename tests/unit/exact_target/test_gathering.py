"""Reads that wait at the same time share a call."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from connector.adapters.systems.exact.gathering import Gathered


class Vendor:
    """Shows what is there when a call leaves; each call waits for its turn."""

    def __init__(self) -> None:
        self.there: dict[str, int] = {}
        self.calls: list[list[str]] = []
        self.turn = asyncio.Event()
        self.away = False

    async def read(self, ids: Sequence[str]) -> Mapping[str, int]:
        self.calls.append(list(ids))
        shown = {one: self.there[one] for one in ids if one in self.there}
        await self.turn.wait()
        if self.away:
            raise ConnectionError("away")
        return shown


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


def gathered(vendor: Vendor, *, more: bool = False, enough: int = 40, wait_s: float = 60.0) -> Gathered[int]:
    return Gathered(vendor.read, lambda: more, enough=enough, wait_s=wait_s)


async def asked(read: Gathered[int], *ids: str) -> asyncio.Task[dict[str, int]]:
    task = asyncio.create_task(read(ids))
    await asyncio.sleep(0)
    return task


async def test_whoever_asks_during_a_call_shares_the_next_and_gets_what_it_asked_for(vendor: Vendor) -> None:
    read = gathered(vendor)
    vendor.there = {"a": 1}
    first = await asked(read, "a")
    vendor.there |= {"b": 2, "c": 3}
    others = [await asked(read, "b"), await asked(read, "c", "gone"), await asked(read, "b")]
    vendor.turn.set()
    assert await first == {"a": 1}
    assert [await one for one in others] == [{"b": 2}, {"c": 3}, {"b": 2}]
    assert vendor.calls == [["a"], ["b", "c", "gone"]]


async def test_nobody_is_shown_what_was_there_before_it_asked(vendor: Vendor) -> None:
    read = gathered(vendor)
    vendor.there = {"a": 1}
    first = await asked(read, "a")
    vendor.there = {"a": 2}
    second = await asked(read, "a")
    vendor.turn.set()
    assert (await first, await second) == ({"a": 1}, {"a": 2})


async def test_an_error_is_told_to_all_who_shared_the_call_and_to_nobody_after(vendor: Vendor) -> None:
    read = gathered(vendor)
    vendor.away = True
    first = await asked(read, "a")
    shared = [await asked(read, "b"), await asked(read, "c")]
    vendor.turn.set()
    for one in (first, *shared):
        with pytest.raises(ConnectionError):
            await one
    assert vendor.calls == [["a"], ["b", "c"]]
    vendor.away = False
    assert await read(["b"]) == {}


async def test_a_cancelled_caller_leaves_its_call_to_the_others(vendor: Vendor) -> None:
    read = gathered(vendor)
    vendor.there = {"a": 1, "b": 2}
    first = await asked(read, "a")
    cancelled, other = await asked(read, "a"), await asked(read, "b")
    first.cancel()
    await asyncio.sleep(0)
    cancelled.cancel()
    vendor.turn.set()
    assert await other == {"b": 2}


@pytest.mark.parametrize("ended_by", ["enough have asked", "nobody else will ask", "time"])
async def test_a_call_waits_for_those_who_will_ask_soon(vendor: Vendor, ended_by: str) -> None:
    vendor.turn.set()
    read = gathered(vendor, more=True, enough=3, wait_s=0.05 if ended_by == "time" else 60.0)
    asking = [await asked(read, "a"), await asked(read, "b")]
    assert vendor.calls == []
    if ended_by == "enough have asked":
        asking.append(await asked(read, "c"))
    elif ended_by == "nobody else will ask":
        read.go()
    await asyncio.gather(*asking)
    assert vendor.calls == [["a", "b", "c"] if len(asking) == 3 else ["a", "b"]]
