"""Basware to Exact Online: invoices in rounds, each answered once; one company has refused what the other holds."""

from collections.abc import Mapping
from typing import Any

import httpx

from connector.adapters.systems.basware.settings import SCOPES
from connector.console.demo.flows import FLOWS, Connecting
from connector.domain.identity import ConnectionId, Entity
from connector.sandbox import basware, exact
from connector.sandbox.core.clock import SandboxClock
from connector.sandbox.demo.basware_exact.company import FIRST, SECOND
from tests.simulation.world import SOURCE, TARGET

from .basware_books import BaswareBooks
from .exact_coupa import OF_EXACT
from .world import A_LONG_TIME_S, RoomsWorld, exact_token, token

BASWARE_URL, BLOB = "http://basware.test", "blob"


class BaswareExactWorld(RoomsWorld):
    system, target_system = "basware", "exact"
    entities = (Entity.SUPPLIER, Entity.PURCHASE_ORDER, Entity.INVOICE)
    document_kinds = ("invoice",)
    edits: Mapping[str, int] = {
        "transfer-again": 9,
        "recode": 3,
        "withdrawn": 5,
        "open-account": 2,
        "refused": 2,
        "rename": 1,
    }
    faults: Mapping[str, int] = {
        "source-lost-before-commit": 30,
        "source-lost-after-commit": 30,
        "source-committed-late": 30,
    }
    """Of what is told to Basware."""
    books: BaswareBooks

    def _open_sandboxes(self, clock: SandboxClock, seed: int) -> None:
        switches: dict[str, Any] = {
            "attachments_visible": "always",
            "async_delay_s": 0.5,
            "token_ttl_s": int(A_LONG_TIME_S),
        }
        sandbox = basware.create(clock=clock, seed=seed, **switches)
        self._basware = self.open_vendor(sandbox)
        self._basware.prefix = "source-"
        sandbox.set_extra_url(BLOB, f"http://{BLOB}.test")
        self.vendors[f"{BLOB}.test"] = self.further_origin(self._basware, sandbox.extra_apps[BLOB])
        self._exact = self.open_vendor(exact.create(clock=clock, seed=seed, error_block=False, **OF_EXACT))
        self.nth_flow = 0 if self.schedule.rejects else 1
        of = FIRST if self.schedule.rejects else SECOND
        screens = self.screens(sandbox), self.screens(self._exact.sandbox)
        self.books = BaswareBooks(*screens, self.dice("books"), of)

    async def _tokens(self) -> dict[ConnectionId, str]:
        given = self._given
        form = {"grant_type": "client_credentials", "scope": " ".join(SCOPES)}
        url = f"{BASWARE_URL}/v1/tokens"
        client = {"x-bw-request-id": "0a1b2c3d-4e5f-4a6b-8c7d-9e8f7a6b5c4d", "authorization": _basic(given)}
        app = self._exact.sandbox.credentials("http://exact.test")["apps"][self.nth_flow]
        return {
            SOURCE: await token(self._basware, url, form, headers=client),
            TARGET: await exact_token(self._exact, app),
        }

    def _connect(self) -> Connecting:
        company = self.books.company
        facts = {"start_date": company.start.isoformat(), "divisions": company.divisions}
        printed = {
            "basware": {"base_url": BASWARE_URL, "credentials": company.basware.credentials},
            "exact": {"base_url": "http://exact.test", "credentials": company.exact.credentials},
        }
        return FLOWS["basware-exact"].connect(facts, printed)


def _basic(given: Mapping[str, Any]) -> str:
    return httpx.BasicAuth(given["client_id"], given["client_secret"])._auth_header
