"""Bank accounts told apart without being shown: a keyed hash, and the last four characters for people."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from connector.domain.ports.vault import KeyRing

_SHOWN_FROM = 8
"""Of a shorter account four characters would be too much of it."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`hash` reads `<key id>:<64 hex digits>`; `last4` is empty for accounts of fewer than eight characters."""

    hash: str
    last4: str


class Fingerprints:
    """HMAC-SHA256 of a tenant's bank accounts, under a key derived (HKDF-SHA256) from the vault's key ring.

    The ring's first key by id makes them, so that a newer key beside it changes nothing. Where the old key is taken
    away, what is read from then on has other hashes: two of the same account differ until both were made anew.
    So whoever compares tries `every` key, and goes by the last four where `made_here` says that the key is gone.
    """

    def __init__(self, tenant: str, ring: Callable[[], KeyRing]) -> None:
        self._info = f"bank accounts of {tenant}".encode()
        self._ring = ring

    def of(self, account: str) -> Fingerprint:
        """Of an IBAN or another account number, in whatever way it is written."""
        plain = normalised(account)
        key_id = min(self._ring().keys)
        return Fingerprint(self._hash(key_id, plain), last4_of(plain))

    def every(self, account: str) -> frozenset[str]:
        """All hashes the account may go by, one a key."""
        plain = normalised(account)
        return frozenset(self._hash(key_id, plain) for key_id in self._ring().keys)

    def made_here(self, hash: str) -> bool:
        """Whether a key of the ring made it, so that it can be compared."""
        return hash.rpartition(":")[0] in self._ring().keys

    def _hash(self, key_id: str, plain: str) -> str:
        derived = HKDF(SHA256(), length=32, salt=None, info=self._info).derive(self._ring().keys[key_id])
        return f"{key_id}:{hmac.digest(derived, plain.encode(), 'sha256').hex()}"


def normalised(account: str) -> str:
    """Upper case, letters and digits only."""
    return "".join(char for char in account.upper() if char.isalnum())


def last4_of(account: str) -> str:
    plain = normalised(account)
    return plain[-4:] if len(plain) >= _SHOWN_FROM else ""


__all__ = ["Fingerprint", "Fingerprints", "last4_of", "normalised"]
