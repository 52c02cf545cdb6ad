"""What Coupa may send us. Its documents know no webhooks of record changes: a notice is a hint to look, never the
source of truth, and how it is signed is what the customer's instance was set up for."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jiter

from connector.domain.identity import Entity
from connector.domain.ports.source import Notice
from connector.domain.secret import Secret

from .settings import Signature

_LONGEST_STAMP = 20


@dataclass(frozen=True, slots=True)
class Verdict:
    status: int
    publish: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Verifier:
    """Checks the signature over the raw bytes, in constant time; 401 on any doubt."""

    signature: Signature
    secret: Secret
    now_s: Callable[[], float]

    def verify(self, headers: Mapping[str, str], body: bytes) -> Verdict:
        lower = {name.lower(): value for name, value in headers.items()}
        given = lower.get(self.signature.header.lower(), "")
        signed = body
        if self.signature.timestamp_header is not None:
            stamp = lower.get(self.signature.timestamp_header.lower(), "")
            if not self._recent(stamp):
                return Verdict(401, False, "the timestamp is missing or too far from now")
            signed = stamp.encode() + b"." + body
        if not hmac.compare_digest(given.encode(), self._expected(signed).encode()):
            return Verdict(401, False, "the signature does not fit")
        return Verdict(202, True, "signed")

    def _recent(self, stamp: str) -> bool:
        """A longer number is no time, and could be one that Python refuses to read or to compare."""
        seconds = stamp.isascii() and stamp.isdigit() and len(stamp) <= _LONGEST_STAMP
        return seconds and abs(self.now_s() - int(stamp)) <= self.signature.tolerance_s

    def _expected(self, signed: bytes) -> str:
        made = hmac.new(self.secret.reveal().encode(), signed, hashlib.sha256)
        text = made.hexdigest() if self.signature.encoding == "hex" else base64.b64encode(made.digest()).decode()
        return self.signature.prefix + text


_ENTITIES = {
    "Supplier": Entity.SUPPLIER,
    "OrderHeader": Entity.PURCHASE_ORDER,
    "InvoiceHeader": Entity.INVOICE,
}


def notices(body: bytes) -> list[Notice]:
    """The object a delivery speaks of; none where it speaks of nothing we keep. Raises ValueError for no JSON."""
    said: Any = jiter.from_json(body)
    told = said.get("object") if isinstance(said, dict) else None
    if not isinstance(told, dict) or "id" not in told:
        return []
    entity = _ENTITIES.get(str(told.get("type")))
    return [] if entity is None else [Notice(entity=entity, native_id=str(told["id"]))]
