"""One connection's calls: each by leave of the gate, and once more where the token was refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx

from connector.adapters.http.client import BeforeSend, VendorAnswer, request
from connector.domain.identity import ConnectionId, TrafficClass
from connector.domain.ports.gate import Gate

_UNAUTHORISED = 401


@dataclass(frozen=True, slots=True)
class Caller:
    """What a room needs to call its vendor. `headers` gives what every request says, asked anew for each."""

    connection: ConnectionId
    gate: Gate
    http: httpx.AsyncClient
    deadline_s: float
    headers: Callable[[], Mapping[str, str]]

    async def send(
        self,
        method: str,
        url: str,
        traffic: TrafficClass,
        *,
        endpoint: str,
        flow: str = "",
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        before_send: BeforeSend | None = None,
    ) -> VendorAnswer:
        """Send one request and give back its answer, whatever it says; the room knows which are errors.

        A 401 did nothing at the vendor: the gate is told of it and entered once more, with the same request. Nothing
        else is repeated. `before_send` runs before each. Raises GateError, and what `request` raises.
        """

        async def once() -> VendorAnswer:
            async with self.gate.call(self.connection, traffic, endpoint=endpoint, flow=flow) as call:
                answer = await request(
                    self.http,
                    method,
                    url,
                    params=params,
                    headers={**self.headers(), **(headers or {}), **call.authorization},
                    content=content,
                    deadline_s=self.deadline_s,
                    before_send=before_send,
                )
                call.learn(answer.status, answer.headers)
            return answer

        answer = await once()
        return await once() if answer.status == _UNAUTHORISED else answer
