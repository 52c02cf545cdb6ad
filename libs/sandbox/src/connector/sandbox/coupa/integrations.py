"""Integrations, their runs, errors and history records: what a client reports about itself."""

from .fields import Record
from .rules import Payload, Rules, require_status
from .store import Unit

ENDED = ("successful", "failed")


def settle_run(unit: Unit, run: Record) -> None:
    if unit.is_new(run):
        unit.set(run, "status", "pending")


class RunAction:
    """Moves a run on, noting when it started and ended."""

    def __init__(self, status: str, allowed: tuple[str, ...]) -> None:
        self._status = status
        self._allowed = allowed

    def __call__(self, unit: Unit, run: Record, payload: Payload) -> None:
        require_status(run, self._allowed, f"made {self._status}")
        unit.set(run, "status", self._status)
        for name in ("total-records", "records-processed"):
            if payload.get(name) is not None:
                unit.set(run, name, int(payload[name]))
        if self._status == "running":
            unit.set(run, "start-time", unit.instance.moment())
        if self._status in ENDED:
            unit.set(run, "end-time", unit.instance.moment())


class Mark:
    """Sets one attribute."""

    def __init__(self, name: str, value: bool | str) -> None:
        self._name = name
        self._value = value

    def __call__(self, unit: Unit, record: Record, _: Payload) -> None:
        unit.set(record, self._name, self._value)


RESOLUTION = {"resolve": Mark("resolved", True), "unresolve": Mark("resolved", False)}
ON_CREATE: dict[str, dict[str, Mark | None]] = {
    "integration_errors": {"create_alert": None},
    "integration_history_records": {
        "create_alert": None,
        "mark_exported": Mark("status", "exported"),
        "create_alert_and_mark_exported": Mark("status", "exported"),
        "acknowledge": Mark("acknowledged", True),
    },
}
"""POST /{name}: a record is made, and marked."""
UNENDED = ("pending", "running", "paused")
RUN_RULES = Rules(
    settle_run,
    {
        "run": RunAction("running", ("pending", "paused")),
        "pause": RunAction("paused", ("running",)),
        "pending": RunAction("pending", ("paused", "running")),
        "success": RunAction("successful", UNENDED),
        "finish": RunAction("successful", UNENDED),
        "fail": RunAction("failed", UNENDED),
    },
)
ERROR_RULES = Rules(actions=RESOLUTION)
HISTORY_RULES = Rules(actions=RESOLUTION)
