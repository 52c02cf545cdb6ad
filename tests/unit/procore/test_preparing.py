"""What Procore needs before a write: made once, whatever becomes of the answer."""

from typing import Any, cast

import pytest

from connector.adapters.systems.procore.client import ProcoreClient
from connector.adapters.systems.procore.naming import REQUISITIONS, resource
from connector.adapters.systems.procore.preparing import Preparation
from connector.domain.identity import FlowId, TrafficClass
from connector.domain.ports.target import Step
from connector.domain.vendor_error import UnknownOutcome

FLOW = FlowId("acme", "exact-procore")


class Silent:
    """Answers no write, and shows nothing of it yet."""

    lost_for_s = 60.0

    def __init__(self) -> None:
        self.writes = 0

    async def rows(self, path: str, query: Any, traffic: TrafficClass) -> list[Any]:
        return []

    async def write(self, *request: Any) -> Any:
        self.writes += 1
        raise UnknownOutcome("no answer")


def create() -> Step:
    month = {"requisition_start": "2026-03-01", "requisition_end": "2026-03-31", "period_id": None}
    return Step("create", "project-P-1", "POST", resource(REQUISITIONS, 1), {"requisition": month}, creates=True)


async def test_while_a_lost_period_may_yet_appear_no_other_invoice_makes_it_again() -> None:
    silent = Silent()
    preparation = Preparation(cast(ProcoreClient, silent))
    for _ in range(2):
        with pytest.raises(UnknownOutcome):
            await preparation.prepare([create()], TrafficClass.LIVE, FLOW)
    assert silent.writes == 1
