"""Who and what a record is: tenants, connections, flows, entities, and the order of what was read."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Entity(StrEnum):
    """The five canonical entities; values name the topics `canonical.<entity>.v1`."""

    PURCHASE_ORDER = "purchase-order"
    INVOICE = "invoice"
    SUPPLIER = "supplier"
    PAYMENT = "payment"
    REFERENCE = "reference"


class TrafficClass(StrEnum):
    """Why a vendor is called; the gate serves them in this order and starves none."""

    LIVE = "live"
    CATCH_UP = "catch-up"
    BACKFILL = "backfill"


class Role(StrEnum):
    """What an epoch holder may do with a connection."""

    READ = "read"
    WRITE = "write"
    ANSWER = "answer"
    """Tells a source what became of its documents."""


def _check_name(kind: str, value: str) -> None:
    if not _NAME.fullmatch(value):
        raise ValueError(f"{kind} {value!r}: use lower-case letters, digits and hyphens, at most 63 characters")


@dataclass(frozen=True, slots=True, order=True)
class ConnectionId:
    """One vendor account of one tenant (`tenant/connection`)."""

    tenant: str
    connection: str

    def __post_init__(self) -> None:
        _check_name("tenant", self.tenant)
        _check_name("connection", self.connection)

    def __str__(self) -> str:
        return f"{self.tenant}/{self.connection}"

    @classmethod
    def parse(cls, text: str) -> "ConnectionId":
        tenant, _, connection = text.partition("/")
        return cls.of(tenant, connection)

    @staticmethod
    @lru_cache(maxsize=4096)
    def of(tenant: str, connection: str) -> "ConnectionId":
        """The same as calling the class, remembered: every record on the log names one of a few connections."""
        return ConnectionId(tenant, connection)


@dataclass(frozen=True, slots=True, order=True)
class FlowId:
    """One flow of one tenant (`tenant/flow`)."""

    tenant: str
    flow: str

    def __post_init__(self) -> None:
        _check_name("tenant", self.tenant)
        _check_name("flow", self.flow)

    def __str__(self) -> str:
        return f"{self.tenant}/{self.flow}"

    @classmethod
    def parse(cls, text: str) -> "FlowId":
        tenant, _, flow = text.partition("/")
        return cls(tenant, flow)


@dataclass(frozen=True, slots=True, order=True)
class EntityRef:
    """One document at its source: the key of `documents.*` and `canonical.*` records.

    For references the native id is `kind/code`, so that the key reads tenant/connection/reference/kind/code.
    """

    connection: ConnectionId
    entity: Entity
    native_id: str

    @property
    def key(self) -> str:
        return f"{self.connection}/{self.entity}/{self.native_id}"

    @classmethod
    def parse(cls, key: str) -> "EntityRef":
        tenant, connection, entity, native_id = key.split("/", 3)
        return cls(ConnectionId.of(tenant, connection), Entity(entity), native_id)


@dataclass(frozen=True, slots=True, order=True)
class RowRef:
    """One desired row: a source document as one flow wants it in its target."""

    flow: FlowId
    entity: Entity
    native_id: str


@dataclass(frozen=True, slots=True, order=True)
class Revision:
    """Orders everything: no pod's and no vendor's clock does.

    `read_at` is given by PostgreSQL to a vendor request before it is sent (UTC, microseconds, unique and rising per
    connection); `translation_version` only ever rises per source system.
    """

    read_at: datetime
    translation_version: int

    def __post_init__(self) -> None:
        if self.read_at.tzinfo is None:
            raise ValueError("read_at must be an instant in UTC")
