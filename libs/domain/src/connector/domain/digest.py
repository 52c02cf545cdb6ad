"""Digests: equal content gives an equal digest, whatever the order of keys."""

import hashlib
import json
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value.normalize(), "f") if value else "0"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    raise TypeError(f"no digest of {type(value).__name__}")


def digest(value: Any) -> str:
    """32 hex digits (BLAKE2b, 16 bytes) of a JSON-like value; decimals count by value, not by notation."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain)
    return digest_bytes(text.encode())


def digest_bytes(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
