"""From a commitment as Procore shows it to the next step: pure plans."""

from dataclasses import replace

from connector.adapters.systems.procore.commitments import found_commitment, plan_commitment
from connector.adapters.systems.procore.settings import ExactProcoreOptions
from connector.domain.ports.target import Measure, Part, TargetObject, Verb

OPTIONS = ExactProcoreOptions.model_validate(
    {"projects": {"P-1": {"cost_model": "C"}}, "orders": "all", "invoice_end_state": "approved"}
)
KNOWN = TargetObject("7", {}, 0, None, "status")
ROW = {"id": 7, "origin_id": "acme/erp/purchase-order/1@P-1", "status": "Closed", "line_items": []}
FOUND = found_commitment(ROW, "1", {})
PART = Part(
    "project-P-1",
    FOUND.natural_key,
    str(FOUND.stamp),
    {
        "header": dict(FOUND.projection["header"]),
        "lines": {},
        "accounting_method": None,
        "status": "Approved",
        "billed": {},
    },
    Measure(),
)


def test_what_people_closed_as_soon_as_it_was_approved_stays_closed() -> None:
    plan = plan_commitment(PART, KNOWN, FOUND, OPTIONS)
    assert (plan.verb, plan.reason and plan.reason.code) == (Verb.FROZEN, "refused-in-target")


def test_an_order_that_was_withdrawn_and_is_wanted_again_is_approved_again() -> None:
    plan = plan_commitment(PART, replace(KNOWN, step_reached=None), FOUND, OPTIONS)
    assert [step.name for step in plan.steps] == ["status"]
