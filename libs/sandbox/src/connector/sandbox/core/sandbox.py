"""A sandbox: one vendor's application, its control application, and the state they share."""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .faults import ABORT_EXTENSION, App, FaultRule, Faults

Act = Callable[[dict[str, Any]], Awaitable[Any]]
"""What a person at the vendor's screen can do, by name: a JSON object in, a JSON value out."""


@dataclass(slots=True)
class Sandbox:
    """Everything a server, a test or a simulation needs of one vendor.

    `app` serves only the vendor's paths; `control` is a second application for a second port. `run` is the sandbox's
    background work (webhook delivery), to be awaited beside the server; it ends when cancelled.
    """

    system: str
    app: App
    faults: Faults
    credentials: Callable[[str], Mapping[str, Any]]
    """The address and credentials a connection needs, given the base URL the vendor's application is served at."""
    acts: Mapping[str, Act]
    dump: Callable[[], Mapping[str, Any]]
    """The whole store as plain JSON, for comparisons that share no code with the connector."""
    settings: Any
    """A mutable object; attributes are the switches that the control port may change."""
    run: Callable[[], Awaitable[None]]
    set_base_url: Callable[[str], None]
    extra_apps: Mapping[str, App] = field(default_factory=dict)
    """Applications of further origins by name (a vendor's download host), each served on its own port."""
    set_extra_url: Callable[[str, str], None] = lambda name, url: None
    """Told the base URL of each extra origin, by name, before the first request."""

    def control(self) -> Starlette:
        """Serves `GET /health /calls /store /settings`, `POST /clock /faults /settings /act/{name}` and
        `DELETE /faults /calls`.
        """

        async def health(_: Request) -> Response:
            return JSONResponse({"system": self.system, "time": self.faults.clock.now().isoformat()})

        async def calls(request: Request) -> Response:
            if request.method == "DELETE":
                self.faults.calls.clear()
                return Response(status_code=204)
            return JSONResponse(self.faults.log())

        async def store(_: Request) -> Response:
            return Response(json.dumps(self.dump(), default=str), media_type="application/json")

        async def clock(request: Request) -> Response:
            self.faults.clock.advance(float((await request.json())["advance_s"]))
            return JSONResponse({"time": self.faults.clock.now().isoformat()})

        async def faults(request: Request) -> Response:
            if request.method == "DELETE":
                self.faults.clear()
                return Response(status_code=204)
            rules = await request.json()
            self.faults.add(*(FaultRule(**rule) for rule in (rules if isinstance(rules, list) else [rules])))
            return Response(status_code=204)

        async def settings(request: Request) -> Response:
            if request.method == "POST":
                for name, value in (await request.json()).items():
                    if not hasattr(self.settings, name):
                        return JSONResponse({"error": f"no such setting: {name}"}, 400)
                    setattr(self.settings, name, value)
            return JSONResponse(json.loads(json.dumps(vars(self.settings), default=str)))

        async def act(request: Request) -> Response:
            name = request.path_params["name"]
            if name not in self.acts:
                return JSONResponse({"error": f"no such act: {name}", "acts": sorted(self.acts)}, 404)
            body = await request.body()
            try:
                result = await self.acts[name](json.loads(body) if body else {})
            except (KeyError, ValueError, TypeError) as error:
                return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)
            return Response(json.dumps(result, default=str), media_type="application/json")

        return Starlette(
            routes=[
                Route("/health", health),
                Route("/calls", calls, methods=["GET", "DELETE"]),
                Route("/store", store),
                Route("/clock", clock, methods=["POST"]),
                Route("/faults", faults, methods=["POST", "DELETE"]),
                Route("/settings", settings, methods=["GET", "POST"]),
                Route("/act/{name}", act, methods=["POST"]),
            ]
        )


class _AbortableProtocol(HttpToolsProtocol):
    """Offers the fault layer a way to reset the client's connection instead of answering."""

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.scope.setdefault("extensions", {})[ABORT_EXTENSION] = self.transport.abort  # type: ignore[assignment]


def loopback_socket(port: int = 0) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files with which the vendor's paths are served over TLS; the control port stays plain."""

    cert_file: str
    key_file: str


def _server(app: Any, certificate: Certificate | None) -> uvicorn.Server:
    config = uvicorn.Config(
        app, http=_AbortableProtocol, loop="uvloop", log_config=None, access_log=False, lifespan="off",
        timeout_graceful_shutdown=1,
        ssl_certfile=certificate.cert_file if certificate else None,
        ssl_keyfile=certificate.key_file if certificate else None,
    )  # fmt: skip
    return uvicorn.Server(config)


def _url(sock: socket.socket, certificate: Certificate | None = None) -> str:
    return f"{'https' if certificate else 'http'}://127.0.0.1:{sock.getsockname()[1]}"


async def serve(
    sandbox: Sandbox,
    *,
    port: int = 0,
    control_port: int = 0,
    extra_ports: Mapping[str, int] | None = None,
    certificate: Certificate | None = None,
) -> None:
    """Serve one vendor on loopback until stopped; print its addresses and credentials as one line of JSON first."""
    vendor, control = loopback_socket(port), loopback_socket(control_port)
    extra = {name: loopback_socket((extra_ports or {}).get(name, 0)) for name in sandbox.extra_apps}
    base_url = _url(vendor, certificate)
    extra_urls = {name: _url(sock, certificate) for name, sock in extra.items()}
    sandbox.set_base_url(base_url)
    for name, url in extra_urls.items():
        sandbox.set_extra_url(name, url)
    line: dict[str, Any] = {"system": sandbox.system, "base_url": base_url, "control_url": _url(control)}
    if extra_urls:
        line["extra_urls"] = extra_urls
    servers = [
        (vendor, _server(sandbox.faults.wrap(sandbox.app), certificate)),
        (control, _server(sandbox.control(), None)),
        *((sock, _server(sandbox.faults.wrap(sandbox.extra_apps[name]), certificate)) for name, sock in extra.items()),
    ]
    for sock, _ in servers:
        sock.listen(2048)
    sys.stdout.write(json.dumps({**line, "credentials": dict(sandbox.credentials(base_url))}) + "\n")
    sys.stdout.flush()
    background = asyncio.ensure_future(sandbox.run())
    try:
        await asyncio.gather(*(server.serve(sockets=[sock]) for sock, server in servers))
    finally:
        background.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await background
