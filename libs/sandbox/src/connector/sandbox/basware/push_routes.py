"""`/v1/subscriptions`, `/v1/tasks` and `/v1/requestStatus`: what a client is told, was told, and can ask after."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .api import Call, PageSize, guarded
from .deletion import task_status
from .results import ACKNOWLEDGED
from .schema import read, said
from .store import Record
from .tables import SUBSCRIPTION
from .webhooks import MISSPELLED, TASK_TYPES, Subscription
from .wire import RefusalError, empty, moment, p2p_error, push_error
from .world import World

_SIZE = PageSize(500, 500)
_BY_FOLDED = {name.casefold(): name for name in TASK_TYPES} | {
    wrong.casefold(): right for right, wrong in MISSPELLED.items()
}


def routes(world: World) -> Iterator[Route]:
    yield Route("/v1/subscriptions", guarded(world, "subscriptions.read", _subscriptions), methods=["GET"])
    yield Route("/v1/subscriptions", guarded(world, "subscriptions.write", _subscribe), methods=["POST"])
    yield Route("/v1/subscriptions", guarded(world, "subscriptions.delete", _unsubscribe), methods=["DELETE"])
    yield Route("/v1/tasks", guarded(world, "tasks.read", _tasks), methods=["GET"])
    yield Route("/v1/tasks/{taskId}", guarded(world, "tasks.read", _task), methods=["GET"])
    yield Route("/v1/requestStatus", guarded(world, "requestStatus.read", _results), methods=["GET"])
    yield Route("/v1/requestStatus/acknowledge", guarded(world, "requestStatus.write", _settle), methods=["POST"])
    yield Route("/v1/requestStatus/{requestId}", guarded(world, "requestStatus.read", _result), methods=["GET"])
    yield Route("/v1/taskStatus/{taskId}", guarded(world, "taskStatus.read", task_status), methods=["GET"])


def _not_found() -> Response:
    return JSONResponse({"detail": "Not Found"}, 404)


async def _subscriptions(call: Call) -> Response:
    since = call.instant("lastUpdated")
    since_ms = since.timestamp() * 1000 if since else -1
    found = [
        subscription.shown()
        for subscription in _matching(call, call.parameter("taskType"), call.parameter("taskSubType"))
        if subscription.last_updated_ms > since_ms
    ]
    return call.answer({"subscriptions": found}) if found else _not_found()


def _matching(call: Call, task_type: str | None, sub_type: str | None) -> list[Subscription]:
    return [
        subscription
        for subscription in call.tenant.subscriptions.values()
        if _is_any(task_type, subscription.task_type) and _is_any(sub_type, subscription.sub_type)
    ]


def _is_any(wanted: str | None, value: str) -> bool:
    return wanted is None or wanted.casefold() in ("all", value.casefold())


async def _subscribe(call: Call) -> Response:
    """Every endpoint of the array is tried with a ConnectionTest; one that fails refuses the whole request."""
    body = await call.json()
    if not isinstance(body, list) or not body:
        return push_error(call.request_id, "The body must be a non-empty array")
    wanted = [_wanted(call, raw) for raw in body]
    for subscription in wanted:
        fault = await call.world.webhooks.connection_test(subscription.url, subscription.secret)
        if fault is not None:
            message = f"ConnectionTest to {subscription.url} failed: {fault}"
            return push_error(call.request_id, message, "CONNECTION_TEST_FAILED")
    for subscription in wanted:
        _store(call, subscription)
    return call.answer([subscription.shown() for subscription in wanted])


def _wanted(call: Call, raw: Any) -> Subscription:
    fields, problems = read(SUBSCRIPTION, raw)
    task_type = _BY_FOLDED.get(str(fields.get("taskType", "")).casefold())
    fault = said(problems)
    if not fault and task_type is None:
        fault = f"taskType: must be one of {', '.join(TASK_TYPES)}"
    if not fault:
        fault = _url_fault(call, fields["notificationWebhookURL"])
    if fault or task_type is None:
        raise RefusalError(push_error(call.request_id, fault))
    usual = "Error" if task_type == "RequestStatus" else "All"
    sub_type = fields.get("taskSubType") or usual
    now_ms = int(call.now * 1000)
    url, secret = fields["notificationWebhookURL"], fields["webhookAuthenticationToken"]
    return Subscription(task_type, sub_type, url, secret, now_ms)


def _url_fault(call: Call, url: str) -> str:
    schemes = ("https", "http") if call.world.settings.allow_http_callbacks else ("https",)
    with suppress(httpx.InvalidURL):
        parts = httpx.URL(url)
        if parts.scheme in schemes and parts.host:
            return ""
    return f"notificationWebhookURL: must be an {schemes[0]} address"


def _store(call: Call, subscription: Subscription) -> None:
    """One per (taskType, taskSubType); the secret it replaces may go on signing for a while."""
    key = subscription.task_type, subscription.sub_type
    known = call.tenant.subscriptions.get(key)
    if known is not None and known.secret != subscription.secret:
        subscription.old_secret = known.secret
        subscription.old_secret_until = call.now + call.world.settings.secret_lag_s
    call.tenant.subscriptions[key] = subscription


async def _unsubscribe(call: Call) -> Response:
    since, task_type, sub_type = call.instant("lastUpdated"), call.parameter("taskType"), call.parameter("taskSubType")
    if since is None or task_type is None or sub_type is None:
        return push_error(call.request_id, "lastUpdated, taskType and taskSubType are required")
    since_ms = since.timestamp() * 1000
    doomed = [
        subscription for subscription in _matching(call, task_type, sub_type) if subscription.last_updated_ms > since_ms
    ]
    for subscription in doomed:
        del call.tenant.subscriptions[subscription.task_type, subscription.sub_type]
    return call.answer({"status": "Success", "numberOfRecordsDeleted": len(doomed)}) if doomed else _not_found()


async def _tasks(call: Call) -> Response:
    facet = (call.parameter("taskType"), call.parameter("taskStatus"), call.parameter("documentId"))
    try:
        found, token = call.listed(call.tenant.tasks, facet, _SIZE)
    except RefusalError as refused:
        if refused.response.status_code == 404:
            return _not_found()
        raise
    return call.page({"taskStatus": [_with_time(task) for task in found]}, token)


async def _task(call: Call) -> Response:
    task = call.tenant.tasks.get(call.path("taskId"), call.now)
    return call.answer({"taskStatus": [_with_time(task)]}) if task else _not_found()


def _with_time(record: Record) -> dict[str, Any]:
    return {**record.fields, "lastUpdated": moment(record.last_updated_ms)}


async def _results(call: Call) -> Response:
    """Without entityType and system only errors are listed, unless a status is asked for."""
    entity_type, system = call.parameter("entityType"), call.parameter("system")
    status = call.parameter("status")
    if status is None and entity_type is None and system is None:
        status = "Error"
    ignored = call.parameter("ignoreSuccessfullItems") or call.parameter("ignoreSuccessfulItems") or ""

    def of_system(record: Record) -> bool:
        return system is None or any(
            part["system"].casefold() == system.casefold() for part in record.fields["systems"]
        )

    found, token = call.listed(call.tenant.results, (status, entity_type), _SIZE, keep=of_system)
    shown = [_result_shown(record, hide_successful=ignored.casefold() == "true") for record in found]
    return call.page({"requestStatus": shown}, token)


async def _result(call: Call) -> Response:
    record = call.tenant.results.get(call.path("requestId"), call.now)
    if record is None:
        return empty(404)
    ignored = call.parameter("ignoreSuccessfulItems") or call.parameter("ignoreSuccessfullItems") or ""
    return call.answer({"requestStatus": [_result_shown(record, hide_successful=ignored.casefold() == "true")]})


def _result_shown(record: Record, *, hide_successful: bool) -> dict[str, Any]:
    fields = _with_time(record)
    if hide_successful:
        fields["systems"] = [
            {**system, "items": [item for item in system["items"] if item["status"] != "Success"]}
            for system in fields["systems"]
        ]
    return fields


async def _settle(call: Call) -> Response:
    body = await call.json()
    ids = {str(key).casefold(): value for key, value in body.items()} if isinstance(body, dict) else {}
    wanted = ids.get("requestids")
    if not isinstance(wanted, list) or not all(isinstance(item, str) for item in wanted):
        message = "requestIds must be an array of strings"
        return p2p_error(call.request_id, 400, "VALIDATION", "SCHEMA_VALIDATION_ERROR", message)
    for request_id in wanted:
        record = call.tenant.results.get(request_id, call.now)
        if record is not None and record.fields["requestStatus"] in ACKNOWLEDGED:
            record.fields["requestStatus"] = ACKNOWLEDGED[record.fields["requestStatus"]]
            call.tenant.results.put(record)
    return call.answer(call.world.settings.acknowledge_body)
