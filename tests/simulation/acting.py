"""Makes the acts of a schedule happen in its world."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from connector.adapters.memory.log import Fault
from connector.adapters.memory.target import INVOICES, ORDERS, SUPPLIERS, Record
from connector.domain.identity import Entity, EntityRef, Role, TrafficClass
from connector.domain.ports.operations import Selection
from connector.domain.ports.source import Notice
from connector.domain.sync.states import Cause, State

from .erp import Document
from .process import Planned, Process
from .schedule import Act
from .shop import WriteFault
from .world import FLOW, SOURCE, TARGET, World

RESOURCES = {Entity.SUPPLIER: SUPPLIERS, Entity.PURCHASE_ORDER: ORDERS, Entity.INVOICE: INVOICES}
WRITE_FAULTS = {str(fault): fault for fault in WriteFault}


class Acting:
    def __init__(self, world: World) -> None:
        self._world = world
        self._later: list[asyncio.Task[None]] = []

    def act(self, act: Act) -> None:
        """Make it happen now, or plan it; what has an end ends by itself."""
        if act.kind in WRITE_FAULTS:
            self._world.shop.faults.append(WRITE_FAULTS[act.kind])
            return
        method: Callable[[dict[str, Any]], None] = getattr(self, "_" + act.kind.replace("-", "_"))
        method(act.detail)

    async def finished(self) -> None:
        """Wait for what was begun and has not ended yet."""
        for task in self._later:
            await task

    async def end_all_trouble(self) -> None:
        """From now on nothing goes wrong; people put right what only they can."""
        world = self._world
        for process in world.processes.values():
            process.planned.clear()
            process.stopped_until_s = process.away_until_s = 0.0
            process.answers_lost = 0
        world.erp.away_until_s = world.erp.storm_until_s = world.erp.blind_until_s = 0.0
        world.erp.poisoned.clear()
        world.shop.away_until_s = world.shop.storm_until_s = world.shop.locked_until_s = 0.0
        world.shop.faults.clear()
        world.log_faults.clear()
        world.notice_faults.clear()
        world.start_all()
        world.set_references(complete=True)
        if (
            world.dry_run or not world.mapped or world.narrowed
        ):  # anything applied has all blocked rows judged again, and hides defects
            world.configure(dry_run=False, mapped=True)

    async def put_right(self) -> None:
        """What a person does who goes through the list of stuck documents."""
        world = self._world
        for code in ("rejected-by-target", "target-differs"):
            await world.operations.release(Selection(FLOW, frozenset({State.BLOCKED}), code=code), "a person")
        await world.operations.release(Selection(FLOW, frozenset({State.FAILED})), "a person")
        await self._again(Selection(FLOW, frozenset({State.EXCLUDED}), code="own-origin"))
        missing = [Notice(entity, id) for (entity, id), key in world.keys._of(SOURCE).items() if key.missing]
        await world.keys.notice(SOURCE, missing, TrafficClass.LIVE)

    def _cover(self, kind: str) -> None:
        self._world.covered[kind] += 1

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def _in(self, seconds: float, then: Callable[[], None]) -> None:
        async def later() -> None:
            await asyncio.sleep(seconds)
            then()

        self._later.append(asyncio.get_running_loop().create_task(later()))

    def _plan(self, detail: dict[str, Any], happen: Callable[[Process], None]) -> None:
        process = self._world.processes[detail["process"]]
        process.planned.append(Planned(detail["points"], lambda: happen(process)))

    # people at the source

    def _create(self, detail: dict[str, Any]) -> None:
        entity, id = Entity(detail["entity"]), detail["id"]
        record: dict[str, Any] = {
            "number": id.upper(),
            "supplier": detail.get("supplier"),
            "order": detail.get("order"),
        }
        record |= {"lifecycle": "open", "garbled": False}
        record["lines"] = [{"id": f"l{n}", "account": ("4000", "4100")[n % 2]} for n in range(detail["lines"])]
        self._save(entity, id, record)

    def _save(self, entity: Entity, id: str, record: dict[str, Any]) -> None:
        """Each saved version differs from all before it."""
        erp = self._world.erp
        version = erp.row_version + 1
        lines = [line | {"amount": f"{version}.{n + 1:02d}"} for n, line in enumerate(record["lines"])]
        erp.save(entity, id, record | {"name": f"{id} {version}", "lines": lines})

    def _document(self, detail: dict[str, Any]) -> Document | None:
        document = self._world.erp.documents.get((Entity(detail["entity"]), detail["id"]))
        return None if document is None or document.deleted else document

    def _edit(self, detail: dict[str, Any]) -> None:
        if document := self._document(detail):
            self._cover("edit")
            self._save(document.entity, document.id, document.record | {"garbled": False})

    def _edit_back(self, detail: dict[str, Any]) -> None:
        if (document := self._document(detail)) and len(document.history) > 1:
            self._cover("edit-back")
            self._world.erp.save(document.entity, document.id, document.history[-2])

    def _garble(self, detail: dict[str, Any]) -> None:
        if document := self._document(detail):
            self._cover("garble")
            self._save(document.entity, document.id, document.record | {"garbled": True})

    def _cancel_order(self, detail: dict[str, Any]) -> None:
        if document := self._document(detail):
            self._cover("cancel-order")
            self._save(document.entity, document.id, document.record | {"lifecycle": "cancelled"})

    def _delete(self, detail: dict[str, Any]) -> None:
        if document := self._document(detail):
            self._cover("delete")
            self._world.erp.delete(document.key)

    def _re_create(self, detail: dict[str, Any]) -> None:
        """Restored under its own id, or entered anew: another id, the same number."""
        document = self._world.erp.documents.get((Entity(detail["entity"]), detail["id"]))
        if document is None:
            return
        if not document.deleted:
            self._world.erp.delete(document.key)
        record = document.record | {"garbled": False}
        id = document.id if detail.get("restored") else f"{document.id}-again"
        self._cover("re-create" if detail.get("restored") else "enter-anew")
        if id == document.id or (document.entity, id) not in self._world.erp.documents:
            self._in(detail.get("after_s", 0.0), lambda: self._save(document.entity, id, record))

    # processes, database, clocks

    def _crash(self, detail: dict[str, Any]) -> None:
        name = detail["process"]

        def happen(_: Process) -> None:
            self._world.crash(name)
            self._in(detail["down_s"], lambda: self._start(name))

        if self._world.is_up(name):
            self._plan(detail, happen)

    def _start(self, name: str) -> None:
        if not self._world.is_up(name):
            self._world.start(name)

    def _restart(self, detail: dict[str, Any]) -> None:
        self._cover("restart")
        self._later.append(
            asyncio.get_running_loop().create_task(self._restarted([detail["process"]], detail["down_s"], lambda: None))
        )

    async def _restarted(self, names: list[str], down_s: float, between: Callable[[], None]) -> None:
        await asyncio.gather(*(self._world.shut_down(name) for name in names))
        await asyncio.sleep(down_s)
        if not any(self._world.is_up(name) for name in names):
            between()
        for name in names:
            self._start(name)

    def _stop(self, detail: dict[str, Any]) -> None:
        def happen(process: Process) -> None:
            self._cover("stop")
            self._cover(f"stop {process.name.partition('-')[0]}")
            process.stopped_until_s = self._now_s() + detail["for_s"]

        self._plan(detail, happen)

    def _stop_before_send(self, detail: dict[str, Any]) -> None:
        """A writer stands still between the intent of a call and its sending, long enough to be replaced."""
        for process in self._world.processes.values():
            if process.name.startswith("writer"):
                process.planned.append(Planned(detail["points"], self._stopping(process, detail), after="open_call"))

    def _stopping(self, process: Process, detail: dict[str, Any]) -> Callable[[], None]:
        def happen() -> None:
            self._cover("stop-before-send")
            process.stopped_until_s = self._now_s() + detail["for_s"]

        return happen

    def _epoch_taken(self, detail: dict[str, Any]) -> None:
        role = Role(detail["role"])
        holder = self._world.tables.epochs.get((SOURCE if role is Role.READ else TARGET, role))
        if holder is not None:
            self._cover("epoch-taken")
            holder.expires_at = self._world.now() - timedelta(seconds=1)

    def _database_away(self, detail: dict[str, Any]) -> None:
        def happen(process: Process) -> None:
            self._cover("database-away")
            process.away_until_s = self._now_s() + detail["for_s"]

        self._plan(detail, happen)

    def _database_answer_lost(self, detail: dict[str, Any]) -> None:
        def happen(process: Process) -> None:
            process.answers_lost += detail["calls"]

        self._plan(detail, happen)

    def _clock_jump(self, detail: dict[str, Any]) -> None:
        self._cover("clock-jump")
        self._world.processes[detail["process"]].wall_offset_s += detail["by_s"]

    def _database_clock_back(self, detail: dict[str, Any]) -> None:
        self._cover("database-clock-back")
        self._world.set_database_back(detail["by_s"])

    def _vendor_clock_skew(self, detail: dict[str, Any]) -> None:
        self._cover("vendor-clock-skew")
        self._world.vendor_skew_s = detail["by_s"]

    # vendors and notices

    def _notice_lost(self, detail: dict[str, Any]) -> None:
        self._world.notice_faults += ["notice-lost"] * detail["count"]

    def _notice_doubled(self, detail: dict[str, Any]) -> None:
        self._world.notice_faults += ["notice-doubled"] * detail["count"]

    def _notice_delayed(self, detail: dict[str, Any]) -> None:
        self._world.notice_faults += ["notice-delayed"] * detail["count"]

    def _source_away(self, detail: dict[str, Any]) -> None:
        self._cover("source-away")
        self._world.erp.away_until_s = self._now_s() + detail["for_s"]

    def _source_storm(self, detail: dict[str, Any]) -> None:
        self._cover("source-storm")
        self._world.erp.storm_until_s = self._now_s() + detail["for_s"]

    def _source_blind(self, detail: dict[str, Any]) -> None:
        self._cover("source-blind")
        self._world.erp.blind_until_s = self._now_s() + detail["for_s"]

    def _poisoned(self, detail: dict[str, Any]) -> None:
        poisoned = self._world.erp.poisoned
        poisoned.add(detail["id"])
        self._in(detail["for_s"], lambda: poisoned.discard(detail["id"]))

    def _target_away(self, detail: dict[str, Any]) -> None:
        self._cover("target-away")
        self._world.shop.away_until_s = self._now_s() + detail["for_s"]

    def _target_storm(self, detail: dict[str, Any]) -> None:
        self._cover("target-storm")
        self._world.shop.storm_until_s = self._now_s() + detail["for_s"]

    def _target_locked(self, detail: dict[str, Any]) -> None:
        self._world.shop.locked_until_s = self._now_s() + detail["for_s"]

    # the log

    def _log_refused(self, detail: dict[str, Any]) -> None:
        self._world.log_faults += [(detail["topic"] + ".", Fault.REFUSED)] * detail["count"]

    def _log_answer_lost(self, detail: dict[str, Any]) -> None:
        self._world.log_faults += [(detail["topic"] + ".", Fault.ACKNOWLEDGEMENT_LOST)] * detail["count"]

    def _compaction(self, detail: dict[str, Any]) -> None:
        self._cover("compaction")
        self._world.cluster.compact()

    def _reset(self, group: str, detail: dict[str, Any]) -> None:
        def between() -> None:
            self._cover(f"reset-{group}")
            self._world.cluster.reset_back(group, self._world.topics[group], detail["back"])

        names = [name for name in self._world.processes if name.partition("-")[0] == group]
        self._later.append(asyncio.get_running_loop().create_task(self._restarted(names, detail["down_s"], between)))

    def _reset_fetcher(self, detail: dict[str, Any]) -> None:
        self._reset("fetcher", detail)

    def _reset_mapper(self, detail: dict[str, Any]) -> None:
        self._reset("mapper", detail)

    def _reset_writer(self, detail: dict[str, Any]) -> None:
        self._reset("writer", detail)

    def _translation_raised(self, detail: dict[str, Any]) -> None:
        """A new release of the mapper; with `replay` it maps everything again."""

        def between() -> None:
            self._cover("translation-raised")
            self._world.version += 1
            self._world.cluster.reset_back("mapper", self._world.topics["mapper"], None)

        self._later.append(
            asyncio.get_running_loop().create_task(self._restarted(["mapper"], detail["down_s"], between))
        )

    # people at the connector and in the target

    def _mapping_gap(self, detail: dict[str, Any]) -> None:
        world = self._world
        self._cover("mapping-gap")
        world.configure(dry_run=world.dry_run, mapped=False)
        self._in(detail["for_s"], lambda: world.configure(dry_run=world.dry_run, mapped=True))

    def _flow_narrowed(self, detail: dict[str, Any]) -> None:
        """By mistake, until somebody notices; what was left out is replayed in the end."""
        world = self._world
        self._cover("flow-narrowed")
        world.configure(dry_run=world.dry_run, mapped=True, narrowed=True)
        self._in(detail["for_s"], lambda: world.configure(dry_run=world.dry_run, mapped=True))

    def _reference_gap(self, detail: dict[str, Any]) -> None:
        self._cover("reference-gap")
        self._world.set_references(complete=False)
        self._in(detail["for_s"], lambda: self._world.set_references(complete=True))

    def _replay(self, detail: dict[str, Any]) -> None:
        states = frozenset({State.SYNCED, State.BLOCKED})
        chosen = Selection(FLOW, states, native_ids=[detail["id"]])
        self._cover("replay")
        self._world.background(self._again(chosen))

    async def _again(self, chosen: Selection) -> None:
        await self._world.operations.again(chosen, Cause.REPLAY, "a person")

    def _object_of(self, detail: dict[str, Any]) -> Record | None:
        key = EntityRef(SOURCE, Entity(detail["entity"]), detail["id"]).key
        return next((r for r in self._world.shop.vendor.records if r.stamp == key and r.live), None)

    def _person_edits_target(self, detail: dict[str, Any]) -> None:
        if record := self._object_of(detail):
            self._cover("person-edits-target")
            record.content = record.content | {"note": "checked"}
            self._world.shop.note(record, "edited", by_us=False)

    def _person_cancels_target(self, detail: dict[str, Any]) -> None:
        if record := self._object_of(detail):
            self._cover("person-cancels-target")
            record.status = "cancelled"
            self._world.shop.note(record, "cancelled", by_us=False)

    def _person_deletes_target(self, detail: dict[str, Any]) -> None:
        if record := self._object_of(detail):
            self._cover("person-deletes-target")
            self._world.shop.vendor.delete(record)
            self._world.shop.note(record, "deleted", by_us=False)

    def _person_takes_number(self, detail: dict[str, Any]) -> None:
        entity, number = Entity(detail["entity"]), detail["id"].upper()
        shop = self._world.shop
        if not shop.vendor.by_number(RESOURCES[entity], number):
            self._cover("person-takes-number")
            made = shop.vendor.make(RESOURCES[entity], number, content={"number": number})
            shop.note(made, "made", by_us=False)
