"""Exact's webhooks: who sent them, and what they point at."""

import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from connector.domain.identity import Entity
from connector.domain.ports.source import Notice

_HEAD = b'{"Content":'
_TAIL = b',"HashCode":"'
_HASH_LENGTH = 64
_KEY = re.compile(r"\{?[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}?")

TOPICS = {
    "PurchaseOrders": Entity.PURCHASE_ORDER,
    "PurchaseEntries": Entity.INVOICE,
    "Accounts": Entity.SUPPLIER,
}
"""The topics we subscribe to. Line changes come under their header's topic; purchase invoices have none."""


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    VALIDATION = "validation"
    """The unsigned empty POST by which Exact tries the address: answer 200, there is no event."""
    FORGED = "forged"
    """No signature, a wrong one, or one of another form."""
    FOREIGN = "foreign"
    """Well signed, but for another division or app: a webhook secret is shared by all customers of one app."""

    @property
    def status(self) -> int:
        return 200 if self in (Verdict.ACCEPTED, Verdict.VALIDATION) else 401

    @property
    def publish(self) -> bool:
        return self is Verdict.ACCEPTED

    @property
    def reason(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whose notices an endpoint takes; while a secret is being replaced, both count."""

    secret: bytes
    division: int
    client_id: str
    previous_secret: bytes | None = None

    def verify(self, headers: Mapping[str, str], body: bytes) -> Verdict:
        """Exact signs within the body; its headers say nothing."""
        return verify(body, self)


def verify(body: bytes, recipient: Recipient) -> Verdict:
    """Judge the raw bytes of a webhook.

    Exact: HashCode is the upper-case hex HMAC-SHA256 of the bytes between `{"Content":` and `,"HashCode":"`, keyed with
    the app's webhook secret. The bytes are taken as they came: a body parsed and written again has another hash.
    """
    if not body:
        return Verdict.VALIDATION
    parts = _cut(body)
    if parts is None:
        return Verdict.FORGED
    content, claimed = parts
    if not any(hmac.compare_digest(expected, claimed) for expected in _expected(content, recipient)):
        return Verdict.FORGED
    try:
        event = json.loads(content)
    except ValueError:
        return Verdict.FORGED
    return Verdict.ACCEPTED if _is_for(event, recipient) else Verdict.FOREIGN


def _expected(content: bytes, recipient: Recipient) -> list[bytes]:
    secrets = [recipient.secret, *([recipient.previous_secret] if recipient.previous_secret else [])]
    return [hmac.digest(secret, content, "sha256").hex().upper().encode() for secret in secrets]


def _cut(body: bytes) -> tuple[bytes, bytes] | None:
    body = body.strip()
    split = body.rfind(_TAIL)
    if not body.startswith(_HEAD) or split < 0 or not body.endswith(b'"}'):
        return None
    claimed = body[split + len(_TAIL) : -2]
    return (body[len(_HEAD) : split], claimed) if len(claimed) == _HASH_LENGTH else None


def _is_for(event: Any, recipient: Recipient) -> bool:
    if not isinstance(event, dict):
        return False
    client_id = str(event.get("ClientId", "")).strip("{}").lower()
    return event.get("Division") == recipient.division and client_id == recipient.client_id.strip("{}").lower()


def notices(body: bytes) -> Sequence[Notice]:
    """What a verified body points at; an empty one, an unknown topic or a key that is none give nothing."""
    if not body:
        return ()
    try:
        event = json.loads(body)["Content"]
        entity = TOPICS.get(event["Topic"])
        key = event["Key"]
    except (ValueError, KeyError, TypeError):
        return ()
    if entity is None or not isinstance(key, str) or not _KEY.fullmatch(key):
        return ()
    return (Notice(entity, key.strip("{}").lower(), deleted=event.get("Action") == "Delete"),)
