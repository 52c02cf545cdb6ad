"""The vault: AES-256-GCM per field, bound to tenant, connection, field and key id."""

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from connector.adapters.vault.fingerprints import Fingerprints
from connector.domain.identity import ConnectionId
from connector.domain.ports.vault import (
    TOKEN_FIELD,
    CorruptSecret,
    KeyProvider,
    KeyRing,
    Resealed,
    RetiredKey,
    Sealed,
    SealedStore,
    UnknownKey,
)

_NONCE_BYTES = 12


class Secrets(Mapping[str, str]):
    """A connection's credentials by field name; printing it shows the names only."""

    __slots__ = ("_values", "version")

    def __init__(self, values: Mapping[str, str], version: int) -> None:
        self._values = dict(values)
        self.version = version

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self._values)})"


def _bound_to(connection: ConnectionId, field: str, key_id: str) -> bytes:
    return "\x00".join((connection.tenant, connection.connection, field, key_id)).encode()


def _anew(connection: ConnectionId, field: str) -> str:
    """How people replace what cannot be opened."""
    return f"run `connector authorize {connection}`" if field == TOKEN_FIELD else "apply the credential again"


class Vault:
    """Seals and opens. The key ring is read again when a key is met that it does not hold, so that a new key mounted
    beside the old one needs no restart."""

    def __init__(self, store: SealedStore, keys: KeyProvider) -> None:
        self._store = store
        self._keys = keys
        self._ring = keys.load()
        self._ciphers: dict[str, AESGCM] = {}

    def reload(self) -> KeyRing:
        """Read the key ring again, as after a rotation."""
        self._ring = self._keys.load()
        self._ciphers.clear()
        return self._ring

    def fingerprints(self, tenant: str) -> Fingerprints:
        """What tells a tenant's bank accounts apart, under the ring as it is at each use."""
        return Fingerprints(tenant, lambda: self._ring)

    def _cipher(self, key_id: str, connection: ConnectionId, field: str) -> AESGCM:
        where = f"field {field!r} of connection {connection} is sealed under key {key_id!r}"
        if key_id not in self._ring.keys and key_id not in self._ring.retired:
            self.reload()
        if key_id in self._ring.retired:
            raise RetiredKey(
                f"{where}, which is retired: give the key back to the ring and run `connector keys rotate`, "
                f"or {_anew(connection, field)}"
            )
        if key_id not in self._ring.keys:
            raise UnknownKey(f"{where}, which the key ring does not hold: add that key, or {_anew(connection, field)}")
        if key_id not in self._ciphers:
            self._ciphers[key_id] = AESGCM(self._ring.keys[key_id])
        return self._ciphers[key_id]

    def seal(self, connection: ConnectionId, field: str, value: str) -> Sealed:
        key_id = self._ring.active
        nonce = os.urandom(_NONCE_BYTES)
        cipher = self._cipher(key_id, connection, field)
        return Sealed(key_id, nonce + cipher.encrypt(nonce, value.encode(), _bound_to(connection, field, key_id)))

    def open(self, connection: ConnectionId, field: str, sealed: Sealed) -> str:
        """Raises UnknownKey, RetiredKey or CorruptSecret."""
        cipher = self._cipher(sealed.key_id, connection, field)
        nonce, ciphertext = sealed.data[:_NONCE_BYTES], sealed.data[_NONCE_BYTES:]
        try:
            return cipher.decrypt(nonce, ciphertext, _bound_to(connection, field, sealed.key_id)).decode()
        except (InvalidTag, ValueError) as error:
            raise CorruptSecret(
                f"field {field!r} of connection {connection} cannot be opened with key {sealed.key_id!r}: "
                f"it was changed, moved, or sealed under another key of that name; {_anew(connection, field)}"
            ) from error

    async def credentials(self, connection: ConnectionId) -> Secrets:
        fields = await self._store.read(connection)
        values = {
            name: self.open(connection, name, entry.sealed) for name, entry in fields.items() if name != TOKEN_FIELD
        }
        version = max((entry.version for name, entry in fields.items() if name != TOKEN_FIELD), default=0)
        return Secrets(values, version)

    async def readable(self, connection: ConnectionId) -> Mapping[str, str | None]:
        """Credentials by field, None where one cannot be opened any more: for whoever is about to replace them."""
        found: dict[str, str | None] = {}
        for name, entry in (await self._store.read(connection)).items():
            if name == TOKEN_FIELD:
                continue
            try:
                found[name] = self.open(connection, name, entry.sealed)
            except (UnknownKey, RetiredKey, CorruptSecret):
                found[name] = None
        return found

    async def put(self, connection: ConnectionId, values: Mapping[str, str | None]) -> int:
        """Store credentials (None removes a field): in force for the next call of every replica."""
        if TOKEN_FIELD in values:
            raise ValueError(f"the field name {TOKEN_FIELD!r} is the gate's own: name the credential otherwise")
        sealed = {name: None if value is None else self.seal(connection, name, value) for name, value in values.items()}
        return await self._store.write(connection, sealed)

    async def offer_again(self, connection: ConnectionId) -> None:
        """Let credentials count as new though they are the same, where what they are used with changed: refused ones
        are tried once more."""
        await self._store.write(connection, {})

    async def erase(self, tenant: str) -> int:
        return await self._store.erase(tenant)


@dataclass(frozen=True, slots=True)
class RotationProgress:
    done: int
    total: int
    broken: tuple[str, ...] = ()
    """What could not be opened, in words for people; they stay as they are."""


async def rotate(
    vault: Vault,
    store: SealedStore,
    *,
    batch: int = 1000,
    progress: Callable[[RotationProgress], Awaitable[None] | None] | None = None,
) -> RotationProgress:
    """Seal everything under the key ring's active key while calls go on; after a crash, run it again."""
    active = vault.reload().active
    total = await store.count_under_other_keys(active)
    done, broken = 0, dict[tuple[ConnectionId, str], str]()
    state = RotationProgress(0, total)
    while True:
        limit = batch + len(broken)
        fields = await store.under_other_keys(active, limit)
        resealed = []
        for entry in fields:
            if (entry.connection, entry.field) in broken:
                continue
            try:
                value = vault.open(entry.connection, entry.field, entry.sealed)
            except (UnknownKey, RetiredKey, CorruptSecret) as error:
                broken[entry.connection, entry.field] = str(error)
                continue
            resealed.append(Resealed(entry, vault.seal(entry.connection, entry.field, value)))
        if resealed:
            done += await store.replace(resealed)
        state = RotationProgress(done, max(total, done + len(broken)), tuple(broken.values()))
        if progress is not None and (shown := progress(state)) is not None:
            await shown
        if not resealed and len(fields) < limit:
            return state
