"""The gate: one per vendor connection, shared by every service and replica that calls it."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from connector.domain.identity import ConnectionId, TrafficClass

GATE_CLOSED = "gate-closed"
"""The reason of what rests because the gate lets nobody call."""


class GateError(Exception):
    """A call may not be made now. `retry_after_s` is None where only a person can help."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ConnectionPaused(GateError):
    """Paused by a person, or needing re-authorisation; the message names the connection and the next step."""


class QuotaExhausted(GateError):
    """The share of the quota this class may spend is used up until `retry_after_s` from now."""


class EndpointDegraded(GateError):
    """The endpoint's error budget is spent: going on would make the vendor block the key."""


class GatedCall(Protocol):
    """One permitted call: a valid credential and a slot that is ours until the context ends."""

    @property
    def authorization(self) -> Mapping[str, str]:
        """Headers (or cookies) to send; values are secrets and never logged."""
        ...

    def learn(self, status: int, headers: Mapping[str, str]) -> None:
        """Teach the gate, and so all replicas, what the answer's status and headers say of quota and token."""
        ...


class Gate(Protocol):
    def call(
        self, connection: ConnectionId, traffic: TrafficClass, *, endpoint: str, flow: str = ""
    ) -> AbstractAsyncContextManager[GatedCall]:
        """Wait for a slot in the quota and a valid token; raises GateError.

        `endpoint` is the vendor's resource name that error budgets count by (`purchaseorder/PurchaseOrders`).
        Holding the context is holding the slot: one HTTP request inside, no more. After an answer of 401 the caller
        leaves the context and may enter once more: the gate then has replaced the token where that is allowed.
        """
        ...
