"""Basware P2P: invoices, exported orders and vendors over two origins, push notifications, asynchronous results."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connector.sandbox.core.clock import SandboxClock
from connector.sandbox.core.faults import Faults
from connector.sandbox.core.sandbox import Sandbox

from . import invoice_routes, masterdata, orders, push_routes
from .acts import acts
from .api import front
from .baseline import (
    CLIENT_ID,
    COMPANY_CODES,
    MAIN_TENANT,
    OTHER_CLIENT_ID,
    OTHER_TENANT,
    add_reference_data,
    add_tenants,
    secret_of,
)
from .dump import dump
from .settings import BaswareSettings
from .webhooks import Webhooks
from .world import World, make_world

__all__ = ["BaswareSandbox", "BaswareSettings", "create"]

BLOB = "blob"
"""Name of the second origin: what redirects point at."""


@dataclass(slots=True)
class BaswareSandbox(Sandbox):
    webhooks: Webhooks = field(kw_only=True)
    """Its `client` (an httpx.AsyncClient, made at the first notice if None) may be replaced."""


def create(*, clock: SandboxClock, seed: int, baseline: bool = True, **settings: Any) -> BaswareSandbox:
    """A tenant with reference data (`baseline`), a second empty tenant, and the switches of `BaswareSettings`."""
    world = make_world(clock, seed, BaswareSettings(**settings))
    add_tenants(world, seed)
    if baseline:
        add_reference_data(world)

    def set_base_url(url: str) -> None:
        world.base_url = url

    def set_extra_url(name: str, url: str) -> None:
        if name != BLOB:
            raise ValueError(f"no such origin: {name}")
        world.blob.base_url = url

    async def run() -> None:
        try:
            await world.background.run()
        finally:
            await world.webhooks.close()

    return BaswareSandbox(
        system="basware",
        app=front(world, _api(world)),
        faults=Faults(clock, seed),
        credentials=lambda base_url: _credentials(world, seed, base_url),
        acts=acts(world),
        dump=lambda: dump(world),
        settings=world.settings,
        run=run,
        set_base_url=set_base_url,
        extra_apps={BLOB: world.blob.app()},
        set_extra_url=set_extra_url,
        webhooks=world.webhooks,
    )


def _api(world: World) -> Starlette:
    async def jwks(_: Request) -> Response:
        return JSONResponse(world.auth.jwks())

    async def openid(_: Request) -> Response:
        uri = f"{world.base_url}/.well-known/jwks.json"
        return JSONResponse({"issuer": world.settings.issuer, "jwks_uri": uri})

    return Starlette(
        routes=[
            *invoice_routes.routes(world),
            *orders.routes(world),
            *masterdata.routes(world),
            *push_routes.routes(world),
            Route("/v1/tokens", world.auth.token, methods=["POST"]),
            Route("/.well-known/jwks.json", jwks),
            Route("/.well-known/openid-configuration", openid),
        ]
    )


def _credentials(world: World, seed: int, base_url: str) -> Mapping[str, Any]:
    client = world.auth.clients[CLIENT_ID]
    return {
        "base_url": base_url,
        "token_url": f"{base_url}/v1/tokens",
        "blob_url": world.blob.base_url,
        "client_id": CLIENT_ID,
        "client_secret": secret_of(CLIENT_ID, seed),
        "scopes": sorted(client.scopes),
        "bwcid": MAIN_TENANT,
        "webhook_secret": f"webhook-secret-ü-{seed}",
        "company_codes": list(COMPANY_CODES),
        "other_tenant": {
            "bwcid": OTHER_TENANT,
            "client_id": OTHER_CLIENT_ID,
            "client_secret": secret_of(OTHER_CLIENT_ID, seed),
        },
    }
