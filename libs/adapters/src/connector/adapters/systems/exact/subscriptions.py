"""Exact's webhook subscriptions, kept as they should be."""

from connector.domain.identity import TrafficClass
from connector.domain.vendor_error import Rejected

from .client import ExactClient, Query
from .errors import DUPLICATE_TEXTS
from .webhook import TOPICS

ENDPOINT = "webhooks/WebhookSubscriptions"


async def keep_subscriptions(client: ExactClient, callback_url: str, traffic: TrafficClass) -> None:
    """One subscription per topic, all to `callback_url`: missing ones are made, stale ones replaced.

    Exact refuses to change one, so a stale one is deleted and made anew. While it makes one it tries the address with
    an empty POST: the receiver must be up.
    """
    rows = await client.rows(Query(ENDPOINT, ("ID", "CallbackURL", "Topic")), traffic)
    kept: set[str] = set()
    for row in rows:
        topic, address = row["Topic"], row["CallbackURL"]
        if topic in TOPICS and address == callback_url and topic not in kept:
            kept.add(topic)
        elif topic in TOPICS or address == callback_url:
            await client.delete(ENDPOINT, row["ID"], traffic)
    for topic in TOPICS:
        if topic not in kept:
            await _subscribe(client, topic, callback_url, traffic)


async def _subscribe(client: ExactClient, topic: str, callback_url: str, traffic: TrafficClass) -> None:
    try:
        await client.create(ENDPOINT, {"CallbackURL": callback_url, "Topic": topic}, traffic)
    except Rejected as refused:
        if not any(words in str(refused) for words in DUPLICATE_TEXTS):
            raise
