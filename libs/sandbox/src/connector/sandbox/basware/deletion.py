"""DELETE on a collection: a one-off test clean-up of the API layer that runs in the background."""

from starlette.responses import Response

from .api import Call
from .schema import parse_time
from .store import Collection
from .wire import empty, p2p_error


async def delete_from(call: Call, collection: Collection) -> Response:
    """202 with where to follow it; the body names `lastUpdated` (all changed later) or one `externalCode`.

    A second one while the first still runs is refused.
    """
    body = await call.json()
    body = {str(key).casefold(): value for key, value in body.items()} if isinstance(body, dict) else {}
    running = call.tenant.deletions.get(collection.name)
    if running and running["taskStatus"] == "InProgress":
        message = f"A deletion of {collection.name} is still running"
        return p2p_error(call.request_id, 400, "BUSINESS", "METHOD_NOT_ALLOWED", message)
    if "externalcode" in body:
        doomed = [record for key, record in collection.records.items() if key == body["externalcode"]]
    elif "lastupdated" in body:
        try:
            since_ms = parse_time(body["lastupdated"]).timestamp() * 1000
        except (TypeError, ValueError):
            return _schema_error(call, "lastUpdated must be an ISO 8601 date-time")
        doomed = [record for record in collection.records.values() if record.last_updated_ms > since_ms]
    else:
        return _schema_error(call, "lastUpdated or externalCode is required")
    status = {"taskStatus": "InProgress", "recordCount": len(doomed)}
    call.tenant.deletions[collection.name] = status
    call.tenant.deletions[call.request_id] = status

    def finish() -> None:
        for record in doomed:
            if not record.gone:
                collection.remove(record)
        status["taskStatus"] = "Completed"

    call.world.background.later(call.world.settings.async_delay_s, finish)
    link = f"{call.world.base_url}/v1/taskStatus/{call.request_id}"
    return call.answer(
        {"statusApiLink": link, "taskName": f"DELETE {collection.name}", "taskStatus": "InProgress"}, 202
    )


async def task_status(call: Call) -> Response:
    status = call.tenant.deletions.get(call.path("taskId"))
    return call.answer(status) if status else empty(404)


def _schema_error(call: Call, message: str) -> Response:
    return p2p_error(call.request_id, 400, "VALIDATION", "SCHEMA_VALIDATION_ERROR", message)
