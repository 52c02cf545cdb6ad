"""Claim checks: a value above what a topic carries travels through the blob store, its message carries the claim."""

import json
from collections.abc import Sequence
from dataclasses import replace

import structlog

from connector.domain.ports.blobs import BlobMissing, Blobs
from connector.domain.ports.log import MAX_MESSAGE_BYTES, MAX_VALUE_BYTES, Message, Record, ValueTooLarge

CLAIM_HEADER = "ce_claimcheck"

log = structlog.get_logger(__name__)


class Claims:
    def __init__(self, blobs: Blobs | None) -> None:
        self._blobs = blobs

    async def check_in(self, messages: Sequence[Message]) -> Sequence[Message]:
        """The messages as they travel; raises ValueTooLarge before anything is stored."""
        large = [
            message for message in messages if message.value is not None and len(message.value) > MAX_MESSAGE_BYTES
        ]
        if not large:
            return messages
        for message in large:
            self._check_size(message)
        return [await self._claim(message) if message in large else message for message in messages]

    async def check_out(self, records: Sequence[Record]) -> Sequence[Record]:
        """The records with the values their claims stand for; one whose blob is gone (its tenant was erased, or the
        database is another) keeps its claim as value, which its reader refuses by name."""
        if not any(name == CLAIM_HEADER for record in records for name, _ in record.headers):
            return records
        return [await self._redeem(record) for record in records]

    def _check_size(self, message: Message) -> None:
        size = len(message.value or b"")
        where = f"{message.topic} {message.key}: a value of {size} bytes"
        if size > MAX_VALUE_BYTES:
            raise ValueTooLarge(f"{where} is above the limit of {MAX_VALUE_BYTES}: it can't be carried")
        if self._blobs is None:
            raise ValueTooLarge(f"{where} needs the database: this service was started without DATABASE_URL")

    async def _claim(self, message: Message) -> Message:
        assert self._blobs is not None
        assert message.value is not None
        blob = await self._blobs.put(_tenant(message.key), message.value)
        value = json.dumps({"blob": blob, "bytes": len(message.value)}).encode()
        return replace(message, value=value, headers=(*message.headers, (CLAIM_HEADER, blob.encode())))

    async def _redeem(self, record: Record) -> Record:
        blob = record.header(CLAIM_HEADER)
        if blob is None:
            return record
        if self._blobs is None:
            raise ValueTooLarge(f"{record.topic} {record.key}: its value rests in the database: set DATABASE_URL")
        headers = tuple(header for header in record.headers if header[0] != CLAIM_HEADER)
        try:
            return replace(record, value=await self._blobs.get(_tenant(record.key), blob), headers=headers)
        except BlobMissing as error:
            log.error("claim without a blob", topic=record.topic, key=record.key, error=str(error))
            return record


def _tenant(key: str) -> str:
    return key.partition("/")[0]
