"""OAuth's client credentials: a token minted from an id and a secret as often as one is needed."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import jiter

from connector.adapters.gate.system import CredentialsRefused, Grant
from connector.adapters.http import VendorAnswer, redact_text, request
from connector.adapters.http.headers import retry_after_s
from connector.domain.vendor_error import RateLimited, VendorUnavailable

BODY_CAP_BYTES = 1024 * 1024
_LONGEST_LIFE_S = 366 * 86400.0
_WORDS = 200
"""So many characters of a vendor's words are told on."""
_REFUSALS = frozenset(
    ("invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
     "invalid_scope")
)  # fmt: skip
"""RFC 6749, section 5.2."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """Where a token is asked for, and how; the grant type is added."""

    url: str
    form: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)


class ClientCredentials(ABC):
    """What vendors that mint tokens have in common; a room says what its vendor's request and answer look like."""

    vendor: str
    rotating = False
    activation_lag_s = 0.0
    renew_at: float
    """At which share of a token's life the next one is minted."""

    @abstractmethod
    def asked(self, settings: Any, secrets: Mapping[str, str]) -> TokenRequest: ...

    @abstractmethod
    def granted(self, token: str, body: Mapping[str, Any], settings: Any) -> Grant:
        """Raises CredentialsRefused, or VendorUnavailable where the answer can't be read."""

    def refuses(self, status: int, body: Mapping[str, Any]) -> bool:
        """Whether the vendor itself refuses what was asked. Another answer of 4xx may be anybody's on the way to it, a
        firewall's or a gateway's, and is asked again."""
        return 400 <= status < 500 and str(body.get("error")) in _REFUSALS

    @abstractmethod
    def advice(self, body: Mapping[str, Any], settings: Any) -> str:
        """What to do about a refusal."""

    def refresh_after_s(self, life_s: float) -> float:
        return life_s * self.renew_at

    def headers(self, access_token: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {access_token}"}

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
        missing = [name for name in ("client_id", "client_secret") if not secrets.get(name)]
        if missing:
            raise CredentialsRefused(f"the vault holds no {' and no '.join(missing)}")
        asked = self.asked(settings, secrets)
        answer = await request(
            http,
            "POST",
            asked.url,
            form={"grant_type": "client_credentials", **asked.form},
            headers={"accept": "application/json", **asked.headers},
            deadline_s=deadline_s,
            body_cap_bytes=BODY_CAP_BYTES,
            before_send=before_send,
        )
        return self._grant(answer, settings, list(secrets.values()))

    def _grant(self, answer: VendorAnswer, settings: Any, secrets: list[str]) -> Grant:
        body = parsed(answer.body)
        token = body.get("access_token")
        if answer.status == 200:
            if not isinstance(token, str) or not token:
                raise VendorUnavailable("the token endpoint answered 200 without a token", status=200)
            return self.granted(token, body, settings)
        if answer.status == 429:
            wait_s = retry_after_s(answer.headers)
            raise RateLimited("the token endpoint answered 429", status=429, retry_after_s=wait_s)
        told = body.get("error_description") or body.get("error") or answer.text()
        said = redact_text(str(told), secrets)[:_WORDS]
        if not self.refuses(answer.status, body):
            raise VendorUnavailable(f"the token endpoint answered {answer.status}: {said}", status=answer.status)
        raise CredentialsRefused(f"{self.vendor} answered {answer.status}: {said}. {self.advice(body, settings)}")


def life_s(body: Mapping[str, Any], unstated_s: float) -> float:
    """A token's life by its answer, as a number or a string of one; `unstated_s` where it says nothing. Raises
    VendorUnavailable where it says what is no time."""
    stated = body.get("expires_in") or unstated_s
    try:
        life_s = float(stated)
    except (TypeError, ValueError):
        life_s = 0.0
    if not 0 < life_s <= _LONGEST_LIFE_S:
        raise VendorUnavailable("the token endpoint answered with an expires_in that is no time", status=200)
    return life_s


def parsed(body: bytes) -> dict[str, Any]:
    """A JSON object; empty where it is none."""
    try:
        found = jiter.from_json(body, float_mode="decimal")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
