"""What people are told of tokens, on a real database and to a real receiver that verifies with the official library."""

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from standardwebhooks.webhooks import Webhook

from connector.adapters.clock import SystemClock
from connector.adapters.configuration.tenant_file import REMINDERS, load
from connector.adapters.gate.reminders import BadWebhookSecret, Receiver, Reminders
from connector.adapters.http import vendor_http
from connector.adapters.parts.part import checkout
from connector.adapters.postgres.desired import PostgresDesiredRows
from connector.adapters.postgres.dispatch import PostgresDispatch
from connector.adapters.postgres.engine import engine
from connector.adapters.postgres.epochs import PostgresEpochs
from connector.adapters.postgres.reminders import PostgresReminderStore
from connector.adapters.postgres.tokens import PostgresTokenStore
from connector.adapters.runtime import Runtime, runtime
from connector.console.services import Platform, new_key_ring
from connector.domain.documents.envelope import RecordStatus
from connector.domain.identity import ConnectionId, Entity, FlowId, Revision, Role, RowRef, TrafficClass
from connector.domain.ports.configuration import Connection
from connector.domain.ports.desired import Desired, Origin
from connector.domain.ports.dispatch import Judgement, Settlement
from connector.domain.ports.reminders import ReminderKind
from connector.domain.ports.tokens import NewPair, TokenState
from connector.domain.ports.vault import CorruptSecret, Sealed
from connector.domain.reasons import Reason
from connector.domain.sync.states import State
from connector.poller import reminding
from tests.integration.gate.world import exact_connection
from tests.support import running, until
from tests.virtual import START

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
EXAMPLE = checkout() / "contracts" / "examples" / "tenant.yaml"
EXACT, COUPA, FLOW = ConnectionId("acme", "exact-nl"), ConnectionId("acme", "coupa"), FlowId("acme", "exact-to-coupa")
_numbers = itertools.count()


@dataclass
class Inbox:
    """A receiver on a socket; `answers` are the statuses it gives, then 204."""

    answers: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head)}
        self.got.append((headers, await reader.readexactly(int(headers["content-length"]))))
        status = self.answers.pop(0) if self.answers else 204
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@dataclass
class Office:
    reminders: Reminders
    store: PostgresReminderStore
    tokens: PostgresTokenStore
    connection: ConnectionId
    inbox: Inbox
    url: str
    paused: str | None = None
    """Why a person stopped the connection."""
    unreadable: str | None = None
    """A tenant whose receiver's secret cannot be opened."""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[AsyncEngine]:
    database = engine(database_url)
    yield database
    await database.dispose()


@pytest.fixture
async def office(database: AsyncEngine, database_url: str) -> AsyncIterator[Office]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("truncate token, reminder")
    inbox = Inbox()
    server = await asyncio.start_server(inbox, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks"
    known = exact_connection("http://127.0.0.1:1", 1, name=f"exact-{next(_numbers)}")

    office: Office

    async def connections(_: ConnectionId) -> Connection:
        return replace(known, paused=office.paused)

    async def receivers(tenant: str) -> Receiver:
        if tenant == office.unreadable:
            raise CorruptSecret("field 'secret' cannot be opened")
        return Receiver(url, SECRET)

    store, tokens = PostgresReminderStore(database), PostgresTokenStore(database)
    async with server, vendor_http() as http:
        reminders = Reminders(
            store=store, tokens=tokens, connections=connections, receivers=receivers, http=http, clock=SystemClock()
        )
        office = Office(reminders, store, tokens, known.id, inbox, url)
        yield office


async def unused_for(office: Office, database_url: str, days: float) -> None:
    await office.tokens.adopt(office.connection, NewPair(Sealed("k", b"x"), 600.0, 570.0))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("update token set received_at = now() - make_interval(secs => %s)", (days * 86400,))


@pytest.mark.parametrize(("days", "told"), [(24.9, False), (25.1, True), (29.9, True)])
async def test_a_token_unused_for_25_days_is_told_of(
    office: Office, database_url: str, days: float, told: bool
) -> None:
    await unused_for(office, database_url, days)
    assert await office.reminders.watch() == int(told)


async def test_it_is_told_once_a_day_and_verifies_with_the_official_library(office: Office, database_url: str) -> None:
    await unused_for(office, database_url, 26.0)
    assert [await office.reminders.watch() for _ in range(5)] == [1, 0, 0, 0, 0]
    assert [await office.reminders.deliver() for _ in range(3)] == [1, 0, 0]
    ((headers, body),) = office.inbox.got
    message = Webhook(SECRET).verify(body, headers)
    assert message["type"] == "authorisation.expires"
    assert message["data"]["unused_days"] == 26
    assert message["data"]["next_step"] == f"connector authorize {office.connection}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("update reminder set day = day - 1")
    assert await office.reminders.watch() == 1, "and again the next day"


async def test_a_failed_delivery_is_tried_again_under_the_same_id(office: Office, database_url: str) -> None:
    await unused_for(office, database_url, 26.0)
    office.inbox.answers = [500]
    await office.reminders.watch()
    assert await office.reminders.deliver() == 0
    assert await office.reminders.deliver() == 0, "not before its time"
    (waiting,) = await office.store.of_today(office.connection.tenant)
    assert waiting.error == "the receiver answered 500"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("update reminder set due = now()")
    assert await office.reminders.deliver() == 1
    assert len({headers["webhook-id"] for headers, _ in office.inbox.got}) == 1


async def test_a_receiver_whose_secret_cannot_be_opened_keeps_no_other_tenant_waiting(office: Office) -> None:
    office.unreadable = "acme-broken"
    for tenant in ("acme-broken", "acme"):
        await office.store.note(ConnectionId(tenant, "coupa"), ReminderKind.RECORDS_BLOCKED, {"tenant": tenant})
    assert await office.reminders.deliver() == 1
    assert [json.loads(body)["data"]["tenant"] for _, body in office.inbox.got] == ["acme"]
    (waiting,) = await office.store.of_today("acme-broken")
    assert "cannot be opened" in (waiting.error or "")


async def test_a_paused_connection_is_told_with_its_reason(office: Office) -> None:
    await office.tokens.adopt(office.connection, NewPair(Sealed("k", b"x"), 600.0, 0.0))
    row = await office.tokens.begin_refresh(office.connection, 1, "a", 5.0)
    assert row is not None
    await office.tokens.fail(office.connection, 1, "a", TokenState.REAUTHORISE, "invalid_grant")
    await office.reminders.watch()
    await office.reminders.deliver()
    message = json.loads(office.inbox.got[0][1])
    assert message["type"] == "connection.paused"
    assert message["data"]["reason"] == "invalid_grant"


async def test_refused_credentials_are_told_with_the_step_that_tries_them_again(office: Office) -> None:
    await office.tokens.begin_refresh(office.connection, 0, "a", 5.0)
    await office.tokens.fail(office.connection, 0, "a", TokenState.REFUSED, "invalid_scope")
    await office.reminders.watch()
    await office.reminders.deliver()
    told = json.loads(office.inbox.got[0][1])["data"]
    assert (told["reason"], told["next_step"]) == ("invalid_scope", f"connector resume {office.connection}")


async def test_a_connection_that_a_person_stopped_is_told_until_it_goes_on(office: Office) -> None:
    await office.tokens.adopt(office.connection, NewPair(Sealed("k", b"x"), 600.0, 570.0))
    assert await office.reminders.watch() == 0
    office.paused = "the auditors are here"
    assert [await office.reminders.watch() for _ in range(2)] == [1, 0]
    await office.reminders.deliver()
    told = json.loads(office.inbox.got[0][1])
    assert told["type"] == "connection.paused"
    assert told["data"]["reason"] == "the auditors are here"
    assert told["data"]["next_step"] == f"connector resume {office.connection}"


async def test_a_connection_that_the_platform_paused_is_told_with_the_step_that_lets_it_go_on(office: Office) -> None:
    await office.tokens.adopt(office.connection, NewPair(Sealed("k", b"x"), 600.0, 570.0))
    await office.tokens.pause(office.connection, "wrong account: this login may not open company 1")
    await office.reminders.watch()
    await office.reminders.deliver()
    told = json.loads(office.inbox.got[0][1])["data"]
    assert "wrong account" in told["reason"]
    assert told["next_step"] == f"connector resume {office.connection}"


async def test_blocked_records_of_a_day_become_one_message(office: Office) -> None:
    for count in (1, 2, 40):
        await office.store.note(office.connection, ReminderKind.RECORDS_BLOCKED, {"count": count})
    assert await office.reminders.deliver() == 1
    assert json.loads(office.inbox.got[0][1])["data"] == {"count": 40}


@pytest.fixture
async def poller(
    office: Office, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Runtime]:
    """What the poller's process runs on; its tenant takes reminders at the office's inbox."""
    platform = Platform("unused:9092", database_url, "http://127.0.0.1:1", new_key_ring(tmp_path))
    secrets = (f"{system}_CLIENT_{part}" for system in ("EXACT", "COUPA") for part in ("ID", "SECRET"))
    for name, value in {**platform.environment, **dict.fromkeys((*secrets, "EXACT_WEBHOOK_SECRET"), "planted")}.items():
        monkeypatch.setenv(name, value)
    async with runtime("poller") as opened:
        await opened.configuration.apply(load(EXAMPLE, loopback_http=True), "test", {})
        await opened.vault.put(ConnectionId("acme", REMINDERS), {"url": office.url, "secret": SECRET})
        yield opened


def invoice(native_id: str) -> Desired:
    return Desired(
        row=RowRef(FLOW, Entity.INVOICE, native_id), source=EXACT, target=COUPA, number=f"N-{native_id}",
        revision=Revision(START, 1), content_digest="c", resolved_digest="r", status=RecordStatus.OK,
        traffic=TrafficClass.LIVE, payload="{}", origin=Origin("canonical.invoice.v1", 0, 1),
    )  # fmt: skip


async def judged(run: Runtime, causes: dict[str, str | None]) -> None:
    """Invoices by id, each blocked for its cause or (None) synced, as a writer stores it."""
    await PostgresDesiredRows(run.engine).upsert([invoice(native_id) for native_id in causes])
    dispatch, epochs = PostgresDispatch(run.engine, run.listener), PostgresEpochs(run.engine)
    hold = await epochs.take(COUPA, Role.WRITE, "writer")
    assert hold is not None
    settlements = []
    for due in await dispatch.claim(hold, [FLOW], 100, []):
        cause = causes[due.row.native_id]
        reasons = [Reason(code=cause, message="It does not go.")] if cause else []
        state = State.BLOCKED if cause else State.SYNCED
        settlements.append(Settlement(due, judgement=Judgement(state, reasons=reasons)))
    assert len(settlements) == len(causes)
    await dispatch.settle(hold, settlements)
    await epochs.release(hold)


async def test_blocked_records_are_told_in_one_signed_message_a_day(
    office: Office, poller: Runtime, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    minutes, deliver = list[int](), Reminders.deliver

    async def counted(self: Reminders) -> int:
        minutes.append(await deliver(self))
        return minutes[-1]

    monkeypatch.setattr(reminding, "EVERY_S", 0.05)
    monkeypatch.setattr(Reminders, "deliver", counted)
    await judged(poller, {"1": "cost-unknown", "2": "cost-unknown", "3": "supplier-missing", "4": None})
    async with running(reminding.remind(poller)), running(reminding.remind(poller)):
        await until(lambda: bool(office.inbox.got))
        await judged(poller, {"5": "supplier-missing"})
        later = len(minutes) + 8
        await until(lambda: len(minutes) >= later)
    assert sum(minutes) == 1
    ((headers, body),) = office.inbox.got
    message = Webhook(SECRET).verify(body, headers)
    assert message["type"] == "records.blocked"
    assert message["data"] == {
        "connection": "acme/coupa",
        "flows": {"acme/exact-to-coupa": {"cost-unknown": 2, "supplier-missing": 1}},
        "next_step": "connector blocked",
    }
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("update reminder set day = day - 1")
    async with running(reminding.remind(poller)):
        await until(lambda: len(office.inbox.got) > 1)
    headers, body = office.inbox.got[1]
    told = Webhook(SECRET).verify(body, headers)["data"]["flows"]
    assert told == {"acme/exact-to-coupa": {"cost-unknown": 2, "supplier-missing": 2}}


@pytest.mark.parametrize(
    ("secret", "says"),
    [("whsec_pässwörd", "outside ASCII"), ("whsec_!!!", "not base64"), ("whsec_AAAA", "has 3 bytes")],
)
def test_a_secret_that_cannot_sign_is_refused_without_showing_it(secret: str, says: str) -> None:
    with pytest.raises(BadWebhookSecret, match=says) as caught:
        Receiver("https://example.org", secret)
    assert secret.removeprefix("whsec_") not in str(caught.value)
