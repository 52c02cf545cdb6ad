"""The platform between the Exact sandbox and the Coupa sandbox, by the rooms that production uses."""

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from connector.adapters.memory.entry_index import MemoryEntryIndex
from connector.adapters.systems import RoomParts, flow_kinds, room
from connector.console.demo.flows import FLOWS
from connector.domain.documents.translation import Translations
from connector.domain.identity import Entity
from connector.domain.ports.configuration import Connection, Flow, FlowState, MappingEntry
from connector.domain.ports.source import Notice, Source
from connector.domain.ports.target import Target
from connector.domain.sync.dispatcher import Pace
from connector.sandbox import coupa, exact
from connector.sandbox.core.clock import SandboxClock
from connector.sandbox.core.sandbox import Sandbox
from tests.simulation.loop import START
from tests.simulation.process import Process, Reached
from tests.simulation.world import FLOW, SOURCE, TARGET, World

from .books import Books, Screens
from .network import Line, OpenGate, Vendor

EXACT_URL, COUPA_URL = "http://exact.test", "http://coupa.test"
CALLBACK = "http://127.0.0.1/webhooks/exact"
CALL_DEADLINE_S, PROCESSING_S, CATCH_UP_S, WAIT_S = 4.0, 3.0, 20.0, 20.0
A_LONG_TIME_S = 1e9


def _time() -> float:
    return START.timestamp() + asyncio.get_running_loop().time()


class RoomsWorld(World):
    system, target_system = "exact", "coupa"
    entities = (Entity.REFERENCE, Entity.SUPPLIER, Entity.PURCHASE_ORDER, Entity.INVOICE)
    pace = Pace(recheck_s=10.0, refresh_s=20.0, sweep_s=8.0, seen_again_s=20.0)

    def _open_vendors(self) -> None:
        clock = SandboxClock(_time, asyncio.sleep)
        seed = self.schedule.seed
        self.exact = exact.create(
            clock=clock, seed=seed, minute_s=1.0, day_limit=10**9, token_life_s=A_LONG_TIME_S,
            processing_s=PROCESSING_S,
            webhook_jitter_s=1.0, webhook_retry_s=1.0, webhook_tries=60,
        )  # fmt: skip
        self.coupa = coupa.create(clock=clock, seed=seed, rate_burst=A_LONG_TIME_S)
        self.exact.set_base_url(EXACT_URL)
        self.source_vendor = self._vendor(self.exact, "exact")
        self.target_vendor = self._vendor(self.coupa, "coupa")
        self.erp, self.shop = self.source_vendor, self.target_vendor  # type: ignore[assignment]
        self.index = MemoryEntryIndex()
        self.books = Books(Screens(self.exact, EXACT_URL), Screens(self.coupa, COUPA_URL), self.dice("books"))
        self.notice_faults = []
        self.gate = OpenGate({})

    def _vendor(self, sandbox: Sandbox, name: str) -> Vendor:
        return Vendor(sandbox, self.dice(name), self.covered, CALL_DEADLINE_S, PROCESSING_S)

    async def prepare(self) -> None:
        """Everything that exists before the connector is connected."""
        await self.books.prepare()
        self.gate.tokens = {SOURCE: await self._exact_token(), TARGET: await self._coupa_token()}
        self.exact.site.webhooks.client = httpx.AsyncClient(transport=_Deliveries(self))
        self.background(self.exact.site.webhooks.run())
        self.configure(dry_run=False, mapped=True)

    async def _exact_token(self) -> str:
        given = self.exact.credentials(EXACT_URL)
        redirect = given["redirect_uris"][0]
        query = {"client_id": given["client_id"], "redirect_uri": redirect, "response_type": "code"}
        answer = await self.source_vendor.answer(httpx.Request("GET", f"{EXACT_URL}/api/oauth2/auth", params=query))
        code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
        form = {name: given[name] for name in ("client_id", "client_secret")}
        form |= {"grant_type": "authorization_code", "redirect_uri": redirect, "code": code}
        return await _token(self.source_vendor, f"{EXACT_URL}/api/oauth2/token", form)

    async def _coupa_token(self) -> str:
        given = self.coupa.credentials(COUPA_URL)
        form = {name: given[name] for name in ("client_id", "client_secret")}
        form |= {"grant_type": "client_credentials", "scope": " ".join(given["scopes"])}
        return await _token(self.target_vendor, given["token_url"], form)

    def set_references(self, *, complete: bool) -> None:
        """Coupa's reference data stay as they are."""

    def configure(self, *, dry_run: bool, mapped: bool) -> None:
        self.dry_run, self.mapped = dry_run, mapped
        company = self.books.company
        facts = {
            "start_date": company.start.isoformat(),
            "divisions": [{"code": division.code, "prefix": division.prefix} for division in company.divisions],
        }
        printed = {
            "exact": {"base_url": EXACT_URL, "credentials": self.exact.credentials(EXACT_URL)},
            "coupa": {"base_url": COUPA_URL, "credentials": self.coupa.credentials(COUPA_URL)},
        }
        entered = FLOWS["exact-coupa"].connect(facts, printed).configuration
        code = company.main.code
        given = entered["flows"][f"exact-coupa-{code}"]
        kind = flow_kinds()["exact-coupa"]
        timing = {"call_deadline_s": CALL_DEADLINE_S, "processing_s": PROCESSING_S}
        of_exact = entered["connections"][f"exact-{code}"]["settings"] | {"minute_s": 1, "catch_up_s": CATCH_UP_S}
        of_coupa = entered["connections"]["coupa"]["settings"] | timing
        self.configuration.apply(
            connections={
                SOURCE: _connection(SOURCE, "exact", of_exact | {"call_deadline_s": CALL_DEADLINE_S}),
                TARGET: _connection(TARGET, "coupa", of_coupa),
            },
            flows={
                FLOW: Flow(
                    id=FLOW,
                    kind=kind.name,
                    source=SOURCE,
                    target=TARGET,
                    entities=kind.entities,
                    references=frozenset(given["references"]),
                    state=FlowState.DRY_RUN if dry_run else FlowState.LIVE,
                    start_date=company.start,
                    options=kind.options.model_validate(given["options"] | {"create_suppliers": True}),
                    wait_s=WAIT_S,
                )
            },
            mappings={
                (FLOW, table): {key: MappingEntry(value, "1") for key, value in entries.items()}
                for table, entries in given["mappings"].items()
            },
        )

    def _parts(self, process: Process, connection: Connection) -> RoomParts:
        vendors = {"exact.test": self.source_vendor, "coupa.test": self.target_vendor}
        return RoomParts(
            connection=connection.id,
            settings=connection.settings,
            gate=self.gate,
            http=httpx.AsyncClient(transport=Line(process, vendors), trust_env=False),
            stores={"entry-index": Reached(process, self.index), "clock": process},
            public_base_url="http://127.0.0.1",
            endpoint_id="exact",
        )

    def source_of(self, process: Process) -> Source:
        connection = self.configuration._snapshot.connections[SOURCE]
        return room("exact").source(self._parts(process, connection))

    def target_of(self, process: Process) -> Target:
        connection = self.configuration._snapshot.connections[TARGET]
        return room("coupa").target(self._parts(process, connection), "exact-coupa")

    def notices_of(self, webhook: bytes) -> Sequence[Notice]:
        return room("exact").notices(webhook)

    def translations_of(self, _: str) -> Translations:
        return room("exact").TRANSLATIONS

    def stale_references(self) -> bool:
        """Reference data of the vendors stay as they are."""
        return False

    @property
    def under_way(self) -> int:
        return self.target_vendor.under_way + self.source_vendor.under_way + self.exact.site.webhooks.pending

    async def receive(self, body: bytes) -> int:
        """What ingest answers a notice: verified over its bytes, acknowledged once the log has it."""
        given = self.exact.credentials(EXACT_URL)
        settings: Any = self.configuration._snapshot.connections[SOURCE].settings
        verdict = room("exact").webhook(settings, given).verify({}, body)
        if not verdict.publish:
            return verdict.status
        fault = self.notice_faults.pop(0) if self.notice_faults else None
        if fault is not None:
            self.covered[fault] += 1
        if fault == "notice-lost":
            return 200
        if fault == "notice-delayed":
            await asyncio.sleep(5.0)
        if fault == "notice-doubled":
            await self.received(body)
        return 200 if await self.received(body) else 503


def _connection(id: Any, system: str, settings: dict[str, Any]) -> Connection:
    made = room(system).Settings.model_validate(settings)
    return Connection(id, system, made, call_deadline_s=CALL_DEADLINE_S, processing_s=PROCESSING_S)


async def _token(vendor: Vendor, url: str, form: dict[str, str]) -> str:
    answer = await vendor.answer(httpx.Request("POST", url, data=form))
    return str(answer.json()["access_token"])


class _Deliveries(httpx.AsyncBaseTransport):
    """Exact's way to ingest."""

    def __init__(self, world: RoomsWorld) -> None:
        self._world = world

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(await self._world.receive(await request.aread()))
