"""Exact Online to Procore: orders, and invoices with and without them, in three projects of three cost models."""

from collections.abc import Mapping

from connector.console.demo.flows import FLOWS, Connecting
from connector.domain.identity import ConnectionId, Entity
from connector.sandbox import exact, procore
from connector.sandbox.core.clock import SandboxClock
from tests.simulation.world import SOURCE, TARGET

from .exact_coupa import OF_EXACT
from .procore_books import ProcoreBooks
from .world import A_LONG_TIME_S, RoomsWorld, exact_token, token

PROCORE_URL = "http://procore.test"


class ExactProcoreWorld(RoomsWorld):
    system, target_system = "exact", "procore"
    entities = (Entity.REFERENCE, Entity.SUPPLIER, Entity.PURCHASE_ORDER, Entity.INVOICE)
    document_kinds = ("purchase-order", "invoice", "billed")
    edits: Mapping[str, int] = {"edit": 6, "cancelled": 2, "deleted": 2, "refused": 2}
    faults: Mapping[str, int] = {"mapping-gap": 12}
    books: ProcoreBooks

    def _open_sandboxes(self, clock: SandboxClock, seed: int) -> None:
        self._exact = self.open_vendor(exact.create(clock=clock, seed=seed, **OF_EXACT))
        switches = {"hour_limit": None, "spike_limit": None, "token_life_s": A_LONG_TIME_S}
        sandbox = procore.create(clock=clock, seed=seed, subcontractor_invoice_enabled=True, **switches)
        self._procore = self.open_vendor(sandbox)
        self.books = ProcoreBooks(self.screens(self._exact.sandbox), self.screens(sandbox), self.dice("books"))

    async def _tokens(self) -> dict[ConnectionId, str]:
        given = self._procore.sandbox.credentials(PROCORE_URL)
        form = {"grant_type": "client_credentials", **{name: given[name] for name in ("client_id", "client_secret")}}
        app = self._exact.sandbox.credentials("http://exact.test")["apps"][0]
        return {
            SOURCE: await exact_token(self._exact, app),
            TARGET: await token(self._procore, f"{PROCORE_URL}/oauth/token", form),
        }

    def _connect(self) -> Connecting:
        """With a gap in the mapping one ledger account is not in the table."""
        facts = dict(self.books.facts)
        facts["costs"] = facts["corrected_costs"] if self.mapped else facts["costs"]
        printed = {
            "exact": {"base_url": "http://exact.test", "credentials": self.books.exact.credentials},
            "procore": {"base_url": PROCORE_URL, "credentials": self.books.procore.credentials},
        }
        return FLOWS["exact-procore"].connect(facts, printed)
