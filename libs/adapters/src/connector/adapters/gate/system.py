"""What the gate needs to know of a system: how its tokens are made and what its quota is. Each room states it in
`auth.py` (AUTH) and `quota.py` (QUOTA)."""

import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

import httpx

from connector.adapters import systems
from connector.adapters.http import VendorAnswer
from connector.domain.ports.quota import QuotaRules, Reading


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token endpoint gave. `life_s` counts from when the answer came."""

    access_token: str = field(repr=False)
    life_s: float
    refresh_token: str | None = field(default=None, repr=False)


class RenewalError(Exception):
    """The token endpoint said no, in words fit for people. `kept` is a pair that came with the refusal."""

    def __init__(self, message: str, kept: Grant | None = None) -> None:
        super().__init__(message)
        self.kept = kept


class TooEarly(RenewalError):
    """The vendor does not renew yet: somebody else did, or the token is young. Read again, never retry at once."""


class ChainBroken(RenewalError):
    """The refresh token is worth nothing any more: a person must log in."""


class CredentialsRefused(RenewalError):
    """Client id, secret, scope or the app itself is refused: somebody must apply right ones."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a person may choose after logging in (Exact: a division). `current` is the vendor's own default."""

    id: str
    name: str
    current: bool = False


Ask = Callable[[str, str], Awaitable[VendorAnswer]]
"""A GET on the login's behalf: the endpoint's name for error budgets, and the address."""


class SystemAuth(Protocol):
    """How one system's tokens are made. Methods raise RenewalError or a VendorError."""

    @property
    def rotating(self) -> bool:
        """Refresh tokens are single-use: two renewals at once, or a lost answer, cost a person's login."""
        ...

    @property
    def activation_lag_s(self) -> float:
        """How long after minting a token may still be refused."""
        ...

    def refresh_after_s(self, life_s: float) -> float: ...
    def headers(self, access_token: str) -> Mapping[str, str]: ...

    async def renew(
        self,
        http: httpx.AsyncClient,
        settings: Any,
        secrets: Mapping[str, str],
        pair: Grant | None,
        *,
        deadline_s: float,
        before_send: Any,
    ) -> Grant:
        """Refresh the pair, or mint a token where the system does that."""
        ...


class CodeGrantAuth(SystemAuth, Protocol):
    """A system whose first token comes from a person's login."""

    def authorize_url(self, settings: Any, secrets: Mapping[str, str], redirect_uri: str, state: str) -> str: ...

    async def exchange(
        self, http: httpx.AsyncClient, settings: Any, secrets: Mapping[str, str], code: str, redirect_uri: str
    ) -> Grant: ...

    async def accounts(self, ask: Ask, settings: Any) -> list[Account]:
        """What this login may open."""
        ...

    def pinned(self, settings: Any) -> str:
        """The account that the configuration names."""
        ...


class SystemQuota(Protocol):
    def rules(self, settings: Any) -> QuotaRules: ...
    def read(self, status: int, headers: Mapping[str, str]) -> Reading:
        """What an answer says of the quota; headers by lower-case name."""
        ...


def _stated(system: str, module: str, name: str) -> Any:
    if system not in systems.names():
        raise systems.UnknownSystem(f"there is no system {system!r}: use one of {', '.join(systems.names())}")
    return getattr(importlib.import_module(f"{systems.__name__}.{system}.{module}"), name)


@cache
def auth_of(system: str) -> SystemAuth:
    auth: SystemAuth = _stated(system, "auth", "AUTH")
    return auth


@cache
def quota_of(system: str) -> SystemQuota:
    quota: SystemQuota = _stated(system, "quota", "QUOTA")
    return quota
