"""What is found before anything is written, and what a plan does with what Coupa shows."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from connector.adapters.systems.coupa import invoice_plans, purchase_orders
from connector.domain.digest import digest
from connector.domain.documents.common import Coding, Item
from connector.domain.ports.target import Found, LinkedObject, Part, TargetObject, Verb
from tests.contract.coupa_target.coupa import backed_by, invoice, invoice_line, order, order_line, record
from tests.unit.coupa.rendering import SETTINGS, Everything, options, rendered


def test_all_that_is_missing_is_named_at_once_each_with_its_key() -> None:
    absent = {"supplier/s1", "payment-terms/30", "user/receiving", "lookup-value:GL Account/4000", "units/pc"}
    document = order("PO-1", payment_terms={"code": "30"})
    found = rendered(record(document, "1"), Everything(frozenset(absent))).findings
    assert {(finding.code, finding.missing) for finding in found} == {
        ("supplier-unknown-in-target", "link:acme/exact-nl/supplier/s1"),
        ("payment-term-not-mapped", "mapping:payment-terms/30"),
        ("ship-to-user-unknown-in-target", "reference:acme/coupa/user/receiving"),
        ("gl-code-unknown-in-target", "reference:acme/coupa/lookup-value:GL Account/4000"),
    }
    assert all(finding.fix for finding in found)


def test_a_number_that_is_too_long_is_blocked_and_never_cut_while_free_text_is() -> None:
    document = order("4500001234", order_line("PO-1-1", description="x" * 300))
    made = rendered(record(document, "1"), po_number="NL-WAREHOUSE-{number}")
    assert [finding.code for finding in made.findings] == ["key-too-long"]
    (part,) = made.parts
    assert part.wanted["header"]["po-number"] == "NL-WAREHOUSE-4500001234"
    assert len(part.wanted["lines"]["PO-1-1"]["description"]) == 255


def test_a_net_that_no_price_gives_is_kept_as_a_residual_on_an_order_and_blocks_a_matched_invoice_line() -> None:
    odd: dict[str, Any] = {"quantity": Decimal(70_000_000), "net_amount": Decimal("100.01")}
    made = rendered(record(order("PO-1", order_line("PO-1-1", **odd)), "1"))
    assert [(finding.code, finding.severity) for finding in made.findings] == [("order-line-residual", "warn")]
    (part,) = made.parts
    assert part.measure.net == Decimal("70.00")
    links = Everything(orders={"o1": purchase_link({"l1": "7001"})})
    matched = invoice_line("1", "100.01", "0", quantity=70_000_000, **backed_by("o1", "l1"))
    made = rendered(record(invoice("INV-1", matched), "1"), links)
    assert [finding.code for finding in made.findings] == ["line-net-not-reproducible"]


def purchase_link(lines: dict[str, str], state: str = "issued") -> LinkedObject:
    return LinkedObject("601", lines, state)


def test_an_invoice_waits_while_the_order_it_is_matched_with_is_a_draft_whatever_interrupted_its_steps() -> None:
    links = Everything(orders={"o1": purchase_link({"l1": "7001"}, "draft")})
    matched = invoice_line("1", "100.00", "0", quantity=10, **backed_by("o1", "l1"))
    found = rendered(record(invoice("INV-1", matched), "1"), links).findings
    assert [(finding.code, finding.missing) for finding in found] == [
        ("order-not-issued-in-target", "link:acme/exact-nl/purchase-order/o1")
    ]


def test_an_items_new_account_does_not_recode_a_written_line_until_the_line_itself_changes() -> None:
    def line(gl: str, center: str) -> Any:
        coding = [Coding(gl_account=gl, cost_center=center)]
        return order("PO-1", order_line("PO-1-1", accounting=coding, item=Item(buyer_id="BOLT")))

    def accounts(part: Part) -> Any:
        return part.wanted["lines"]["PO-1-1"]["accounts"]

    (first,) = rendered(record(line("4000", "100"), "1")).parts
    known = {"order": TargetObject("601", {}, 0, None, None, frozen=first.frozen)}
    (second,) = rendered(record(line("4999", "100"), "1"), known=known).parts
    assert accounts(second) == accounts(first)
    again = {"order": TargetObject("601", {}, 0, None, None, frozen=second.frozen)}
    (third,) = rendered(record(line("4999", "100"), "1"), known=again).parts
    assert accounts(third) == accounts(first)
    (moved,) = rendered(record(line("4999", "200"), "1"), known=again).parts
    assert accounts(moved) == [{"pct": "100", "segment-1": "200", "segment-2": "4999"}]


def test_custom_fields_can_hold_the_codes_beside_one_fixed_account() -> None:
    form = {
        "form": "custom-fields",
        "account": ["100", "4000"],
        "fields": {"gl-account": "gl", "cost-center": "center"},
    }
    (part,) = rendered(record(order("PO-1", order_line("PO-1-1")), "1"), accounts=form).parts
    plan = purchase_orders.plan(part, None, options(accounts=form), SETTINGS)
    (line,) = (plan.steps[0].body or {})["order-lines"]
    assert line["account"] == {"account-type": {"name": "COA NL"}, "segment-1": "100", "segment-2": "4000"}
    assert line["custom-fields"] == {"erp-source-id": "PO-1-1", "gl": "4000", "center": "200"}


def draft(part: Part, **extra: Any) -> Found:
    """The invoice as Coupa shows it right after it was made as wanted."""
    return Found(
        target_id="801",
        natural_key=part.natural_key,
        stamp=part.stamp,
        status="draft",
        live=True,
        projection={**part.wanted, "exported": False},
        sub_ids={num: f"90{num}" for num in part.wanted["lines"]},
        extra={"number": "INV-1", "paid": False, "changed_by_us": True, "children": {}, **extra},
    )


def test_what_coupa_drops_without_a_word_is_sent_once_and_then_told() -> None:
    (part,) = rendered(record(invoice("INV-1", payment_terms={"code": "30"}), "1")).parts
    shown = draft(part)
    header = {**part.wanted["header"], "payment-term": None}
    shown = replace(shown, projection={**shown.projection, "header": header})
    first = invoice_plans.plan(part, None, shown, options(), SETTINGS)
    assert [(step.name, step.body) for step in first.steps] == [("update", {"payment-term": {"code": "PAY-30"}})]
    shown = replace(shown, extra={**shown.extra, "tried": digest(first.steps[0].body)})
    second = invoice_plans.plan(part, None, shown, options(), SETTINGS)
    assert (second.verb, second.steps) == (Verb.FROZEN, ())
    assert second.reason is not None
    assert "header.payment-term: expected PAY-30, actual None" in second.reason.message


def test_a_draft_is_marked_as_exported_before_it_is_submitted() -> None:
    (part,) = rendered(record(invoice("INV-1"), "1")).parts
    shown = draft(part)
    plan = invoice_plans.plan(part, None, shown, options(), SETTINGS)
    assert [(step.name, step.irreversible) for step in plan.steps] == [("mark-exported", False)]
    shown = replace(shown, projection={**shown.projection, "exported": True})
    plan = invoice_plans.plan(part, None, shown, options(), SETTINGS)
    assert [(step.name, step.irreversible) for step in plan.steps] == [("submit", True)]


def test_a_paid_invoice_is_never_voided() -> None:
    (part,) = rendered(record(invoice("INV-1", invoice_line("1", "80.00", "16.80")), "1")).parts
    (before,) = rendered(record(invoice("INV-1"), "1")).parts
    shown = replace(draft(before, paid=True), status="approved")
    plan = invoice_plans.plan(part, None, shown, options(), SETTINGS)
    assert (plan.steps, plan.retry) == ((), False)
    assert plan.reason is not None
    assert "It is paid in Coupa." in plan.reason.message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"po_number": "PO"}, "po_number"),
        ({"lookups": {"gl-account": "GL Account"}}, "cost-center"),
        ({"match_type": "3-way"}, "match_type"),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        options(**changes)


def test_two_flows_claim_what_they_write_unless_it_is_shared() -> None:
    assert options().namespace().keys() >= {"po_number", "supplier_number", "lookup of gl-account"}
    shared = options(shared=["supplier-number", "lookup-values"], po_number="NL-{number}")
    assert shared.namespace() == {"po_number": "NL-{number}"}
