"""The platform between two sandboxes, by the rooms that production uses; each flow has a world of its own."""

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import httpx

from connector.adapters.memory.blobs import MemoryBlobs
from connector.adapters.memory.entry_index import MemoryEntryIndex
from connector.adapters.memory.transfers import MemoryTransfers
from connector.adapters.systems import RoomParts, flow_kinds, room
from connector.adapters.vault import Fingerprints
from connector.console.demo.flows import Connecting
from connector.domain.documents.translation import Translations
from connector.domain.identity import ConnectionId
from connector.domain.ports.answers import Responder
from connector.domain.ports.configuration import Connection, Flow, FlowState, MappingEntry, OnBlock
from connector.domain.ports.source import Notice, Source
from connector.domain.ports.target import Target
from connector.domain.ports.vault import KeyRing
from connector.domain.sync.dispatcher import Pace
from connector.sandbox.core.clock import SandboxClock
from connector.sandbox.core.faults import App
from connector.sandbox.core.sandbox import Sandbox
from connector.sandbox.exact import ExactSandbox
from tests.simulation.checking import Finding
from tests.simulation.loop import START
from tests.simulation.process import Process, Reached
from tests.simulation.world import FLOW, SOURCE, TARGET, World

from .network import Line, OpenGate, Vendor
from .screens import Rows, Screens

CALLBACK = "http://127.0.0.1"
CALL_DEADLINE_S, PROCESSING_S, CATCH_UP_S, WAIT_S = 4.0, 3.0, 20.0, 20.0
A_LONG_TIME_S = 1e9
RING = KeyRing("2026-11", {"2026-11": bytes(32)})


class Books(Protocol):
    """The people of a company at both vendors' screens, and who judges their books in the end."""

    async def prepare(self) -> None:
        """Everything that exists before the connector is connected."""
        ...

    async def enter(self, name: str, entity: str) -> None:
        """A document, known to the schedule by this name."""
        ...

    async def change(self, kind: str, name: str) -> str | None:
        """What a person does to a document: the fault or edit that it was, None where it could not be done."""
        ...

    async def put_right(self) -> None:
        """What people do in the end about what only they can settle."""
        ...

    async def findings(self, rows: Rows) -> list[Finding]:
        """Both stores side by side, judged by code that knows nothing of the connector."""
        ...


class RoomsWorld(World):
    document_kinds: Sequence[str]
    """Entities that people enter; the first schedule's document is always the first of these."""
    edits: Mapping[str, int]
    """What people do to documents, with its weight."""
    faults: Mapping[str, int] = {}
    """What goes wrong here alone, with its weight."""
    books: Books
    nth_flow = 0
    """Of the demo's tenant."""
    options: Mapping[str, Any] = {}
    """Beside those of the demo's tenant."""
    call_deadline_s, processing_s = CALL_DEADLINE_S, PROCESSING_S
    pace = Pace(recheck_s=10.0, refresh_s=20.0, sweep_s=8.0, seen_again_s=20.0)

    def _open_vendors(self) -> None:
        self.index, self.blobs = MemoryEntryIndex(), MemoryBlobs()
        self.transfers = MemoryTransfers(self.now, self.answers.answered)
        self.notice_faults = []
        self.gate = OpenGate({})
        self.vendors: dict[str, Vendor] = {}
        self._open_sandboxes(SandboxClock(_time, asyncio.sleep), self.schedule.seed)
        self.source = self.vendors[f"{self.system}.test"]
        self.erp = self.source  # type: ignore[assignment]
        self.shop = self.vendors[f"{self.target_system}.test"]  # type: ignore[assignment]

    @abstractmethod
    def _open_sandboxes(self, clock: SandboxClock, seed: int) -> None:
        """Both vendors; then their books."""

    @abstractmethod
    async def _tokens(self) -> dict[ConnectionId, str]: ...

    @abstractmethod
    def _connect(self) -> Connecting:
        """A tenant for the books, as the demo of the flow has one."""

    def open_vendor(self, sandbox: Sandbox) -> Vendor:
        """Its server, under its own name as host."""
        sandbox.set_base_url(f"http://{sandbox.system}.test")
        dice = self.dice(sandbox.system)
        vendor = Vendor(sandbox, dice, self.covered, CALL_DEADLINE_S, PROCESSING_S)
        self.vendors[f"{sandbox.system}.test"] = vendor
        return vendor

    def further_origin(self, of: Vendor, app: App) -> Vendor:
        """Another host of the same vendor."""
        return replace(of, app=app, random=self.dice(f"{of.sandbox.system} further"), faults=[])

    def screens(self, sandbox: Sandbox) -> Screens:
        return Screens(sandbox, f"http://{sandbox.system}.test")

    async def prepare(self) -> None:
        await self.books.prepare()
        self.gate.tokens = await self._tokens()
        for vendor in self.vendors.values():
            if vendor is self.source:
                _webhooks(vendor.sandbox).client = httpx.AsyncClient(transport=_Deliveries(self))
            self.background(vendor.sandbox.run())
        self.configure(dry_run=False, mapped=True)

    def set_references(self, *, complete: bool) -> None:
        """The vendors' reference data stay as they are."""

    def stale_references(self) -> bool:
        return False

    def configure(self, *, dry_run: bool, mapped: bool, narrowed: bool = False) -> None:
        self.dry_run, self.mapped, self.narrowed = dry_run, mapped, narrowed
        entered = self._connect().configuration
        given = list(entered["flows"].values())[self.nth_flow]
        kind = flow_kinds()[given["kind"]]
        of_source = entered["connections"][given["source"]]["settings"]
        of_target = entered["connections"][given["target"]]["settings"]
        self.configuration.apply(
            connections={
                SOURCE: _connection(SOURCE, self.system, of_source),
                TARGET: _connection(TARGET, self.target_system, of_target),
            },
            flows={
                FLOW: Flow(
                    id=FLOW,
                    kind=kind.name,
                    source=SOURCE,
                    target=TARGET,
                    entities=kind.entities,
                    references=frozenset(given.get("references", ())),
                    state=FlowState.DRY_RUN if dry_run else FlowState.LIVE,
                    start_date=START.date().fromisoformat(given["start_date"]),
                    options=kind.options.model_validate({**given["options"], **self.options}),
                    on_block=OnBlock(given.get("on_block", OnBlock.HOLD)),
                    feedback=kind.feedback,
                    wait_s=given["wait_s"],
                )
            },
            mappings={
                (FLOW, table): {key: MappingEntry(value, "1") for key, value in entries.items()}
                for table, entries in given["mappings"].items()
            },
        )

    def _parts(self, process: Process, id: ConnectionId) -> RoomParts:
        connection = self.configuration.snapshot.connections[id]
        stores = {
            "entry-index": Reached(process, self.index),
            "transfers": Reached(process, self.transfers),
            "blobs": Reached(process, self.blobs),
            "clock": process,
            "fingerprints": Fingerprints(id.tenant, lambda: RING),
            "webhook-secret": self._webhook_secret,
            "is-live": self._is_live,
        }
        return RoomParts(
            connection=id,
            settings=connection.settings,
            gate=self.gate,
            http=httpx.AsyncClient(transport=Line(process, self.vendors), trust_env=False),
            stores=stores,
            public_base_url=CALLBACK,
            endpoint_id=self.system,
        )

    async def _webhook_secret(self) -> str:
        return str(self._given["webhook_secret"])

    async def _is_live(self) -> bool:
        return not self.dry_run

    @property
    def _given(self) -> Mapping[str, Any]:
        return self.source.sandbox.credentials(f"http://{self.system}.test")

    def source_of(self, process: Process) -> Source:
        return room(self.system).source(self._parts(process, SOURCE))

    def target_of(self, process: Process) -> Target:
        return room(self.target_system).target(self._parts(process, TARGET), f"{self.system}-{self.target_system}")

    def responder_of(self, process: Process) -> Responder | None:
        responder = getattr(room(self.system), "responder", None)
        return None if responder is None else responder(self._parts(process, SOURCE))

    def notices_of(self, webhook: bytes) -> Sequence[Notice]:
        return room(self.system).notices(webhook)

    def translations_of(self, _: str) -> Translations:
        return room(self.system).TRANSLATIONS

    @property
    def under_way(self) -> int:
        notices = getattr(_webhooks(self.source.sandbox), "pending", 0)
        return sum(vendor.under_way for vendor in self.vendors.values()) + notices

    async def receive(self, headers: Mapping[str, str], body: bytes) -> int:
        """What ingest answers a notice: verified over its bytes, acknowledged once the log has it."""
        settings: Any = self.configuration.snapshot.connections[SOURCE].settings
        verdict = room(self.system).webhook(settings, self._given).verify(headers, body)
        if not verdict.publish:
            return verdict.status
        fault = self.notice_faults.pop(0) if self.notice_faults else None
        if fault is not None:
            self.covered[fault] += 1
        if fault == "notice-lost":
            return 200
        if fault == "notice-delayed":
            await asyncio.sleep(4.0)
        if fault == "notice-doubled":
            await self.received(body)
        return 200 if await self.received(body) else 503


def _webhooks(sandbox: Sandbox) -> Any:
    return sandbox.site.webhooks if isinstance(sandbox, ExactSandbox) else sandbox.webhooks  # type: ignore[attr-defined]


def _time() -> float:
    return START.timestamp() + asyncio.get_running_loop().time()


def _connection(id: ConnectionId, system: str, settings: dict[str, Any]) -> Connection:
    timing = {"call_deadline_s": CALL_DEADLINE_S, "processing_s": PROCESSING_S}
    quick = {"minute_s": 1, "catch_up_s": CATCH_UP_S, "vendors_s": CATCH_UP_S, **timing}
    fields = room(system).Settings.model_fields
    given = settings | {name: value for name, value in quick.items() if name in fields}
    validated = room(system).Settings.model_validate(given)
    return Connection(id, system, validated, call_deadline_s=CALL_DEADLINE_S, processing_s=PROCESSING_S)


async def exact_token(vendor: Vendor, app: Mapping[str, Any], url: str = "http://exact.test") -> str:
    """As a person's login gives it."""
    redirect = vendor.sandbox.credentials(url)["redirect_uris"][0]
    query = {"client_id": app["client_id"], "redirect_uri": redirect, "response_type": "code"}
    answer = await vendor.answer(httpx.Request("GET", f"{url}/api/oauth2/auth", params=query))
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    form = {name: app[name] for name in ("client_id", "client_secret")}
    form |= {"grant_type": "authorization_code", "redirect_uri": redirect, "code": code}
    return await token(vendor, f"{url}/api/oauth2/token", form)


async def token(vendor: Vendor, url: str, form: Mapping[str, str], **given: Any) -> str:
    answer = await vendor.answer(httpx.Request("POST", url, data=dict(form), **given))
    return str(answer.json()["access_token"])


class _Deliveries(httpx.AsyncBaseTransport):
    """The source's way to ingest."""

    def __init__(self, world: RoomsWorld) -> None:
        self._world = world

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        return httpx.Response(await self._world.receive(dict(request.headers), body))
