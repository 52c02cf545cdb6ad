"""From a direct cost or requisition as Procore shows it to the next step: pure plans."""

from typing import Any

import pytest

from connector.adapters.systems.procore.direct_costs import plan_direct_cost
from connector.adapters.systems.procore.naming import DIRECT_COSTS, REQUISITIONS, resource
from connector.adapters.systems.procore.requisitions import plan_requisition
from connector.adapters.systems.procore.settings import ExactProcoreOptions
from connector.domain.ports.target import Measure, NaturalKey, Part, TargetObject, Verb

OPTIONS = ExactProcoreOptions.model_validate(
    {"projects": {"P-1": {"cost_model": "A"}}, "orders": "all", "invoice_end_state": "approved"}
)


@pytest.mark.parametrize(("plan", "collection"), [(plan_direct_cost, DIRECT_COSTS), (plan_requisition, REQUISITIONS)])
def test_what_people_deleted_is_not_written_again(plan: Any, collection: str) -> None:
    part = Part("project-P-1", NaturalKey(resource(collection, 1), ()), "stamp", {}, Measure())
    planned = plan(part, TargetObject("7", {}, 0, None, None), None, OPTIONS)
    assert (planned.verb, planned.reason and planned.reason.code) == (Verb.NONE, "refused-in-target")
