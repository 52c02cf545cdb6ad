"""Procore as a local server: commitments, direct costs, requisitions and budgets behind its API's rules and quirks."""

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


def create(*, clock: SandboxClock, seed: int, **settings: Any) -> Sandbox:
    """A sandbox with its reference data. `settings` are attributes of `Settings`."""
    switches = Settings(**settings)
    world = World(clock, switches, seed)
    company = seed_baseline(world)
    oauth = OAuth(clock, switches, seed + 2, [INTEGRATION, OTHER_INTEGRATION, PERSON])
    api = Api(world, oauth, ENDPOINTS)

    def credentials(base_url: str) -> dict[str, Any]:
        projects = [row for row in world.store.projects.live() if row.company_id == company.id]
        return {
            "login_url": base_url,
            "api_url": base_url,
            "client_id": INTEGRATION.id,
            "client_secret": INTEGRATION.secret,
            "company_id": company.id,
            "projects": {project.number: project.id for project in projects},
            "other_integration": {"client_id": OTHER_INTEGRATION.id, "client_secret": OTHER_INTEGRATION.secret},
            "person": {"client_id": PERSON.id, "client_secret": PERSON.secret},
        }

    return Sandbox(
        system="procore",
        app=api.asgi(),
        faults=Faults(clock, seed),
        credentials=credentials,
        acts=Acts(world, oauth, company, PERSON, OTHER_INTEGRATION).table(),
        dump=lambda: dump(world),
        settings=switches,
        run=world.webhooks.run,
        set_base_url=lambda _: None,
    )
