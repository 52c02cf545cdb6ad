"""Exact Online as a local server: OAuth chains, OData reads, purchasing and its bookings, feeds, webhooks, limits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from connector.sandbox.core.clock import SandboxClock
from connector.sandbox.core.faults import Faults, Scope
from connector.sandbox.core.sandbox import Sandbox

from .acts import bookkeeping
from .desk import Desk
from .oauth import ROTATED
from .seed import populate
from .settings import REGIONS, Settings
from .site import Site
from .site_acts import administration
from .store import World

__all__ = ["REGIONS", "ExactSandbox", "Settings", "create"]


@dataclass(slots=True, kw_only=True)
class ExactSandbox(Sandbox):
    """The sandbox with its inside: `site.webhooks.client` may be replaced by one with an in-process transport."""

    site: Site


def create(*, clock: SandboxClock, seed: int, **settings: Any) -> ExactSandbox:
    """One site with two companies; `settings` are fields of Settings. A second region is a second sandbox."""
    chosen = Settings(**settings)
    world = World(clock, seed, chosen)
    site = Site.build(world)
    populate(site)
    faults = Faults(clock, seed)
    faults.on_lost = _count_lost(site)
    desk = Desk(world)
    return ExactSandbox(
        system="exact",
        app=site.api,
        faults=faults,
        credentials=site.credentials,
        acts={**bookkeeping(desk), **administration(site, desk)},
        dump=lambda: _dump(site),
        settings=chosen,
        run=site.webhooks.run,
        set_base_url=lambda base_url: setattr(world, "base_url", base_url.rstrip("/")),
        site=site,
    )


def _count_lost(site: Site) -> Callable[[Scope], None]:
    def lost(scope: Scope) -> None:
        if scope.get(ROTATED):
            site.authority.counters.answers_lost += 1

    return lost


def _dump(site: Site) -> Mapping[str, Any]:
    return {**site.world.dump(), "counters": [site.counters()]}
