"""The baseline of ingest: a bare ASGI application with an HMAC and acknowledgements awaited one by one."""

import asyncio
import hashlib
import hmac
import os
import sys
import threading
from typing import Any

import uvloop
from confluent_kafka import Producer
from prometheus_client import generate_latest

from connector.adapters.kafka.settings import KafkaSettings
from connector.adapters.telemetry.health import serving

TOPIC = "webhooks.exact"
_LENGTH = (b"content-length", b"0")


class Bare:
    def __init__(self, producer: Producer, topic: str, secret: bytes) -> None:
        self._producer = producer
        self._topic = topic
        self._secret = secret
        self._loop = asyncio.get_running_loop()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "GET":
            shown = generate_latest()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": shown})
            return
        body = (await receive())["body"]
        hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        acknowledged = self._loop.create_future()

        def delivered(*_: Any) -> None:
            self._loop.call_soon_threadsafe(acknowledged.set_result, None)

        self._producer.produce(self._topic, body, "acme/exact", on_delivery=delivered)
        await acknowledged
        await send({"type": "http.response.start", "status": 200, "headers": [_LENGTH]})
        await send({"type": "http.response.body", "body": b""})


async def main(port: int) -> None:
    settings = KafkaSettings()
    producer = Producer(settings.producer("bare", delivery_timeout_s=5))

    def poll() -> None:
        while True:
            producer.poll(0.1)

    threading.Thread(target=poll, daemon=True).start()
    bare = Bare(producer, settings.topic(TOPIC), os.environ["T_SECRET"].encode())
    async with serving(bare, host="127.0.0.1", port=port):
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
