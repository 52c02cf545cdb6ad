"""Blobs in memory."""

from connector.domain.digest import digest_bytes
from connector.domain.ports.blobs import BlobMissing


class MemoryBlobs:
    def __init__(self) -> None:
        self._blobs: dict[tuple[str, str], bytes] = {}

    async def put(self, tenant: str, data: bytes) -> str:
        blob = digest_bytes(data)
        self._blobs[tenant, blob] = data
        return blob

    async def get(self, tenant: str, blob: str) -> bytes:
        try:
            return self._blobs[tenant, blob]
        except KeyError:
            raise BlobMissing(f"there is no blob {blob} of tenant {tenant}") from None
