"""One site of the vendor: its books, its tokens, its limits and its notices."""

from dataclasses import asdict, dataclass
from typing import Any

from .api import Api
from .auth import App, Authority
from .errors import FunctionalError
from .quota import ErrorBlock, Quota
from .settings import Settings
from .store import World
from .webhooks import Webhooks


@dataclass(slots=True)
class Site:
    world: World
    settings: Settings
    authority: Authority
    webhooks: Webhooks
    quota: Quota
    block: ErrorBlock
    api: Api

    @classmethod
    def build(cls, world: World) -> "Site":
        settings, authority = world.settings, Authority(world)
        webhooks, quota, block = Webhooks(world, authority), Quota(settings), ErrorBlock(settings)
        return cls(world, settings, authority, webhooks, quota, block, Api(world, authority, webhooks, quota, block))

    def app(self, client_id: str | None) -> App:
        """The app a client id names; the first one without a name."""
        app = next(iter(self.authority.apps.values())) if client_id is None else self.authority.app(client_id)
        if app is None:
            raise FunctionalError(f"Unknown: App {client_id}")
        return app

    def counters(self) -> dict[str, Any]:
        """What happened so far, for tests and reports."""
        return {
            "tokens": asdict(self.authority.counters),
            "webhooks": {**self.webhooks.counts, "pending": self.webhooks.pending},
            "calls": dict(self.quota.spent),
            "limit_reached": dict(self.quota.refused),
            "error_blocks": self.block.blocks,
            "most_parallel": self.api.most_parallel,
        }

    def credentials(self, base_url: str) -> dict[str, Any]:
        """What a connection needs: the first app, all divisions; further apps and users beside."""
        app = self.app(None)
        return {
            "base_url": base_url,
            "region": self.settings.region,
            "client_id": app.client_id,
            "client_secret": app.client_secret,
            "webhook_secret": app.webhook_secret,
            "redirect_uris": app.redirect_uris,
            "divisions": sorted(self.world.divisions),
            "apps": [
                {"client_id": one.client_id, "client_secret": one.client_secret, "webhook_secret": one.webhook_secret,
                 "redirect_uris": one.redirect_uris}
                for one in self.authority.apps.values()
            ],
            "users": [
                {"user_id": user.id, "user_name": user.user_name, "divisions": user.divisions}
                for user in self.world.users.values()
            ],
        }  # fmt: skip
