"""Secrets at rest: a key ring to seal them with, and a store that only ever sees them sealed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from connector.domain.identity import ConnectionId

TOKEN_FIELD = "token"  # noqa: S105
"""The field under which a connection's token pair is sealed; it belongs to the token store."""


class VaultError(Exception):
    """A secret cannot be sealed or opened; the message names connection, field and next step, never the value."""


class UnknownKey(VaultError):
    """Sealed under a key that the key ring does not hold."""


class RetiredKey(VaultError):
    """Sealed under a key that the key ring names as retired."""


class CorruptSecret(VaultError):
    """The ciphertext does not belong here or was changed."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """AES-256 keys by id. `active` seals; all of `keys` open; `retired` names ids that must no longer open anything."""

    active: str
    keys: Mapping[str, bytes] = field(repr=False)
    retired: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.active not in self.keys:
            raise VaultError(f"the key ring's active key {self.active!r} is not among its keys: {sorted(self.keys)}")
        for key_id, key in self.keys.items():
            if len(key) != 32:
                raise VaultError(f"key {key_id!r} has {len(key)} bytes: AES-256 needs 32 (`openssl rand -base64 32`)")
        if both := self.retired & self.keys.keys():
            raise VaultError(f"keys {sorted(both)} are both held and retired: remove them from one of the two")


class KeyProvider(Protocol):
    """Where the key ring comes from: a file, an environment variable, a mounted Kubernetes secret."""

    def load(self) -> KeyRing:
        """Read the ring as it is now; raises VaultError that says where it was looked for and what is wrong."""
        ...


@dataclass(frozen=True, slots=True)
class Sealed:
    """A nonce (12 bytes), ciphertext and tag under the key named; safe to store and to print."""

    key_id: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SealedField:
    """One sealed secret and where it belongs. `version` is that of the connection's credentials, which have one in
    common: it rises with each of their writes, a removal too, and not with a new key."""

    connection: ConnectionId
    field: str
    sealed: Sealed
    version: int


@dataclass(frozen=True, slots=True)
class Resealed:
    """The same content under a new key: replaces `old` only where that is still what is stored."""

    old: SealedField
    new: Sealed


class SealedStore(Protocol):
    async def read(self, connection: ConnectionId) -> Mapping[str, SealedField]: ...

    async def write(self, connection: ConnectionId, fields: Mapping[str, Sealed | None]) -> int:
        """Put fields (None removes one) and return the version that the connection's credentials now have, higher than
        any before; every replica's gate is told."""
        ...

    async def under_other_keys(self, active: str, limit: int) -> Sequence[SealedField]:
        """At most `limit` fields that are not sealed under `active`, of all tenants."""
        ...

    async def count_under_other_keys(self, active: str) -> int: ...

    async def replace(self, resealed: Sequence[Resealed]) -> int:
        """Store what is still current, in one transaction; return how many were."""
        ...

    async def erase(self, tenant: str) -> int:
        """Drop every secret of a tenant."""
        ...
