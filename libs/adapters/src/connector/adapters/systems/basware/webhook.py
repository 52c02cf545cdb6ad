"""Basware's push notifications: who sent them, and what they point at."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from connector.domain.identity import Entity
from connector.domain.ports.source import Notice

HEADER = "x-bwapi-signature-256"
TEST = "connectiontest"

TASK_TYPES: Mapping[str, Entity | None] = {
    "accountingdocuments": Entity.INVOICE,
    "exportedpurchaseorders": Entity.PURCHASE_ORDER,
    "exportedpurchaserequisitions": None,
    "exportedcontracts": None,
    "exportedcontractspends": None,
    "requeststatus": None,
    TEST: None,
}
"""Basware spells one of them in two ways itself, so the closest counts."""


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    TEST = "connection-test"
    """Basware tries the address while it makes a subscription: answer 200, there is no event."""
    FORGED = "forged"
    """No signature, a wrong one, or one of another form."""
    UNSIGNED_TEST = "unsigned-connection-test"
    """If Basware does not sign its test, the connection's setting accept_unsigned_test lets it pass."""

    @property
    def status(self) -> int:
        return 200 if self in (Verdict.ACCEPTED, Verdict.TEST) else 401

    @property
    def publish(self) -> bool:
        return self is Verdict.ACCEPTED

    @property
    def reason(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whose notices an endpoint takes; while a secret is being replaced, both count."""

    secrets: tuple[str, ...]
    accept_unsigned_test: bool = False

    def verify(self, headers: Mapping[str, str], body: bytes) -> Verdict:
        """Basware: HMAC-SHA256 of the raw body, keyed with the subscription's secret in UTF-8. How the digest is
        written is not documented: hex in any case and base64 are taken, with or without `sha256=`."""
        is_test = _task_type(body) == TEST
        claimed = next((value for name, value in headers.items() if name.lower() == HEADER), None)
        if claimed is None and is_test:
            return Verdict.TEST if self.accept_unsigned_test else Verdict.UNSIGNED_TEST
        given = _digest(claimed or "")
        if given is None or not any(hmac.compare_digest(_sign(secret, body), given) for secret in self.secrets):
            return Verdict.FORGED
        return Verdict.TEST if is_test else Verdict.ACCEPTED


def _sign(secret: str, body: bytes) -> bytes:
    return hmac.new(secret.encode(), body, hashlib.sha256).digest()


def _digest(text: str) -> bytes | None:
    text = text.strip().removeprefix("sha256=")
    try:
        found = bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    return found if len(found) == hashlib.sha256().digest_size else None


def _task_type(body: bytes) -> str | None:
    """The task type as we spell it; None for one we don't know and for a body that is no notice."""
    try:
        return _spelled(json.loads(body)["taskType"])
    except (ValueError, KeyError, TypeError):
        return None


def _spelled(told: object) -> str | None:
    close = get_close_matches(str(told).lower(), TASK_TYPES, n=1, cutoff=0.9)
    return close[0] if close else None


def entity_of(task_type: object) -> Entity | None:
    """What a task of this type is about, None where it is nothing that we read."""
    kind = _spelled(task_type)
    return TASK_TYPES[kind] if kind else None


def notices(body: bytes) -> Sequence[Notice]:
    """What a verified body points at. A task told twice names the same document, which is read once."""
    kind = _task_type(body)
    entity = TASK_TYPES[kind] if kind else None
    key = json.loads(body).get("documentId") if entity else None
    return (Notice(entity, key),) if entity and isinstance(key, str) and key else ()
