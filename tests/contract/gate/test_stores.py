"""What every adapter of the gate's ports must do."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable

import pytest

from connector.domain.identity import ConnectionId, TrafficClass
from connector.domain.ports.authorisations import Login, Refusal
from connector.domain.ports.quota import Ask, Lesson, QuotaRules, Reading, Settlement, Window, bell_key
from connector.domain.ports.tokens import NewPair, TokenState, token_key
from connector.domain.ports.vault import Resealed, Sealed
from tests.contract.gate.stores import Stores, in_memory, on_postgres

SERIAL = QuotaRules((Window("day", 1000, 86400.0),), serial=True, turn_s=0.2, call_deadline_s=0.2, error_limit=6)
PARALLEL = QuotaRules((Window("second", 100, 1.0, paced=True),), serial=False)
_numbers = itertools.count()


@pytest.fixture(params=["memory", "postgres"])
async def stores(request: pytest.FixtureRequest) -> AsyncIterator[Stores]:
    if request.param == "memory":
        yield in_memory()
        return
    async with on_postgres(request.getfixturevalue("database_url")) as stores:
        yield stores


@pytest.fixture
def connection() -> ConnectionId:
    return ConnectionId(f"tenant-{next(_numbers)}", "exact")


def pair(mark: str = "1", life_s: float = 600.0, refresh_after_s: float = 571.0) -> NewPair:
    return NewPair(Sealed("k1", mark.encode()), life_s, refresh_after_s)


def live(holder: str, wanted: int = 1) -> Ask:
    return Ask(holder, TrafficClass.LIVE, "flow", wanted, 0.0)


class TestSealedStore:
    async def test_versions_rise_with_content_and_not_with_keys(self, stores: Stores, connection: ConnectionId) -> None:
        first = await stores.sealed.write(connection, {"a": Sealed("k1", b"1"), "b": Sealed("k1", b"2")})
        second = await stores.sealed.write(connection, {"a": Sealed("k1", b"3"), "b": None})
        assert second > first
        (entry,) = (await stores.sealed.read(connection)).values()
        assert await stores.sealed.replace([Resealed(entry, Sealed("k2", b"4"))]) == 1
        (now,) = (await stores.sealed.read(connection)).values()
        assert (now.sealed, now.version) == (Sealed("k2", b"4"), second)

    async def test_versions_rise_with_a_removal_too(self, stores: Stores, connection: ConnectionId) -> None:
        both = await stores.sealed.write(connection, {"a": Sealed("k1", b"1"), "b": Sealed("k1", b"2")})
        one = await stores.sealed.write(connection, {"b": None})
        assert [entry.version for entry in (await stores.sealed.read(connection)).values()] == [one]
        back = await stores.sealed.write(connection, {"b": Sealed("k1", b"3")})
        other = await stores.sealed.write(connection, {"a": Sealed("k1", b"4"), "b": None})
        assert both < one < back < other

    async def test_a_secret_replaced_meanwhile_is_not_overwritten_by_its_old_content(
        self, stores: Stores, connection: ConnectionId
    ) -> None:
        await stores.sealed.write(connection, {"a": Sealed("k1", b"old")})
        (entry,) = (await stores.sealed.read(connection)).values()
        await stores.sealed.write(connection, {"a": Sealed("k1", b"new")})
        assert await stores.sealed.replace([Resealed(entry, Sealed("k2", b"old again"))]) == 0
        assert (await stores.sealed.read(connection))["a"].sealed == Sealed("k1", b"new")

    async def test_a_tenants_secrets_are_erased_and_no_one_elses(
        self, stores: Stores, connection: ConnectionId
    ) -> None:
        other = ConnectionId("other-" + connection.tenant, "exact")
        for owner in (connection, other):
            await stores.sealed.write(owner, {"a": Sealed("kx", b"1")})
        assert await stores.sealed.erase(connection.tenant) == 1
        assert await stores.sealed.read(connection) == {}
        assert len(await stores.sealed.read(other)) == 1

    async def test_what_other_keys_sealed_is_found(self, stores: Stores, connection: ConnectionId) -> None:
        before = await stores.sealed.count_under_other_keys("k9")
        await stores.sealed.write(connection, {"a": Sealed("k1", b"1"), "b": Sealed("k9", b"2")})
        assert await stores.sealed.count_under_other_keys("k9") == before + 1
        assert all(entry.sealed.key_id != "k9" for entry in await stores.sealed.under_other_keys("k9", 1000))


class TestTokenStore:
    async def test_of_many_at_once_one_renews(self, stores: Stores, connection: ConnectionId) -> None:
        begun = await asyncio.gather(
            *(stores.tokens.begin_refresh(connection, 0, f"holder-{index}", 5.0) for index in range(8))
        )
        assert sum(row is not None for row in begun) == 1

    async def test_a_young_token_is_not_renewed(self, stores: Stores, connection: ConnectionId) -> None:
        generation = await stores.tokens.adopt(connection, pair(refresh_after_s=0.2))
        assert await stores.tokens.begin_refresh(connection, generation, "a", 5.0) is None
        await asyncio.sleep(0.25)
        row = await stores.tokens.begin_refresh(connection, generation, "a", 5.0)
        assert row is not None
        assert row.sealed == Sealed("k1", b"1")

    async def test_who_died_is_succeeded_after_not_after_and_its_late_answer_still_counts(
        self, stores: Stores, connection: ConnectionId
    ) -> None:
        generation = await stores.tokens.adopt(connection, pair(refresh_after_s=0.0))
        await stores.tokens.begin_refresh(connection, generation, "stopped", 0.2)
        assert await stores.tokens.begin_refresh(connection, generation, "b", 5.0) is None
        await asyncio.sleep(0.25)
        assert await stores.tokens.begin_refresh(connection, generation, "b", 5.0) is not None
        assert await stores.tokens.fail(connection, generation, "b", TokenState.REAUTHORISE, "invalid_grant")
        assert await stores.tokens.store(connection, generation, pair("late"))
        row = await stores.tokens.read(connection)
        assert (row.state, row.generation, row.sealed) == (TokenState.VALID, generation + 1, Sealed("k1", b"late"))

    async def test_a_late_refusal_says_nothing_of_a_newer_pair(self, stores: Stores, connection: ConnectionId) -> None:
        generation = await stores.tokens.adopt(connection, pair(refresh_after_s=0.0))
        await stores.tokens.begin_refresh(connection, generation, "stopped", 0.05)
        await asyncio.sleep(0.1)
        await stores.tokens.begin_refresh(connection, generation, "b", 5.0)
        assert await stores.tokens.store(connection, generation, pair("2"))
        assert not await stores.tokens.fail(connection, generation, "stopped", TokenState.REAUTHORISE, "used twice")
        assert not await stores.tokens.store(connection, generation, pair("3"))
        assert (await stores.tokens.read(connection)).sealed == Sealed("k1", b"2")

    async def test_a_broken_chain_is_named_once_and_lifted_by_a_login(
        self, stores: Stores, connection: ConnectionId
    ) -> None:
        generation = await stores.tokens.adopt(connection, pair(refresh_after_s=0.0))
        await stores.tokens.begin_refresh(connection, generation, "a", 5.0)
        assert await stores.tokens.fail(connection, generation, "a", TokenState.REAUTHORISE, "invalid_grant")
        assert not await stores.tokens.fail(connection, generation, "a", TokenState.REAUTHORISE, "again")
        row = await stores.tokens.read(connection)
        assert (row.state, row.reason, row.reauthorisations) == (TokenState.REAUTHORISE, "invalid_grant", 1)
        assert await stores.tokens.begin_refresh(connection, generation, "b", 5.0) is None
        await stores.tokens.adopt(connection, pair("new"))
        after = await stores.tokens.read(connection)
        assert (after.state, after.reauthorisations) == (TokenState.VALID, 1)

    async def test_a_renewal_given_back_keeps_the_pair_and_is_not_tried_at_once(
        self, stores: Stores, connection: ConnectionId
    ) -> None:
        generation = await stores.tokens.adopt(connection, pair(refresh_after_s=0.0))
        await stores.tokens.begin_refresh(connection, generation, "a", 5.0)
        await stores.tokens.give_back(connection, generation, "a", retry_after_s=0.2)
        assert await stores.tokens.begin_refresh(connection, generation, "a2", 5.0) is None
        await asyncio.sleep(0.25)
        assert await stores.tokens.begin_refresh(connection, generation, "a2", 5.0) is not None
        assert (await stores.tokens.read(connection)).attempts == 1
        await stores.tokens.give_back(connection, generation, "a2", retry_after_s=0.0, tried=False)
        assert (await stores.tokens.read(connection)).attempts == 1, "what never left makes nobody wait longer"

    async def test_an_unanswered_renewal_holds_until_its_not_after(
        self, stores: Stores, connection: ConnectionId
    ) -> None:
        generation = await stores.tokens.adopt(connection, pair(refresh_after_s=0.0))
        await stores.tokens.begin_refresh(connection, generation, "a", 0.3)
        await stores.tokens.unanswered(connection, generation, "a", "reset")
        assert await stores.tokens.begin_refresh(connection, generation, "b", 5.0) is None
        await asyncio.sleep(0.35)
        assert await stores.tokens.begin_refresh(connection, generation, "b", 5.0) is not None

    async def test_refused_credentials_are_not_tried_again_until_they_are_replaced(
        self, stores: Stores, connection: ConnectionId
    ) -> None:
        await stores.sealed.write(connection, {"client_secret": Sealed("k1", b"wrong")})
        await stores.tokens.begin_refresh(connection, 0, "a", 5.0)
        await stores.tokens.fail(connection, 0, "a", TokenState.REFUSED, "invalid_client")
        assert await stores.tokens.begin_refresh(connection, 0, "b", 5.0) is None
        await stores.sealed.write(connection, {"client_secret": Sealed("k1", b"right")})
        assert await stores.tokens.begin_refresh(connection, 0, "b", 5.0) is not None

    async def test_refused_credentials_offered_again_are_tried_once_more(
        self, stores: Stores, connection: ConnectionId
    ) -> None:
        await stores.sealed.write(connection, {"client_secret": Sealed("k1", b"right")})
        for _ in range(2):
            assert await stores.tokens.begin_refresh(connection, 0, "a", 5.0) is not None
            await stores.tokens.fail(connection, 0, "a", TokenState.REFUSED, "invalid_scope")
            assert await stores.tokens.begin_refresh(connection, 0, "a", 5.0) is None
            await stores.sealed.write(connection, {})
        assert (await stores.sealed.read(connection))["client_secret"].sealed == Sealed("k1", b"right")

    @pytest.mark.parametrize("between", [{"a": None}, {"a": None, "b": None}], ids=["one", "all"])
    async def test_credentials_put_after_a_removal_are_new_to_a_refused_connection(
        self, stores: Stores, connection: ConnectionId, between: dict[str, None]
    ) -> None:
        await stores.sealed.write(connection, {"a": Sealed("k1", b"wrong"), "b": Sealed("k1", b"wrong")})
        await stores.tokens.begin_refresh(connection, 0, "a", 5.0)
        await stores.tokens.fail(connection, 0, "a", TokenState.REFUSED, "invalid_client")
        await stores.sealed.write(connection, between)
        await stores.sealed.write(connection, {"b": Sealed("k1", b"right")})
        assert await stores.tokens.begin_refresh(connection, 0, "b", 5.0) is not None

    async def test_refusals_count_for_their_own_generation_only(self, stores: Stores, connection: ConnectionId) -> None:
        generation = await stores.tokens.adopt(connection, pair())
        assert await stores.tokens.refused(connection, generation - 1) == 0
        assert await stores.tokens.refused(connection, generation) == 1
        assert await stores.tokens.refused(connection, generation) == 2

    async def test_a_change_rings_and_a_list_carries_no_secret(self, stores: Stores, connection: ConnectionId) -> None:
        waiting = asyncio.create_task(stores.bell.wait(token_key(connection), 5.0))
        await asyncio.sleep(0.05)
        await stores.tokens.adopt(connection, pair())
        async with asyncio.timeout(1.0):
            await waiting
        (row,) = await stores.tokens.all(connection.tenant)
        assert (row.connection, row.sealed) == (connection, None)

    async def test_a_pause_outlives_renewals_which_go_on(self, stores: Stores, connection: ConnectionId) -> None:
        await stores.tokens.pause(connection, "wrong account")
        assert await stores.tokens.begin_refresh(connection, 0, "a", 5.0) is not None
        await stores.tokens.store(connection, 0, pair())
        assert (await stores.tokens.read(connection)).paused == "wrong account"
        await stores.tokens.pause(connection, None)
        assert (await stores.tokens.read(connection)).paused is None


class TestQuotaStore:
    async def test_of_many_at_once_one_has_the_turn(self, stores: Stores, connection: ConnectionId) -> None:
        answers = await asyncio.gather(
            *(stores.quota.ask(connection, SERIAL, live(f"replica-{index}")) for index in range(8))
        )
        assert sum(answer.calls > 0 for answer in answers) == 1

    async def test_a_settled_turn_rings_and_a_dead_holders_turn_ends(
        self, stores: Stores, connection: ConnectionId
    ) -> None:
        first = await stores.quota.ask(connection, SERIAL, live("a"))
        waiting = asyncio.create_task(stores.bell.wait(bell_key(connection), 5.0))
        await asyncio.sleep(0.05)
        await stores.quota.settle(connection, SERIAL, Settlement("a", first.turn))
        async with asyncio.timeout(1.0):
            await waiting
        assert (await stores.quota.ask(connection, SERIAL, live("dies"))).calls == 1
        assert (await stores.quota.ask(connection, SERIAL, live("b"))).calls == 0
        await asyncio.sleep(0.45)
        assert (await stores.quota.ask(connection, SERIAL, live("b"))).calls == 1

    async def test_slots_are_given_once(self, stores: Stores, connection: ConnectionId) -> None:
        answers = await asyncio.gather(
            *(stores.quota.ask(connection, PARALLEL, live(f"replica-{index}", 20)) for index in range(6))
        )
        slots = sorted(slot for answer in answers for slot in answer.slots)
        assert slots
        assert all(later - earlier == pytest.approx(0.01, abs=1e-4) for earlier, later in itertools.pairwise(slots))

    async def test_what_one_learns_all_know(self, stores: Stores, connection: ConnectionId) -> None:
        answer = await stores.quota.ask(connection, SERIAL, live("a"))
        lesson = Lesson("x", 429, Reading((), True, 30.0), answer.now, answer.now)
        await stores.quota.settle(connection, SERIAL, Settlement("a", answer.turn, 1, (lesson,)))
        refused = await stores.quota.ask(connection, SERIAL, live("b"))
        assert refused.calls == 0
        assert refused.until - refused.now > 25.0
        shown = await stores.quota.status(connection, SERIAL)
        assert "429" in shown.closed_why
        assert shown.windows[0].used == 0


@pytest.fixture
def name(connection: ConnectionId) -> Callable[[str], str]:
    """Invitations, states and browsers that no other test uses."""
    return lambda what: f"{connection}:{what}"


class TestAuthorisationStore:
    async def test_a_login_goes_from_its_link_through_its_browser_back_once(
        self, stores: Stores, connection: ConnectionId, name: Callable[[str], str]
    ) -> None:
        login = Login(connection, "https://connector.example/oauth/callback")
        await stores.authorisations.invite(connection, name("link"), login.redirect_uri, 60.0)
        assert await stores.authorisations.start(name("link"), name("state"), name("browser")) == login
        assert await stores.authorisations.finish(name("state"), name("browser")) == login
        assert await stores.authorisations.finish(name("state"), name("browser")) is Refusal.USED
        assert await stores.authorisations.start(name("link"), name("again"), name("browser")) is Refusal.USED

    async def test_what_nobody_handed_out_and_another_browser_are_refused(
        self, stores: Stores, connection: ConnectionId, name: Callable[[str], str]
    ) -> None:
        await stores.authorisations.invite(connection, name("link"), "https://connector.example", 60.0)
        assert await stores.authorisations.start(name("no link"), name("state"), name("browser")) is Refusal.UNKNOWN
        await stores.authorisations.start(name("link"), name("state"), name("browser"))
        assert await stores.authorisations.finish(name("no state"), name("browser")) is Refusal.UNKNOWN
        assert await stores.authorisations.finish(name("state"), name("other")) is Refusal.OTHER_BROWSER
        assert await stores.authorisations.finish(name("state"), name("browser")) is Refusal.USED

    async def test_a_link_and_a_login_under_way_expire(
        self, stores: Stores, connection: ConnectionId, name: Callable[[str], str]
    ) -> None:
        for link in ("never opened", "opened"):
            await stores.authorisations.invite(connection, name(link), "https://connector.example", 0.3)
        assert isinstance(await stores.authorisations.start(name("opened"), name("state"), name("browser")), Login)
        await asyncio.sleep(0.35)
        assert await stores.authorisations.start(name("never opened"), name("late"), name("b")) is Refusal.EXPIRED
        assert await stores.authorisations.start(name("opened"), name("late"), name("b")) is Refusal.EXPIRED
        assert await stores.authorisations.finish(name("state"), name("browser")) is Refusal.EXPIRED
