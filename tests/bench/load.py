"""An HTTP load over loopback: kept-alive connections, each waiting for one answer before its next request."""

import asyncio
import time
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Load:
    """`latencies_ms`: from when a request was to be sent to its answer."""

    answered: int
    seconds: float
    latencies_ms: list[float]


async def load(url: str, bodies: list[bytes], *, connections: int, seconds: float, rate: float | None = None) -> Load:
    """POST the bodies in turn, at `rate` requests a second in all, or as fast as answers come.

    Raises AssertionError for any answer but 200.
    """
    address = urlsplit(url)
    head = f"POST {address.path} HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\ncontent-length: "
    requests = [f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies]
    latencies: list[float] = []
    began = time.perf_counter()
    ends = began + seconds
    slot_s = 0.0 if rate is None else connections / rate

    async def post(number: int) -> None:
        reader, writer = await asyncio.open_connection(str(address.hostname), int(address.port or 80))
        at = began + slot_s * number / connections
        turn = number
        while at < ends:
            wait = at - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            writer.write(requests[turn % len(requests)])
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200"), answer
            now = time.perf_counter()
            latencies.append((now - at) * 1000)
            at = at + slot_s if slot_s else now
            turn += connections
        writer.close()

    await asyncio.gather(*(post(number) for number in range(connections)))
    return Load(len(latencies), time.perf_counter() - began, latencies)
