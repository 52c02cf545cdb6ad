"""Looking again at what was written: people reject, dispute, void and delete documents in the target too."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from connector.domain.identity import FlowId, RowRef, TrafficClass
from connector.domain.ports.configuration import Flow, Snapshot
from connector.domain.ports.dispatch import Dispatch, Standing
from connector.domain.ports.epochs import Hold
from connector.domain.ports.gate import GateError
from connector.domain.ports.target import Found, Target
from connector.domain.vendor_error import VendorError

from .rendering import TargetOf

ROWS_AT_ONCE = 200


async def sweep(
    hold: Hold,
    flows: Sequence[Flow],
    snapshot: Snapshot,
    dispatch: Dispatch,
    target_of: TargetOf,
    seen_again_s: float,
) -> int:
    """Look at the rows seen longest ago, and not within `seen_again_s`; those whose objects do not stand as they were
    left are judged again. How many were looked at: of a flow whose target is away, none."""
    rows = await dispatch.standing(hold, [flow.id for flow in flows], ROWS_AT_ONCE, seen_again_s)
    by_flow: defaultdict[FlowId, list[Standing]] = defaultdict(list)
    for row in rows:
        by_flow[row.row.flow].append(row)
    looked_at = 0
    for flow in flows:
        if flow.id in by_flow:
            target = target_of(flow, snapshot.connections[hold.connection])
            try:
                changed = await _changed(by_flow[flow.id], target)
            except (VendorError, GateError):
                continue
            await dispatch.seen(hold, [row.row for row in by_flow[flow.id]], changed)
            looked_at += len(by_flow[flow.id])
    return looked_at


async def _changed(rows: Sequence[Standing], target: Target) -> list[RowRef]:
    asked: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        for stored in row.objects.values():
            asked[stored.resource].add(stored.object.target_id)
    found = {
        resource: await target.read(resource, sorted(ids), TrafficClass.BACKFILL) for resource, ids in asked.items()
    }
    return [row.row for row in rows if not _as_left(row, found)]


def _as_left(row: Standing, found: Mapping[str, Mapping[str, Found]]) -> bool:
    for stored in row.objects.values():
        now = found[stored.resource].get(stored.object.target_id)
        if now is None or now.status != stored.state:
            return False
    return True
