"""From a direct cost or requisition as Procore shows it to the next step: pure plans."""

from typing import Any

import pytest

from connector.adapters.systems.procore.direct_costs import plan_direct_cost
from connector.adapters.systems.procore.naming import DIRECT_COSTS, REQUISITIONS, resource
from connector.adapters.systems.procore.requisitions import found_requisition, plan_requisition
from connector.adapters.systems.procore.settings import ExactProcoreOptions
from connector.domain.ports.target import Measure, NaturalKey, Part, Plan, TargetObject, Verb

OPTIONS = ExactProcoreOptions.model_validate(
    {"projects": {"P-1": {"cost_model": "A"}}, "orders": "all", "invoice_end_state": "approved"}
)


@pytest.mark.parametrize(("plan", "collection"), [(plan_direct_cost, DIRECT_COSTS), (plan_requisition, REQUISITIONS)])
def test_what_people_deleted_is_not_written_again(plan: Any, collection: str) -> None:
    part = Part("project-P-1", NaturalKey(resource(collection, 1), ()), "stamp", {}, Measure())
    planned = plan(part, TargetObject("7", {}, 0, None, None), None, OPTIONS)
    assert (planned.verb, planned.reason and planned.reason.code) == (Verb.NONE, "refused-in-target")


SHOWN = {"id": 7, "origin_id": "acme/erp/invoice/1:P-1", "status": "draft", "commitment_id": 5, "items": [],
         "billing_date": "2026-03-05", "invoice_number": "F-1", "period_id": 3, "requisition_start": "2026-03-01",
         "requisition_end": "2026-03-31"}  # fmt: skip
WANTED = {"commitment_id": 5, "billing_date": "2026-03-05", "invoice_number": "F-1", "items": {}, "status": "draft",
          "period": {"id": 3, "start": "2026-03-01", "end": "2026-03-31"}}  # fmt: skip


def planned(wanted: dict[str, Any], shown: dict[str, Any], step: str | None, *numbers: str) -> Plan:
    """The plan for a requisition that was to have these numbers so far."""
    part = Part("project-P-1", NaturalKey(resource(REQUISITIONS, 1), ()), "", {**WANTED, **wanted}, Measure())
    known = TargetObject("7", {}, 0, None, step, frozen={"numbers": list(numbers)})
    return plan_requisition(part, known, found_requisition({**SHOWN, **shown}, "1"), OPTIONS)


def test_a_number_of_procores_own_automatic_numbering_stays() -> None:
    assert planned({}, {"invoice_number": "42"}, "create", "F-1").verb is Verb.NONE
    assert [step.body for step in planned({}, {"invoice_number": "F-0"}, None, "F-0", "F-1").steps] == [
        {"invoice_number": "F-1"}
    ]


def test_a_header_that_procore_does_not_take_is_told_and_not_sent_again() -> None:
    late = {"billing_date": "2026-03-09"}
    (step,) = planned(late, {}, None, "F-1").steps
    again = planned(late, {}, step.name, "F-1")
    assert (again.steps, again.reason and again.reason.code) == ((), "target-differs")
