"""Values too large for a message rest here; the message carries a claim to them."""

from typing import Protocol


class BlobMissing(Exception):
    """A claim points at nothing: the blob was erased, or the message belongs to another database."""


class Blobs(Protocol):
    async def put(self, tenant: str, data: bytes) -> str:
        """Keep the bytes, durable when it returns; the id is their digest, so putting them again changes nothing."""
        ...

    async def get(self, tenant: str, blob: str) -> bytes:
        """The bytes; raises BlobMissing."""
        ...
