"""What all parts of the sandbox share."""

import hashlib
import random
from dataclasses import dataclass, field

from connector.sandbox.core.clock import SandboxClock

from .auth import Auth
from .background import Background
from .blob import BlobStore
from .quota import RateLimit
from .results import PlannedFailure
from .settings import BaswareSettings
from .store import Changes
from .tenant import Seeded, Tenant
from .webhooks import Webhooks


@dataclass(slots=True)
class World:
    clock: SandboxClock
    settings: BaswareSettings
    seeded: Seeded
    changes: Changes
    background: Background
    auth: Auth
    rate_limit: RateLimit
    blob: BlobStore
    webhooks: Webhooks
    secret: bytes
    """Signs continuation tokens."""
    base_url: str = "http://basware.sandbox"
    tenants: dict[str, Tenant] = field(default_factory=dict)
    planned_failures: list[PlannedFailure] = field(default_factory=list)

    def tenant(self, bwcid: str | None) -> Tenant:
        """The named tenant, by default the first. Raises ValueError."""
        name = bwcid or next(iter(self.tenants))
        if name not in self.tenants:
            raise ValueError(f"no such tenant: {name}; there are {', '.join(self.tenants)}")
        return self.tenants[name]


def make_world(clock: SandboxClock, seed: int, settings: BaswareSettings) -> World:
    seeded = Seeded(random.Random(seed), random.Random(f"ids {seed}"))
    background = Background(clock)
    return World(
        clock=clock,
        settings=settings,
        seeded=seeded,
        changes=Changes(clock),
        background=background,
        auth=Auth(clock, settings, seeded.ids),
        rate_limit=RateLimit(clock, settings),
        blob=BlobStore(clock, hashlib.sha256(b"blob %d" % seed).digest()),
        webhooks=Webhooks(clock, settings, seeded, background),
        secret=hashlib.sha256(b"continuation %d" % seed).digest(),
    )
