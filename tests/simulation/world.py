"""The whole platform of one schedule: an ERP, a shop, and between them every process, on stores that outlive them."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from connector.adapters.memory.answers import MemoryAnswers
from connector.adapters.memory.configuration import MemoryConfiguration
from connector.adapters.memory.desired import MemoryDesiredRows
from connector.adapters.memory.epochs import MemoryEpochs
from connector.adapters.memory.log import Fault, MemoryCluster, MemoryLog
from connector.adapters.memory.operations import MemoryOperations
from connector.adapters.memory.references import MemoryReferences
from connector.adapters.memory.source_keys import MemoryJobs, MemorySourceKeys, ReadState
from connector.adapters.memory.tables import MemoryTables
from connector.adapters.memory.target import MemoryOptions
from connector.adapters.signals import AsyncioSignal
from connector.domain.documents.envelope import SourceDocument
from connector.domain.documents.messages import document_message
from connector.domain.documents.translation import Translations
from connector.domain.identity import ConnectionId, Entity, FlowId, RowRef
from connector.domain.mapping.mapper import Mapper
from connector.domain.ports.answers import Responder
from connector.domain.ports.configuration import Connection, Flow, FlowState, MappingEntry, OnBlock
from connector.domain.ports.desired import Origin
from connector.domain.ports.epochs import EpochLost
from connector.domain.ports.log import (
    Cleanup,
    LogError,
    Message,
    Record,
    Topic,
    canonical_topic,
    documents_topic,
    webhooks_topic,
)
from connector.domain.ports.source import Notice, Source
from connector.domain.ports.target import Target
from connector.domain.read.notices import NoticeIntake
from connector.domain.read.reader import Publish, Reader
from connector.domain.read.reading import Reading
from connector.domain.sync.answering import Answering
from connector.domain.sync.dispatcher import Dispatcher, Pace
from connector.domain.sync.intake import Incoming, Intake
from connector.domain.sync.states import State

from .erp import Erp, ErpSource, account, notices, translations
from .loop import START
from .process import DatabaseAway, Process, Reached
from .schedule import GROUPS, PROCESSES, Schedule
from .shop import Shop, ShopTarget
from .watched import WatchedDispatch

SOURCE, TARGET = ConnectionId("acme", "erp"), ConnectionId("acme", "shop")
FLOW = FlowId("acme", "erp-shop")
ENTITIES = (Entity.SUPPLIER, Entity.PURCHASE_ORDER, Entity.INVOICE)
ACCOUNTS = ("4000", "4100")
TRANSLATIONS_AT_MOST = 12
WAIT_S = 20.0
BATCH = 4
"""Records a consumer takes at once: few, so that a replay shows its older revisions."""


class WorldClock:
    """Of the log: nobody's process, so nothing befalls it."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice

    def now(self) -> datetime:
        return START + timedelta(seconds=self.boot_time_s())

    def boot_time_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds or self._dice.random() * 0.02)


class World:
    """The small ERP and the small shop; another world has the vendors' rooms and their sandboxes instead."""

    system, target_system = "erp", "shop"
    entities: Sequence[Entity] = ENTITIES
    call_deadline_s, processing_s = 2.0, 4.0
    pace = Pace(recheck_s=6.0, refresh_s=8.0, sweep_s=4.0, seen_again_s=8.0)

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.webhooks, self.documents = webhooks_topic(self.system), documents_topic(self.system)
        self.canonical = [canonical_topic(entity) for entity in self.entities]
        self.topics = {"fetcher": [self.webhooks], "mapper": [self.documents], "writer": self.canonical}
        self.covered: Counter[str] = Counter()
        self.troubles: list[str] = []
        """Errors that no fault explains: each is a finding."""
        self.version = 1
        self.dry_run, self.mapped, self.narrowed = False, True, False
        self.processes: dict[str, Process] = {}
        self._lives: Counter[str] = Counter()
        self._logs: dict[str, MemoryLog] = {}
        self._dispatchers: dict[str, Dispatcher] = {}
        self._background: list[asyncio.Task[None]] = []
        self._database_back_s = 0.0
        self._open_stores()
        self._open_vendors()

    def dice(self, purpose: str) -> random.Random:
        return random.Random(f"{self.schedule.seed} {purpose}")

    def now(self) -> datetime:
        """The database's clock."""
        return START + timedelta(seconds=asyncio.get_running_loop().time() - self._database_back_s)

    def set_database_back(self, by_s: float) -> None:
        self._database_back_s += by_s

    def _open_stores(self) -> None:
        self.clock = WorldClock(self.dice("log"))
        self.log_faults: list[tuple[str, Fault]] = []
        topics = [Topic(self.webhooks, Cleanup.DELETE, 3), Topic("mapping.rejected", Cleanup.DELETE, 1)]
        topics += [Topic(name, Cleanup.COMPACT, 3) for name in [self.documents, *self.canonical]]
        self.cluster = MemoryCluster(topics, self.clock, fault=self._log_fault)
        self.read_state = ReadState()
        self.configuration = MemoryConfiguration()
        self.tables = MemoryTables(self.now, self.configuration)
        self.keys = MemorySourceKeys(self.read_state, self.now, asyncio.sleep, self.tables.require_epoch)
        self.jobs = MemoryJobs(self.read_state, self.now, self.tables.require_epoch)
        self.epochs = MemoryEpochs(self.tables)
        self.dispatch = WatchedDispatch(self.tables, self.troubles)
        self.references = MemoryReferences(self.tables)
        self.rows = MemoryDesiredRows(self.tables)
        self.operations = MemoryOperations(self.tables)
        self.answers = MemoryAnswers(self.tables)

    def _open_vendors(self) -> None:
        self.notice_faults: list[str] = []
        self.shop = Shop(self.dice("shop"), self.covered, self.processing_s)
        self.vendor_skew_s = 0.0
        self.shop.vendor.now = lambda: self.clock.now() + timedelta(seconds=self.vendor_skew_s)
        self.erp = Erp(self.dice("erp"), self._tell, self.covered)
        self._post = self.dice("post")
        self.set_references(complete=True)
        self.configure(dry_run=self.schedule.dry_run, mapped=True)

    def set_references(self, *, complete: bool) -> None:
        codes = [f"T{account(code, v)}" for code in ACCOUNTS for v in range(1, TRANSLATIONS_AT_MOST)]
        kept = codes if complete else [code for code in codes if not code.startswith("T4100")]
        self.shop.vendor.references = {("account", code): {"code": code} for code in kept}

    def configure(self, *, dry_run: bool, mapped: bool, narrowed: bool = False) -> None:
        """Apply the tenant's configuration; without `mapped` one account has no mapping, `narrowed` nothing that is
        not written yet belongs to the flow."""
        self.dry_run, self.mapped, self.narrowed = dry_run, mapped, narrowed
        codes = ACCOUNTS if mapped else ACCOUNTS[:1]
        table = {
            account(code, v): MappingEntry(f"T{account(code, v)}", "1")
            for code in codes
            for v in range(1, TRANSLATIONS_AT_MOST)
        }
        flow = Flow(
            id=FLOW,
            kind="erp-shop",
            source=SOURCE,
            target=TARGET,
            entities=frozenset(ENTITIES),
            state=FlowState.DRY_RUN if dry_run else FlowState.LIVE,
            options=MemoryOptions(link_suppliers=True, map_accounts=True),
            on_block=OnBlock.REJECT if self.schedule.rejects else OnBlock.HOLD,
            feedback=self.schedule.rejects,
            exclude_origin=frozenset({"native"} if narrowed else ()),
            wait_s=WAIT_S,
        )
        self.configuration.apply(
            connections={
                SOURCE: Connection(SOURCE, "erp", settings=None),
                TARGET: Connection(
                    TARGET,
                    "shop",
                    settings=None,
                    call_deadline_s=self.call_deadline_s,
                    processing_s=self.processing_s,
                ),
            },
            flows={FLOW: flow},
            mappings={(FLOW, "gl"): table},
        )

    def _log_fault(self, messages: Sequence[Message]) -> Fault | None:
        for index, (prefix, fault) in enumerate(self.log_faults):
            if messages and messages[0].topic.startswith(prefix):
                del self.log_faults[index]
                self.covered["log-refused" if fault is Fault.REFUSED else "log-answer-lost"] += 1
                return fault
        return None

    def source_of(self, process: Process) -> Source:
        return ErpSource(SOURCE, self.erp, process.point, self.schedule.sweeps)

    def target_of(self, process: Process) -> Target:
        target = ShopTarget(TARGET, self.shop.vendor, self.schedule.batch)
        target.shop, target.point = self.shop, process.point
        return target

    def responder_of(self, process: Process) -> Responder | None:
        return None

    def notices_of(self, webhook: bytes) -> Sequence[Notice]:
        return notices(webhook)

    def translations_of(self, _: str) -> Translations:
        return translations(self.version)

    @property
    def unanswered(self) -> bool:
        """Whether the source has yet to be told of a verdict; one whose document is held since waits for people."""
        for (ref, number), feedback in self.tables.feedback.items():
            row = self.tables.rows.get(RowRef(FLOW, ref.entity, ref.native_id))
            stands = self.tables.answer((ref, number)).opened or row is None or row.state is feedback.verdict
            if stands and self.answers.ended(ref, number) is None:
                return True
        return False

    def unseen(self, since: datetime) -> bool:
        """Whether what was written has yet to be looked at again in the target."""
        rows = (row for row in self.tables.rows.values() if row.state is State.SYNCED)
        return any(
            row.synced_at is not None and row.synced_at <= since and self.tables.objects.get((TARGET, row.source_ref))
            for row in rows
        )

    def stale_references(self) -> bool:
        """Whether documents would be validated against codes that the target has no more, or has by now."""
        known = {key: entry for key, entry in self.tables.references.items() if key.connection == TARGET}
        there = self.shop.vendor.references
        return any((entry.body is not None) != ((key.kind, key.code) in there) for key, entry in known.items())

    @property
    def under_way(self) -> int:
        """Calls that the target may still carry out, and notices that the source may still deliver."""
        self._background = [task for task in self._background if not task.done()]
        return self.shop.under_way + len(self._background)

    # notices on their way

    def _tell(self, body: bytes) -> None:
        fault = self.notice_faults.pop(0) if self.notice_faults else None
        if fault:
            self.covered[fault] += 1
        if fault == "notice-lost":
            return
        for _ in range(2 if fault == "notice-doubled" else 1):
            delay_s = self._post.uniform(5, 25) if fault == "notice-delayed" else self._post.uniform(0.02, 1.5)
            self.background(self._deliver(body, delay_s))

    async def _deliver(self, body: bytes, delay_s: float) -> None:
        """The ERP repeats a notice until somebody has acknowledged it."""
        await asyncio.sleep(delay_s)
        while not await self.received(body):  # noqa: ASYNC110
            await asyncio.sleep(1.0)

    async def received(self, body: bytes) -> bool:
        """Whether ingest took it: acknowledged to the vendor once the log has it."""
        process = self.processes.get("ingest")
        if process is None or not process.alive:
            return False
        acknowledged = asyncio.get_running_loop().create_future()

        async def receive() -> None:
            try:
                await process.call(self._logs["ingest"].produce, [Message(self.webhooks, str(SOURCE), body)])
                taken = True
            except (LogError, DatabaseAway):
                taken = False
            if not acknowledged.done():
                acknowledged.set_result(taken)

        process.create_task(receive(), name="receive")
        try:
            return bool(await asyncio.wait_for(acknowledged, 3.0))
        except TimeoutError:
            return False

    def background(self, coro: Any) -> None:
        self._background = [task for task in self._background if not task.done()]
        self._background.append(asyncio.get_running_loop().create_task(coro))

    # processes

    def start_all(self) -> None:
        for name in PROCESSES:
            if not self.is_up(name):
                self.start(name)

    def is_up(self, name: str) -> bool:
        return name in self.processes and self.processes[name].alive

    def start(self, name: str) -> None:
        self._lives[name] += 1
        process = Process(name, f"{self.schedule.seed} {name} {self._lives[name]}")
        process.on_answer_lost = lambda: self.covered.update(["database-answer-lost"])
        self.processes[name] = process
        self._logs[name] = MemoryLog(self.cluster, name)
        starter: Callable[[Process], None] = getattr(self, f"_start_{name.partition('-')[0]}")
        starter(process)

    def crash(self, name: str) -> None:
        self.covered["crash"] += 1
        self.covered[f"crash {name.partition('-')[0]}"] += 1
        self._end(name)

    def _end(self, name: str) -> None:
        self._logs[name].kill()
        self.processes[name].kill()

    async def shut_down(self, name: str) -> None:
        """As SIGTERM: finish what is in flight, then go."""
        if not self.is_up(name):
            return
        dispatcher = self._dispatchers.pop(name, None)
        if dispatcher is not None:
            dispatcher.stop()
            await asyncio.sleep(3.0)
        if self.is_up(name):
            self._end(name)

    def _start_ingest(self, process: Process) -> None:
        """It has no task of its own: deliveries are its tasks."""

    def _start_fetcher(self, process: Process) -> None:
        keys = Reached(process, self.keys)
        intake = NoticeIntake(self.notices_of, keys, self.configuration, process)
        self._consume(process, "fetcher", intake.take)
        source = self.source_of(process)
        log = self._logs[process.name]

        def reader_of(publish: Publish) -> Reader:
            jobs = Reached(process, self.jobs)
            return Reader(source, self.system, keys, jobs, publish, process.random)

        async def publish(documents: Sequence[SourceDocument]) -> None:
            await process.call(log.produce, [document_message(document) for document in documents])

        reading = Reading(
            connection=SOURCE,
            holder=f"{process.name}-{self._lives[process.name]}",
            reader_of=reader_of,
            publish=publish,
            keys=keys,
            epochs=Reached(process, self.epochs),
            clock=process,
            spawner=process,
            report=self._report,
        )
        process.create_task(reading.run(), name="reading")
        self._start_answering(process)

    def _start_answering(self, process: Process) -> None:
        """Who tells the source what became of its documents, where it wants to be told."""
        responder = self.responder_of(process)
        if responder is None:
            return
        answering = Answering(
            connection=SOURCE,
            holder=f"{process.name}-{self._lives[process.name]}",
            responder=responder,
            answers=Reached(process, self.answers),
            keys=Reached(process, self.keys),
            epochs=Reached(process, self.epochs),
            clock=process,
            randomness=process.random,
            spawner=process,
            report=self._report,
            call_deadline_s=self.call_deadline_s,
            processing_s=self.processing_s,
        )
        process.create_task(answering.run(), name="answer")

    def _start_poller(self, process: Process) -> None:
        jobs = Reached(process, self.jobs)
        kinds = self.source_of(process).jobs

        async def poll() -> None:
            while True:
                try:
                    await jobs.ensure(SOURCE, kinds)
                    await jobs.schedule()
                except DatabaseAway:
                    pass
                await process.sleep(5.0)

        process.create_task(poll(), name="poll")

    def _start_mapper(self, process: Process) -> None:
        mapper = Mapper(self.translations_of)
        log = self._logs[process.name]

        def apply(record: Record) -> Sequence[Message]:
            process.pass_by()
            return mapper(record)

        async def run() -> None:
            await log.exactly_once([self.documents], "mapper", apply, max_records=BATCH)

        process.create_task(run(), name="map")

    def _start_writer(self, process: Process) -> None:
        references = Reached(process, self.references)
        intake = Intake(Reached(process, self.rows), references, self.target_system)

        async def take(records: Sequence[Record]) -> None:
            batch = [Incoming(r.key, r.value, Origin(r.topic, r.partition, r.offset)) for r in records]
            taken = await intake.take(batch, await self.configuration.current())
            self.troubles += [f"intake refused {refused}" for refused in taken.refused]

        self._consume(process, "writer", take)
        target = self.target_of(process)
        dispatcher = self._dispatchers[process.name] = Dispatcher(
            connection=TARGET,
            holder=f"{process.name}/{self._lives[process.name]}",
            target_of=lambda flow, connection: target,
            configuration=self.configuration,
            epochs=Reached(process, self.epochs),
            dispatch=Reached(process, self.dispatch),
            references=references,
            clock=process,
            randomness=process.random,
            spawner=process,
            signal=AsyncioSignal,
            report=self._report,
            pace=self.pace,
        )
        process.create_task(dispatcher.run(), name="dispatch")

    def _consume(self, process: Process, group: str, handler: Callable[[Sequence[Record]], Any]) -> None:
        log = self._logs[process.name]

        async def take(records: Sequence[Record]) -> None:
            try:
                await handler(records)
            except DatabaseAway:
                raise
            except Exception as error:
                self._report(f"consuming as {group}", error)
                raise
            await process.point()

        async def run() -> None:
            await log.consume(self.topics[group], group, take, max_records=BATCH)

        process.create_task(run(), name="consume")

    def _report(self, what: str, error: Exception) -> None:
        if not isinstance(error, (DatabaseAway, EpochLost, LogError)):
            self.troubles.append(f"{what}: {type(error).__name__}: {error}")

    async def close(self) -> None:
        for name in list(self.processes):
            self._end(name)
        for task in self._background:
            task.cancel()

    def group_lag(self, group: str) -> int:
        """Committed records of the group's topics that it has not taken."""
        lag = 0
        for topic in self.topics[group]:
            for record in self.cluster.records(topic):
                lag += record.offset >= (self.cluster.committed(group, topic, record.partition) or 0)
        return lag

    @property
    def lag(self) -> int:
        return sum(self.group_lag(group) for group in GROUPS)
