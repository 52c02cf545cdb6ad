"""From an entry as Exact shows it to the entry that is wanted: pure plans."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from connector.adapters.systems.exact import entry_plans
from connector.adapters.systems.exact.entries import found, natural_key
from connector.domain.digest import digest
from connector.domain.ports.target import Found, Measure, Part, TargetObject, Verb

HEADER: dict[str, Any] = {
    "Journal": "70", "Supplier": "s1", "Currency": "EUR", "YourRef": "INV-1", "EntryDate": "2026-03-01",
    "DueDate": "2026-03-31", "ReportingYear": 2026, "ReportingPeriod": 3, "Description": "x",
}  # fmt: skip
LINE: dict[str, Any] = {
    "gl": "4000", "GLAccount": "g1", "CostCenter": "CC1", "CostUnit": None, "Project": None, "AmountFC": "100.00",
    "VATCode": "2", "VATAmountFC": "21.00", "Description": "row",
}  # fmt: skip


def part(frozen: dict[str, Any] | None = None, **header: Any) -> Part:
    wanted = {"header": {**HEADER, **header}, "lines": [LINE], "image": False}
    measure = Measure(
        payable=Decimal("121.00"), net=Decimal("100.00"), vat=Decimal("21.00"), currency="EUR", credit=False, lines=1
    )
    stamp = "acme/basware/invoice/i1"
    return Part("entry", natural_key("s1", "INV-1"), stamp, wanted, measure, frozen=frozen or {"round": 0})


def shown(status: int = 20, payable: str = "121.00", **row: Any) -> Found:
    line = {"LineNumber": 1, "GLAccountCode": "4000", **{name: LINE[name] for name in ("CostCenter", "VATCode")}}
    amounts = {"AmountFC": "100", "VATAmountFC": "21"}
    header = {name: value for name, value in HEADER.items() if name != "Description"}
    usual = {"EntryID": "e1", "EntryNumber": 7, "Type": 30, "AmountFC": payable, "VATAmountFC": "21"}
    return found({**header, **usual, "Status": status, "PurchaseEntryLines": [{**line, **amounts}], **row}, None)


def known(step: str | None = None, **given: Any) -> TargetObject:
    return replace(TargetObject("e1", {}, 0, "w", step, frozen={"round": 0}, extra={"number": "7"}), **given)


def test_what_is_there_as_wanted_needs_nothing() -> None:
    assert entry_plans.plan(part(), known(), shown()).verb is Verb.NONE


def test_a_new_entry_is_created_with_our_mark() -> None:
    (step,) = entry_plans.plan(part(), None, None).steps
    assert step.body is not None
    assert (step.creates, step.body["ExternalLinkReference"]) == (True, "acme/basware/invoice/i1")
    assert step.body["PurchaseEntryLines"][0]["AmountFC"] == Decimal("100.00")


def test_an_entry_that_people_deleted_is_made_again_only_in_a_new_round() -> None:
    refused = entry_plans.plan(part(), known(), None)
    assert refused.reason is not None
    assert refused.reason.code == "refused-in-target"
    assert entry_plans.plan(part({"round": 1}), known(), None).verb is Verb.CREATE


def test_an_entry_that_we_took_away_to_replace_is_made_anew() -> None:
    assert entry_plans.plan(part(), known("replace"), None).verb is Verb.CREATE


def test_a_due_date_is_changed_in_place_and_another_period_replaces_the_entry() -> None:
    (changed,) = entry_plans.plan(part(DueDate="2026-04-30"), known(), shown()).steps
    assert (changed.method, changed.body) == ("PUT", {"DueDate": "2026-04-30", "Description": "x"})
    (replaced,) = entry_plans.plan(part(ReportingPeriod=4), known(), shown()).steps
    assert (replaced.name, replaced.method) == ("replace", "DELETE")


def test_a_change_that_exact_ignores_is_not_sent_for_ever() -> None:
    wanted = part(DueDate="2026-04-30")
    (step,) = entry_plans.plan(wanted, known(), shown()).steps
    again = entry_plans.plan(wanted, known(step.name), shown())
    assert again.reason is not None
    assert again.reason.code == "target-differs"


def test_a_processed_entry_is_left_alone_and_named() -> None:
    plan = entry_plans.plan(part(DueDate="2026-04-30"), known(), shown(status=50))
    assert plan.reason is not None
    assert (plan.reason.code, "entry 7" in plan.reason.message) == ("booked-in-target", True)


def test_what_exact_made_otherwise_of_what_was_sent_is_taken_back_once_and_told() -> None:
    wanted = part()
    (created,) = entry_plans.plan(wanted, None, None).steps
    sent = known("create", extra={"number": "7", "tried": digest(created.body)})
    (undo,) = entry_plans.plan(wanted, sent, shown(payable="120.00")).steps
    assert (undo.method, undo.name.startswith("undo")) == ("DELETE", True)
    told = entry_plans.plan(wanted, known(undo.name), None)
    assert told.reason is not None
    assert (told.reason.code, "121.00" in told.reason.message) == ("target-differs", True)
    assert entry_plans.plan(part({"round": 0, "again": True}), known(undo.name), None).verb is Verb.CREATE


def test_a_deleted_document_takes_its_open_entry_along_and_never_a_processed_one() -> None:
    gone = replace(part(), gone=True)
    assert entry_plans.plan(gone, known(), shown()).verb is Verb.CANCEL
    assert entry_plans.plan(gone, known(), shown(status=50)).verb is Verb.FROZEN
    assert entry_plans.plan(gone, known("delete"), None).verb is Verb.NONE
