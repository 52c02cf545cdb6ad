"""What Basware's operators and the network do: credentials, notices gone wrong, results that fail."""

from dataclasses import asdict
from typing import Any

from connector.sandbox.basware.auth import SCOPES, Client
from connector.sandbox.basware.results import PlannedFailure
from connector.sandbox.basware.schema import plain
from connector.sandbox.basware.store import Record
from connector.sandbox.basware.tenant import Tenant
from connector.sandbox.basware.webhooks import TASK_TYPES, PlannedDrop, Subscription
from connector.sandbox.basware.world import World
from connector.sandbox.core.sandbox import Act

from .form import required


def acts(world: World) -> dict[str, Act]:
    async def expire_tokens(_: dict[str, Any]) -> Any:
        """Every issued token is refused from now on."""
        expired = len(world.auth.grants)
        world.auth.grants.clear()
        return {"expired": expired}

    async def rotate_keys(given: dict[str, Any]) -> Any:
        """`keep_old` (default true): the old key stays in the JWKS and its tokens stay good."""
        return {"kid": world.auth.rotate_keys(keep_old=bool(given.get("keep_old", True)))}

    async def add_client(given: dict[str, Any]) -> Any:
        """`clientId`, `secret`, `scopes` (a list; default all), `basic`, `bwcid`; an existing one is replaced."""
        scopes = frozenset(given.get("scopes", SCOPES))
        tenant = world.tenant(given.get("bwcid"))
        name, secret = required(given, "clientId"), required(given, "secret")
        world.auth.clients[name] = Client(name, secret, tenant.bwcid, scopes, bool(given.get("basic", True)))
        return {"clientId": name, "bwcid": tenant.bwcid, "scopes": sorted(scopes)}

    async def drop_next_notices(given: dict[str, Any]) -> Any:
        """The next `count` notices (of a `taskType`, of a `taskSubType`) are lost without a trace."""
        drop = PlannedDrop(int(given.get("count", 1)), given.get("taskType"), given.get("taskSubType"))
        if drop.task_type is not None and drop.task_type not in TASK_TYPES:
            raise ValueError(f"taskType must be one of {', '.join(TASK_TYPES)}")
        world.webhooks.planned_drops.append(drop)
        return asdict(drop)

    async def fail_next_writes(given: dict[str, Any]) -> Any:
        """The results of the next `count` writes (of an `entityType`) are errors with this `message`."""
        failure = PlannedFailure(int(given.get("count", 1)), given.get("entityType"))
        failure.message = given.get("message", failure.message)
        world.planned_failures.append(failure)
        return asdict(failure)

    async def resend_task(given: dict[str, Any]) -> Any:
        """Deliver a task's notice again, with its own taskId."""
        tenant = world.tenant(given.get("bwcid"))
        task = _task(tenant, required(given, "taskId"))
        kind = task.fields["taskType"], task.fields["taskSubType"]
        for subscription in _subscribed(tenant, *kind):
            world.webhooks.send(tenant, subscription, task)
        return plain(task.fields)

    async def send_notice(given: dict[str, Any]) -> Any:
        """Deliver one notice now and say what came of it: `taskType`, `taskSubType`, `documentId`; `secret` and
        `taskId` to forge or repeat one, `unsigned` to leave the signature out."""
        tenant = world.tenant(given.get("bwcid"))
        task_type, sub_type = required(given, "taskType"), given.get("taskSubType")
        task = {
            "taskId": given.get("taskId") or world.seeded.uuid(),
            "taskStatus": "New",
            "taskType": task_type,
            "taskSubType": sub_type,
            "documentId": required(given, "documentId"),
            "expirationTime": world.clock.now(),
        }
        subscriptions = _subscribed(tenant, task_type, sub_type) or list(tenant.subscriptions.values())
        if not subscriptions:
            raise ValueError("there is no subscription to send to")
        subscription = subscriptions[0]
        secret = given.get("secret") or subscription.signing_secret(world.clock.time())
        signed_with = None if given.get("unsigned") else secret.encode()
        fault = await world.webhooks.post(subscription.url, world.webhooks.body(task), signed_with)
        return {"taskId": task["taskId"], "accepted": fault is None, "fault": fault}

    return {
        "expire_tokens": expire_tokens,
        "rotate_keys": rotate_keys,
        "add_client": add_client,
        "drop_next_notices": drop_next_notices,
        "fail_next_writes": fail_next_writes,
        "resend_task": resend_task,
        "send_notice": send_notice,
    }


def _task(tenant: Tenant, task_id: str) -> Record:
    if task_id not in tenant.tasks.records:
        raise ValueError(f"no such task: {task_id}")
    return tenant.tasks.records[task_id]


def _subscribed(tenant: Tenant, task_type: str, sub_type: str | None) -> list[Subscription]:
    return [item for item in tenant.subscriptions.values() if item.wants(task_type, sub_type or "All")]
