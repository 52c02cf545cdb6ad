"""Procore as a local server: commitments, direct costs, requisitions and budgets behind its API's rules and quirks."""

from dataclasses import dataclass, field
from typing import Any

from connector.sandbox.core.clock import SandboxClock
from connector.sandbox.core.faults import Faults
from connector.sandbox.core.sandbox import Sandbox

from . import (
    budget,
    commitment_routes,
    costs,
    direct_cost_routes,
    directory,
    requisition_routes,
    units,
    webhook_routes,
)
from .acts import Acts
from .api import Api
from .auth import OAuth
from .baseline import INTEGRATION, OTHER_INTEGRATION, PERSON
from .baseline import seed as seed_baseline
from .dump import dump
from .settings import Settings
from .webhooks import Webhooks
from .world import World

ENDPOINTS = [
    *commitment_routes.ENDPOINTS,
    *direct_cost_routes.ENDPOINTS,
    *requisition_routes.ENDPOINTS,
    *costs.ENDPOINTS,
    *directory.ENDPOINTS,
    *budget.ENDPOINTS,
    *units.ENDPOINTS,
    *webhook_routes.ENDPOINTS,
]


LOGIN = "login"
"""Name of the second origin: tokens come from a host of their own, which the first origin serves as well."""


@dataclass(slots=True)
class ProcoreSandbox(Sandbox):
    webhooks: Webhooks = field(kw_only=True)
    """Its `client` (an httpx.AsyncClient, made at the first notice if None) may be replaced."""


def create(*, clock: SandboxClock, seed: int, **settings: Any) -> ProcoreSandbox:
    """A sandbox with its reference data. `settings` are attributes of `Settings`."""
    switches = Settings(**settings)
    world = World(clock, switches, seed)
    company = seed_baseline(world)
    oauth = OAuth(clock, switches, seed + 2, [INTEGRATION, OTHER_INTEGRATION, PERSON])
    api = Api(world, oauth, ENDPOINTS)

    extra_urls: dict[str, str] = {}

    def set_extra_url(name: str, url: str) -> None:
        if name != LOGIN:
            raise ValueError(f"no such origin: {name}")
        extra_urls[name] = url

    app = api.asgi()

    def credentials(base_url: str) -> dict[str, Any]:
        projects = [row for row in world.store.projects.live() if row.company_id == company.id]
        return {
            "login_url": extra_urls.get(LOGIN, base_url),
            "api_url": base_url,
            "client_id": INTEGRATION.id,
            "client_secret": INTEGRATION.secret,
            "company_id": company.id,
            "projects": {project.number: project.id for project in projects},
            "other_integration": {"client_id": OTHER_INTEGRATION.id, "client_secret": OTHER_INTEGRATION.secret},
            "person": {"client_id": PERSON.id, "client_secret": PERSON.secret},
        }

    return ProcoreSandbox(
        system="procore",
        app=app,
        faults=Faults(clock, seed),
        credentials=credentials,
        acts=Acts(world, oauth, company, PERSON, OTHER_INTEGRATION).table(),
        dump=lambda: dump(world),
        settings=switches,
        run=world.webhooks.run,
        set_base_url=lambda _: None,
        extra_apps={LOGIN: app},
        set_extra_url=set_extra_url,
        webhooks=world.webhooks,
    )
