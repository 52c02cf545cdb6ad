"""Requests about webhooks: hooks, triggers and deliveries, v1.0 and v2.0."""

import re
from typing import Any

from .api import Call, Endpoint, Reply
from .errors import ApiError, FieldErrors, Invalid
from .sync import Item
from .webhooks import COMPANY_RESOURCES, PROJECT_RESOURCES, REQUISITION_RESOURCE, Hook, Notice, Trigger

_NAMESPACE = re.compile(r"[a-z0-9-]+")
_BULK_LIMIT = 500
_DELIVERY_FILTER = {"successful": {"delivered"}, "failing": {"failed", "retrying"}, "discarded": {"discarded"}}


def _resources(call: Call) -> dict[str, tuple[str, ...]]:
    optional = REQUISITION_RESOURCE if call.world.settings.requisition_webhooks else {}
    return {**COMPANY_RESOURCES, **PROJECT_RESOURCES, **optional}


def _list_resources(call: Call) -> Reply:
    rows = [{"name": name, "events": list(events)} for name, events in _resources(call).items()]
    return call.page(rows, lambda row: row)


def _project_id(call: Call) -> int | None:
    named = call.path.get("project_id") or call.params.get("project_id")
    return None if named is None else call.project().id


def _create_hook(call: Call) -> Item:
    """v1 wraps the hook and calls the payload version api_version; v2 does neither."""
    is_v2 = "company_id" in call.path
    attributes = call.body if is_v2 else call.wrapped("hook")
    version = attributes.get("payload_version" if is_v2 else "api_version", "v2")
    match = re.fullmatch(r"v([234])(\.0)?", str(version))
    namespace, url = str(attributes.get("namespace", "")), str(attributes.get("destination_url", ""))
    errors: FieldErrors = {}
    if match is None:
        errors["api_version"] = ["is not included in the list"]
    if not _NAMESPACE.fullmatch(namespace):
        errors["namespace"] = ["may hold a-z, 0-9 and - only"]
    allowed = ("https://", "http://") if call.world.settings.webhook_allow_http else ("https://",)
    if not url.startswith(allowed):
        errors["destination_url"] = ["must be an HTTPS address"]
    if errors or match is None:
        raise Invalid.of(errors)
    hook = Hook(
        id=call.world.next_id(call.company.id),
        company_id=call.company.id,
        project_id=_project_id(call),
        payload_version=int(match[1]),
        namespace=namespace,
        destination_url=url,
        destination_headers={str(k): str(v) for k, v in (attributes.get("destination_headers") or {}).items()},
        owned_by_user_id=call.actor.user_id,
    )
    call.world.webhooks.hooks[hook.id] = hook
    return _show_hook(call, hook)


def _show_hook(call: Call, hook: Hook) -> Item:
    if "company_id" in call.path:
        body = {
            "id": str(hook.id),
            "payload_version": f"v{hook.payload_version}.0",
            "namespace": hook.namespace,
            "destination_url": hook.destination_url,
            "destination_headers": hook.destination_headers,
            "status": hook.status,
        }
        return {"data": body}
    return {
        "id": hook.id,
        "api_version": f"v{hook.payload_version}",
        "namespace": hook.namespace,
        "destination_url": hook.destination_url,
        "destination_headers": hook.destination_headers,
        "owned_by_company_id": hook.company_id if hook.project_id is None else None,
        "owned_by_project_id": hook.project_id,
        "owned_by_user_id": hook.owned_by_user_id,
    }


def _hooks(call: Call) -> list[Hook]:
    project_id = _project_id(call)
    hooks = call.world.webhooks.hooks.values()
    return [h for h in hooks if h.company_id == call.company.id and h.project_id == project_id]


def _list_hooks(call: Call) -> Reply:
    is_v2 = "company_id" in call.path
    show = lambda hook: _show_hook(call, hook)["data"] if is_v2 else _show_hook(call, hook)  # noqa: E731
    return call.page(_hooks(call), show, envelope=is_v2)


def _hook(call: Call) -> Hook:
    hook = call.world.webhooks.hooks.get(call.id())
    if hook is None or hook.company_id != call.company.id:
        raise ApiError(404, "Webhook not found")
    return hook


def _delete_hook(call: Call) -> Reply:
    hook = _hook(call)
    hook.status = "disabled"
    hook.queue.clear()
    del call.world.webhooks.hooks[hook.id]
    return Reply(None, 204) if "company_id" in call.path else call.deleted()


# Triggers


def _add_trigger(call: Call, hook: Hook, attributes: Item) -> Trigger:
    resource, event = attributes.get("resource_name"), attributes.get("event_type")
    known = _resources(call).get(str(resource))
    if known is None:
        raise Invalid(resource_name="is not included in the list")
    if event not in known:
        raise Invalid(event_type="is not included in the list")
    if any(t.resource_name == resource and t.event_type == event for t in hook.triggers.values()):
        raise Invalid(resource_name="has already been taken")
    trigger = Trigger(call.world.next_id(hook.company_id), str(resource), str(event))
    hook.triggers[trigger.id] = trigger
    return trigger


def _show_trigger(call: Call, hook: Hook, trigger: Trigger) -> Item:
    body: Item = {"resource_name": trigger.resource_name, "event_type": trigger.event_type}
    if "company_id" in call.path:
        return {"id": str(trigger.id), **body}
    return {"id": trigger.id, "webhook_hook_id": hook.id, "api_version": f"v{hook.payload_version}", **body}


def _create_trigger(call: Call) -> Item:
    hook = _hook(call)
    if "company_id" in call.path:
        return {"data": _show_trigger(call, hook, _add_trigger(call, hook, call.body))}
    return _show_trigger(call, hook, _add_trigger(call, hook, call.wrapped("trigger")))


def _create_triggers(call: Call) -> Reply:
    """200 if every trigger was taken, 207 if some were refused."""
    hook, raw = _hook(call), call.body.get("triggers")
    if not isinstance(raw, list) or len(raw) > _BULK_LIMIT:
        raise ApiError(400, f"triggers must be an array of at most {_BULK_LIMIT}", {"triggers": ["is invalid"]})
    entities, errors = [], []
    for item in raw:
        try:
            entities.append(_show_trigger(call, hook, _add_trigger(call, hook, item)))
        except Invalid as refusal:
            errors.append({**item, "errors": refusal.errors})
    return Reply({"entities": entities, "errors": errors}, 207 if errors else 200)


def _list_triggers(call: Call) -> Reply:
    hook = _hook(call)
    rows = list(hook.triggers.values())
    return call.page(rows, lambda row: _show_trigger(call, hook, row), envelope="company_id" in call.path)


def _delete_trigger(call: Call) -> Reply:
    if _hook(call).triggers.pop(call.id("trigger_id"), None) is None:
        raise ApiError(404, "Trigger not found")
    return Reply(None, 204) if "company_id" in call.path else call.deleted()


# Deliveries


def _show_delivery(notice: Notice) -> Item:
    return {
        "id": notice.id,
        "ulid": notice.ulid,
        "status": notice.status,
        "attempts": notice.attempts,
        "response_status": notice.response_status,
        "event": notice.body,
    }


def _list_deliveries(call: Call) -> Any:
    rows = list(_hook(call).deliveries)
    wanted = call.filters().one("status") or call.query.get("filter[status]")
    if wanted in _DELIVERY_FILTER:
        rows = [row for row in rows if row.status in _DELIVERY_FILTER[wanted]]
    size, start = call.query.get("page_size", "100"), call.query.get("page_start", "0")
    if not size.isdecimal() or not start.isdecimal():
        raise ApiError(400, "page_size and page_start must be integers", {"page_size": ["is not an integer"]})
    shown = [_show_delivery(row) for row in rows[int(start) : int(start) + int(size)]]
    return {"data": shown} if "company_id" in call.path else shown


def _endpoints(base: str, family: str) -> list[Endpoint]:
    triggers = f"{base}/hooks/{{id}}/triggers"
    return [
        Endpoint("GET", f"{base}/resources", _list_resources, family),
        Endpoint("GET", f"{base}/hooks", _list_hooks, family),
        Endpoint("POST", f"{base}/hooks", _create_hook, family, 201),
        Endpoint("GET", f"{base}/hooks/{{id}}", lambda call: _show_hook(call, _hook(call)), family),
        Endpoint("DELETE", f"{base}/hooks/{{id}}", _delete_hook, family),
        Endpoint("GET", triggers, _list_triggers, family),
        Endpoint("POST", triggers, _create_trigger, family, 201),
        Endpoint("POST", f"{triggers}/bulk", _create_triggers, family),
        Endpoint("DELETE", f"{triggers}/{{trigger_id}}", _delete_trigger, family),
        Endpoint("GET", f"{base}/hooks/{{id}}/deliveries", _list_deliveries, family),
    ]


ENDPOINTS = [
    *_endpoints("/rest/v1.0/webhooks", "webhooks"),
    *_endpoints("/rest/v2.0/companies/{company_id}/webhooks", "v2"),
    *_endpoints("/rest/v2.0/companies/{company_id}/projects/{project_id}/webhooks", "v2"),
]
