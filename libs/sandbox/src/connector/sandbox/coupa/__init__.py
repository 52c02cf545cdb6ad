"""A Coupa instance: suppliers, external purchase orders, invoices and their reference data over the Core API."""

import random
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from connector.sandbox.core.clock import SandboxClock
from connector.sandbox.core.faults import Faults
from connector.sandbox.core.sandbox import Sandbox

from .acts import Acts
from .api import Api
from .auth import ALL_SCOPES, Auth, Client
from .quota import LeakyBucket
from .schema import PARTS
from .seed import CHART
from .seed import seed as plant
from .service import Service
from .settings import Settings
from .store import Instance
from .view import View
from .webhooks import Webhooks


class CoupaSandbox(Sandbox):
    """Adds what a simulation in the same process may want to reach: the sender of webhooks and the request limit."""

    __slots__ = ("bucket", "webhooks")
    webhooks: Webhooks
    bucket: LeakyBucket


def create(*, clock: SandboxClock, seed: int, **settings: Any) -> CoupaSandbox:
    """One instance with its reference data; `settings` are the names of `Settings`."""
    switches = Settings(**settings)
    drawn = random.Random(seed)
    instance = Instance(switches, clock.now, drawn)
    service = Service(instance, View(switches))
    plant(service)
    auth = Auth(instance)
    client = Client(f"coupa-client-{seed}", drawn.randbytes(32).hex(), "integration")
    auth.clients[client.client_id] = client
    webhook_secret = drawn.randbytes(32).hex()
    webhooks = Webhooks(switches, clock, seed)
    instance.listeners.append(webhooks.notice)
    bucket = LeakyBucket(switches, clock.time)

    def credentials(base_url: str) -> Mapping[str, Any]:
        return {
            "base_url": base_url,
            "token_url": f"{base_url}/oauth2/token",
            "client_id": client.client_id,
            "client_secret": client.secret,
            "scopes": sorted(ALL_SCOPES),
            "login": client.login,
            "webhook_secret": webhook_secret,
            "account_type": CHART,
            "ship_to_address": "MAIN",
            "ship_to_user": "receiving",
        }

    sandbox = CoupaSandbox(
        system="coupa",
        app=Api(service, auth, bucket).app(),
        faults=Faults(clock, seed),
        credentials=credentials,
        acts=Acts(service, auth, webhooks, bucket).by_name(),
        dump=lambda: dump(instance),
        settings=switches,
        run=webhooks.run,
        set_base_url=lambda base_url: None,
    )
    sandbox.webhooks, sandbox.bucket = webhooks, bucket
    return sandbox


def dump(instance: Instance) -> dict[str, Any]:
    """Every object of every kind as the API shows it, removed ones marked `deleted`, and what was sent to suppliers."""
    view = View(instance.settings, with_deleted=True)
    parts = {kind.path for kind in PARTS}
    store: dict[str, Any] = {
        path: [view.full(record) for record in (*collection.records.values(), *collection.removed)]
        for path, collection in instance.collections.items()
        if path not in parts
    }
    store["transmissions"] = [asdict(sent) for sent in instance.transmissions]
    return store
