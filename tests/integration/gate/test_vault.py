"""The vault on a real database: what it refuses, and keys rotated while calls go on."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from connector.adapters.postgres.engine import engine
from connector.adapters.postgres.vault import PostgresSealedStore
from connector.adapters.vault import (
    EnvironmentKeys,
    FileKeys,
    MountedKeys,
    RotationProgress,
    Vault,
    key_provider,
    rotate,
)
from connector.domain.identity import ConnectionId
from connector.domain.ports.vault import CorruptSecret, RetiredKey, UnknownKey, VaultError

HERE = ConnectionId("acme", "exact")
KEYS = {name: base64.b64encode(os.urandom(32)).decode() for name in ("old", "new")}


def ring(active: str, *names: str, retired: tuple[str, ...] = ()) -> str:
    return json.dumps({"active": active, "keys": {name: KEYS[name] for name in names}, "retired": retired})


def write(path: Path, text: str) -> None:
    path.write_text(text)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[PostgresSealedStore]:
    database = engine(database_url)
    yield PostgresSealedStore(database)
    await database.dispose()


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_text(ring("old", "old"))
    return path


async def test_nothing_of_a_secret_is_in_the_database_or_in_what_is_printed(
    store: PostgresSealedStore, key_file: Path, database_url: str
) -> None:
    vault = Vault(store, FileKeys(key_file))
    await vault.put(HERE, {"client_secret": "planted-4711"})
    secrets = await vault.credentials(HERE)
    assert secrets["client_secret"] == "planted-4711"
    assert "planted" not in f"{secrets} {secrets!r} {await store.read(HERE)}"
    with psycopg.connect(database_url) as connection:
        (row,) = connection.execute("select * from sealed where tenant = 'acme' and field = 'client_secret'")
        assert b"planted" not in bytes(row[4])


async def test_a_ciphertext_opens_only_where_it_belongs(store: PostgresSealedStore, key_file: Path) -> None:
    vault = Vault(store, FileKeys(key_file))
    sealed = vault.seal(HERE, "client_secret", "s")
    for connection, field in [(ConnectionId("other", "exact"), "client_secret"), (HERE, "webhook_secret")]:
        with pytest.raises(CorruptSecret, match="apply the credential again"):
            vault.open(connection, field, sealed)


async def test_a_retired_and_an_unknown_key_are_named_with_the_next_step(
    store: PostgresSealedStore, key_file: Path
) -> None:
    sealed = Vault(store, FileKeys(key_file)).seal(HERE, "client_secret", "s")
    write(key_file, ring("new", "new", retired=("old",)))
    with pytest.raises(RetiredKey, match=r"acme/exact .*'old', which is retired: .*connector keys rotate"):
        Vault(store, FileKeys(key_file)).open(HERE, "client_secret", sealed)
    write(key_file, ring("new", "new"))
    with pytest.raises(UnknownKey, match="add that key"):
        Vault(store, FileKeys(key_file)).open(HERE, "client_secret", sealed)


async def test_keys_rotate_while_every_read_and_write_goes_on(store: PostgresSealedStore, key_file: Path) -> None:
    vault, reader = Vault(store, FileKeys(key_file)), Vault(store, FileKeys(key_file))
    connections = [ConnectionId("rotating", f"c{index}") for index in range(500)]
    for connection in connections:
        await vault.put(connection, {"client_secret": connection.connection})
    write(key_file, ring("new", "old", "new"))
    reads, shown, rotating = 0, list[RotationProgress](), True

    async def read_on() -> int:
        nonlocal reads
        while rotating:
            connection = connections[reads % 500]
            value = (await reader.credentials(connection))["client_secret"]
            assert value.removesuffix("-replaced") == connection.connection
            reads += 1
        return reads

    async def replace_some() -> None:
        for connection in connections[::25]:
            await reader.put(connection, {"client_secret": f"{connection.connection}-replaced"})

    reading, replacing = asyncio.create_task(read_on()), asyncio.create_task(replace_some())
    await rotate(vault, store, batch=20, progress=shown.append)
    await replacing
    result = await rotate(vault, store, progress=shown.append)
    rotating = False
    assert await reading > 0
    assert result.broken == ()
    assert shown[0].total >= 500
    assert await store.count_under_other_keys("new") == 0
    write(key_file, ring("new", "new", retired=("old",)))
    fresh = Vault(store, FileKeys(key_file))
    for connection in connections[::25]:
        assert (await fresh.credentials(connection))["client_secret"] == f"{connection.connection}-replaced"


class Interrupted(Exception):
    """Somebody pressed Ctrl-C."""


async def test_an_interrupted_rotation_goes_on_where_it_was(store: PostgresSealedStore, key_file: Path) -> None:
    vault = Vault(store, FileKeys(key_file))
    for index in range(30):
        await vault.put(ConnectionId("interrupted", f"c{index}"), {"client_secret": "s"})
    write(key_file, ring("new", "old", "new"))
    before = await store.count_under_other_keys("new")

    def interrupt(state: RotationProgress) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        await rotate(vault, store, batch=10, progress=interrupt)
    left = await store.count_under_other_keys("new")
    assert 0 < left < before
    shown = list[RotationProgress]()
    result = await rotate(Vault(store, FileKeys(key_file)), store, batch=10, progress=shown.append)
    assert (shown[0].total, result.done + len(result.broken)) == (left, left)


async def test_a_rotation_names_what_it_cannot_open_and_does_the_rest(
    store: PostgresSealedStore, key_file: Path, database_url: str
) -> None:
    vault = Vault(store, FileKeys(key_file))
    for name in ("whole", "broken"):
        await vault.put(ConnectionId("partly", name), {"client_secret": "s"})
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("update sealed set data = 'garbage of some length' where connection = 'broken'")
    write(key_file, ring("new", "old", "new"))
    result = await rotate(vault, store, batch=1)
    assert len(result.broken) == 1
    assert "partly/broken" in result.broken[0]
    assert (await store.read(ConnectionId("partly", "whole")))["client_secret"].sealed.key_id == "new"


async def test_a_rotation_goes_on_behind_a_batch_of_which_it_can_open_nothing(
    store: PostgresSealedStore, key_file: Path, database_url: str
) -> None:
    vault = Vault(store, FileKeys(key_file))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("truncate sealed")
        for index in range(3):
            await vault.put(ConnectionId("behind", f"broken-{index}"), {"client_secret": "s"})
        connection.execute("update sealed set data = 'garbage of some length'")
    for index in range(3):
        await vault.put(ConnectionId("behind", f"whole-{index}"), {"client_secret": "s"})
    write(key_file, ring("new", "old", "new"))
    result = await rotate(vault, store, batch=2)
    assert (result.done, len(result.broken)) == (3, 3)


def test_key_rings_are_read_from_a_variable_and_from_a_mounted_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RING", ring("new", "old", "new"))
    assert EnvironmentKeys("RING").load().active == "new"
    (tmp_path / "active").write_text("new\n")
    (tmp_path / "key.new").write_bytes(base64.b64decode(KEYS["new"]))
    (tmp_path / "key.old").write_text(KEYS["old"] + "\n")
    mounted = MountedKeys(tmp_path).load()
    assert mounted.keys == EnvironmentKeys("RING").load().keys


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[]", "must read"),
        ('{"active": "a", "keys": {"a": "AAAA"}}', "has 3 bytes: AES-256 needs 32"),
        ('{"active": "b", "keys": {}}', "active key 'b' is not among"),
        ('{"active": "a", "keys": {"a": "pässwort"}}', "is not base64"),
    ],
)
def test_a_wrong_key_ring_says_what_is_wrong_with_it(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "ring.json"
    path.write_text(text)
    with pytest.raises(VaultError, match=says) as caught:
        key_provider(f"file:{path}").load()
    assert "pässwort" not in str(caught.value)
