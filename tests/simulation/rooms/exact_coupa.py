"""Exact Online to Coupa, one division."""

from collections.abc import Mapping
from typing import Any

from connector.console.demo.flows import FLOWS, Connecting
from connector.domain.identity import ConnectionId, Entity
from connector.sandbox import coupa, exact
from connector.sandbox.core.clock import SandboxClock
from tests.simulation.world import SOURCE, TARGET

from .coupa_books import CoupaBooks
from .world import A_LONG_TIME_S, PROCESSING_S, RoomsWorld, exact_token, token

OF_EXACT: Mapping[str, Any] = {
    "minute_s": 1.0,
    "day_limit": 10**9,
    "token_life_s": A_LONG_TIME_S,
    "processing_s": PROCESSING_S,
    "webhook_jitter_s": 1.0,
    "webhook_retry_s": 1.0,
    "webhook_tries": 60,
}


class ExactCoupaWorld(RoomsWorld):
    system, target_system = "exact", "coupa"
    entities = (Entity.REFERENCE, Entity.SUPPLIER, Entity.PURCHASE_ORDER, Entity.INVOICE)
    options: Mapping[str, Any] = {"create_suppliers": True}
    document_kinds = ("purchase-order", "invoice")
    edits: Mapping[str, int] = {"edit": 6, "cancelled": 2, "deleted": 2, "rename": 1, "refused": 1}
    books: CoupaBooks

    def _open_sandboxes(self, clock: SandboxClock, seed: int) -> None:
        self._exact = self.open_vendor(exact.create(clock=clock, seed=seed, **OF_EXACT))
        self._coupa = self.open_vendor(coupa.create(clock=clock, seed=seed, rate_burst=A_LONG_TIME_S))
        self.books = CoupaBooks(
            self.screens(self._exact.sandbox), self.screens(self._coupa.sandbox), self.dice("books")
        )

    async def _tokens(self) -> dict[ConnectionId, str]:
        given = self._coupa.sandbox.credentials("http://coupa.test")
        form = {name: given[name] for name in ("client_id", "client_secret")}
        form |= {"grant_type": "client_credentials", "scope": " ".join(given["scopes"])}
        return {
            SOURCE: await exact_token(self._exact, self._given),
            TARGET: await token(self._coupa, given["token_url"], form),
        }

    def _connect(self) -> Connecting:
        company = self.books.company
        facts = {
            "start_date": company.start.isoformat(),
            "divisions": [{"code": division.code, "prefix": division.prefix} for division in company.divisions],
        }
        printed = {
            "exact": {"base_url": "http://exact.test", "credentials": company.exact.credentials},
            "coupa": {"base_url": "http://coupa.test", "credentials": company.coupa.credentials},
        }
        return FLOWS["exact-coupa"].connect(facts, printed)
