"""Key rings from a file, an environment variable or a mounted Kubernetes secret."""

import base64
import binascii
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from connector.domain.ports.vault import KeyProvider, KeyRing, VaultError


def _key(origin: str, key_id: str, text: object) -> bytes:
    if not isinstance(text, str):
        raise VaultError(f"{origin}: key {key_id!r} must be a base64 text")
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise VaultError(f"{origin}: key {key_id!r} is not base64 (`openssl rand -base64 32` makes one)") from error


def parse_key_ring(origin: str, text: str) -> KeyRing:
    """`{"active": "2026-11", "keys": {"2026-11": "<base64>"}, "retired": ["2025-01"]}`."""
    try:
        ring: Any = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise VaultError(f"{origin} is not JSON: {error.msg} at line {error.lineno}") from None
    if not isinstance(ring, dict) or not isinstance(ring.get("active"), str) or not isinstance(ring.get("keys"), dict):
        raise VaultError(f'{origin} must read {{"active": "<id>", "keys": {{"<id>": "<base64 of 32 bytes>"}}}}')
    keys = {str(key_id): _key(origin, str(key_id), value) for key_id, value in ring["keys"].items()}
    return KeyRing(ring["active"], keys, frozenset(map(str, ring.get("retired", ()))))


@dataclass(frozen=True, slots=True)
class FileKeys(KeyProvider):
    path: Path

    def load(self) -> KeyRing:
        try:
            text = self.path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise VaultError(f"key ring {self.path} cannot be read: {type(error).__name__}") from None
        return parse_key_ring(f"key ring {self.path}", text)


@dataclass(frozen=True, slots=True)
class EnvironmentKeys(KeyProvider):
    variable: str = "CONNECTOR_KEY_RING"

    def load(self) -> KeyRing:
        text = os.environ.get(self.variable)
        if not text:
            raise VaultError(f"environment variable {self.variable} is not set: it must hold the key ring as JSON")
        return parse_key_ring(f"environment variable {self.variable}", text)


@dataclass(frozen=True, slots=True)
class MountedKeys(KeyProvider):
    """A Kubernetes secret mounted as a directory: files `key.<id>` hold 32 raw bytes or their base64, `active` the id
    that seals, `retired` (may be absent) ids, one a line. Kubernetes replaces them while we run."""

    directory: Path

    def load(self) -> KeyRing:
        origin = f"key ring directory {self.directory}"
        try:
            active = (self.directory / "active").read_text("utf-8").strip()
            retired = self.directory / "retired"
            names = retired.read_text("utf-8").split() if retired.exists() else []
            raw = {file.name.removeprefix("key."): file.read_bytes() for file in self.directory.glob("key.*")}
        except (OSError, UnicodeDecodeError) as error:
            raise VaultError(f"{origin} cannot be read: {type(error).__name__}") from None
        keys = {
            key_id: data if len(data) == 32 else _key(origin, key_id, data.decode("latin-1"))
            for key_id, data in raw.items()
        }
        return KeyRing(active, keys, frozenset(names))


def key_provider(location: str) -> KeyProvider:
    """`env:NAME`, `dir:/path` or `file:/path`."""
    kind, _, rest = location.partition(":")
    match kind:
        case "env" if rest:
            return EnvironmentKeys(rest)
        case "dir" if rest:
            return MountedKeys(Path(rest))
        case "file" if rest:
            return FileKeys(Path(rest))
    raise VaultError(f"key ring location {location!r}: write env:NAME, file:/path or dir:/path")
