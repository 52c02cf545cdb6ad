"""A sandbox's control port, as the people of a story use it: acts, switches, the store."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

Json = dict[str, Any]
ACT_TIMEOUT_S = 60.0


class ActRefused(Exception):
    """A person was refused at the vendor's screen: the story or the sandbox is wrong. The message names the act."""


class ControlPort:
    """One sandbox of a story. `credentials` is what it printed when it started."""

    def __init__(self, client: httpx.AsyncClient, control_url: str, credentials: Mapping[str, Any]) -> None:
        self._client = client
        self._url = control_url
        self.credentials = credentials

    async def act(self, name: str, /, **payload: Any) -> Any:
        """Do one thing; raises ActRefused."""
        answer = await self._client.post(f"{self._url}/act/{name}", json=payload, timeout=ACT_TIMEOUT_S)
        if answer.status_code != 200:
            raise ActRefused(f"{name}: {answer.text}")
        return answer.json()

    async def many(self, name: str, records: Sequence[Json], /, **common: Any) -> list[Json]:
        """The same thing for many records at once; one result each."""
        if not records:
            return []
        result: list[Json] = await self.act(name, records=list(records), **common)
        return result

    async def switch(self, **settings: Any) -> None:
        answer = await self._client.post(f"{self._url}/settings", json=settings)
        if answer.status_code != 200:
            raise ActRefused(f"settings: {answer.text}")

    async def fault(self, **rule: Any) -> None:
        """Plan a misbehaviour of the vendor's own paths."""
        (await self._client.post(f"{self._url}/faults", json=rule)).raise_for_status()

    async def mend(self) -> None:
        """All planned misbehaviour ends."""
        (await self._client.delete(f"{self._url}/faults")).raise_for_status()

    async def store(self) -> dict[str, list[Json]]:
        """Everything the vendor holds, removed records too."""
        answer = await self._client.get(f"{self._url}/store", timeout=ACT_TIMEOUT_S)
        store: dict[str, list[Json]] = answer.raise_for_status().json()
        return store

    async def calls(self) -> list[Json]:
        """Every request the vendor's own paths were sent."""
        answer = await self._client.get(f"{self._url}/calls", timeout=ACT_TIMEOUT_S)
        calls: list[Json] = answer.raise_for_status().json()
        return calls


async def trickle(port: ControlPort, act: str, records: Sequence[Json], *, at_once: int, pause_s: float) -> list[Json]:
    """Many records as people enter them: a few, a pause, a few more."""
    done: list[Json] = []
    for start in range(0, len(records), at_once):
        done += await port.many(act, records[start : start + at_once])
        await asyncio.sleep(pause_s)
    return done
