"""What canonical documents become in Coupa, case by case: the first request of their plan, or why there is none.

`goldens/<case>.json` is the result; the documents are those that Exact's goldens lead to. After a wanted change run
with UPDATE_GOLDENS=1.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from connector.adapters.systems.coupa.target import CoupaTarget
from connector.domain.documents.envelope import RECORDS
from connector.domain.identity import Entity
from connector.domain.ports.target import LinkedObject
from tests.unit.coupa.rendering import COUPA, SETTINGS, Everything, options, rendered

DOCUMENTS = Path(__file__).parents[1] / "exact" / "goldens"
GOLDENS = Path(__file__).parent / "goldens"
CASES = """
    order-purchase-unit order-vat-included order-header-discount order-jpy order-cancelled order-awaiting
    order-sum-broken order-no-account entry-plain entry-reverse-charge entry-half-deductible entry-credit-note
    entry-negative entry-without-order entry-with-purchase-invoice entry-reversal entry-unknown-currency supplier
    supplier-blocked reference-gl-account
""".split()  # noqa: SIM905 - a list of cases reads better without quotes


class _AnyLine(dict[str, str]):
    """An order of which every line is in Coupa."""

    def get(self, line_id: Any, default: Any = None) -> str:
        return "7001"


def outcome(case: str) -> dict[str, Any]:
    text = (DOCUMENTS / f"{case}.canonical.json").read_bytes()
    record = RECORDS[Entity(json.loads(text)["entity"])].model_validate_json(text)
    order = LinkedObject("601", _AnyLine(), "issued")
    document: Any = record.document
    orders = {link.order_id: order for link in getattr(document, "order_refs", [])}
    made = rendered(record, Everything(orders=orders))
    target = CoupaTarget(SETTINGS, COUPA, gate=None, http=None)  # type: ignore[arg-type]
    plans = [target.plan(part, None, None, options()) for part in made.parts]
    return {
        "excluded": made.excluded.code if made.excluded else None,
        "findings": [f"{finding.code} ({finding.severity})" for finding in made.findings],
        "natural_key": [str(part.natural_key) for part in made.parts],
        "first_step": [step.body for plan in plans for step in plan.steps[:1]],
        "payable": [None if part.measure.payable is None else f"{part.measure.payable:f}" for part in made.parts],
    }


@pytest.mark.parametrize("case", CASES)
def test_a_document_becomes_its_golden_request(case: str) -> None:
    golden = GOLDENS / f"{case}.json"
    actual = json.loads(json.dumps(outcome(case)))
    if os.environ.get("UPDATE_GOLDENS"):
        golden.write_text(json.dumps(actual, indent=1, ensure_ascii=False) + "\n")
    assert actual == json.loads(golden.read_text())
