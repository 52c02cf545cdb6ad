"""`/livez`, `/readyz` and `/metrics` of a service, as an ASGI application and on a port of their own."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], Awaitable[str | None]]
"""Tells the problem in a sentence, or None."""
_CHECK_WITHIN_S = 5.0


class Health:
    """An ASGI application. Live while the event loop answers; ready while no check tells a problem."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        path = scope.get("path")
        if path == "/livez":
            await _answer(send, 200, b"ok\n", "text/plain")
        elif path == "/readyz":
            problems = await self.problems()
            await _answer(send, 503 if problems else 200, json.dumps(problems).encode(), "application/json")
        elif path == "/metrics":
            await _answer(send, 200, generate_latest(), CONTENT_TYPE_LATEST)
        else:
            await _answer(send, 404, b"not found\n", "text/plain")

    async def problems(self) -> dict[str, str]:
        """What stands in the way of work, by check; empty when ready."""
        names = list(self._checks)
        found = await asyncio.gather(*(_within(self._checks[name]) for name in names))
        return {name: problem for name, problem in zip(names, found, strict=True) if problem is not None}


class Server(uvicorn.Server):
    """uvicorn inside a service: signals belong to the service, which drains before its server ends."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@asynccontextmanager
async def serving(app: Any, *, host: str, port: int) -> AsyncIterator[int]:
    """Serve an ASGI application for the time of the context; yields the port (0 asks for a free one). Raises OSError
    where nothing can listen there."""
    listener = socket.create_server((host, port), backlog=1024)
    config = uvicorn.Config(app, lifespan="off", access_log=False, log_config=None, timeout_graceful_shutdown=5)
    server = Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listener.close()


async def _within(check: Check) -> str | None:
    try:
        async with asyncio.timeout(_CHECK_WITHIN_S):
            return await check()
    except TimeoutError:
        return f"no answer within {_CHECK_WITHIN_S:g} s"


async def _answer(send: Any, status: int, body: bytes, content_type: str) -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
