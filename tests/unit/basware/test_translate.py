"""What Basware's records become: signs, taxes, periods, splits."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from connector.adapters.systems.basware.translate import TRANSLATIONS
from connector.domain.documents.envelope import AnyRecord, RecordStatus, SourceDocument
from connector.domain.documents.translation import canonical
from connector.domain.identity import Entity

COMPANY = {"NL01/tax": {}, "NL01/credit_types": [], "cost_unit": "dimCode1", "project": "projectCode"}
ROW = {
    "externalCode": "r1",
    "rowIndex": 1,
    "accountCode": "4000",
    "taxCode": "V21",
    "netTotal": "100.0",
    "taxSum": "21.0",
}


def translated(record: dict[str, Any], entity: Entity = Entity.INVOICE, **resolved: Any) -> AnyRecord:
    source = SourceDocument(
        tenant="acme",
        connection="basware",
        system="basware",
        entity=entity,
        native_id="i1",
        read_at=datetime(2026, 3, 2, tzinfo=UTC),
        cause="live",
        record=record,
        resolved={"company": COMPANY, "transfer": {"id": "i1", "digest": "d", "round": 0}, **resolved},
        digest="d",
    )
    return canonical(source, TRANSLATIONS)


def invoice(*rows: dict[str, Any], **given: Any) -> dict[str, Any]:
    usual = {
        "invoiceId": "i1", "invoiceNumber": "INV-1", "processingStatus": "WaitingForTransfer", "companyCode": "NL01",
        "supplierCode": "V1", "currencyCode": "EUR", "netSum": "100.0", "grossSum": "121.0",
        "invoiceDate": "2026-03-01T00:00:00Z",
    }  # fmt: skip
    return {**usual, "codingRows": list(rows) or [ROW], **given}


def codes(record: AnyRecord) -> list[str]:
    return [finding.code for finding in record.findings]


def test_negative_sums_are_a_credit_note_with_positive_totals() -> None:
    row = {**ROW, "netTotal": "-100.0", "taxSum": "-21.0"}
    document: Any = translated(invoice(row, netSum="-100.0", grossSum="-121.0")).document
    assert (document.type_code, document.effect, document.totals.gross) == ("381", -1, Decimal("121.00"))
    assert document.lines[0].net_amount == Decimal("100.00")


def test_a_listed_type_with_a_positive_sum_contradicts_itself() -> None:
    listed = {**COMPANY, "NL01/credit_types": ["CN"]}
    assert "credit-sign" in codes(translated(invoice(invoiceTypeCode="CN"), company=listed))


def test_what_the_buyer_owes_is_not_owed_to_the_supplier() -> None:
    taxes = {**COMPANY, "NL01/tax": {"V21": {"category": "AE"}}}
    document: Any = translated(invoice(), company=taxes).document
    assert (document.totals.gross, document.totals.vat, document.totals.self_assessed_vat) == (100, 0, 21)
    assert (document.lines[0].vat.amount, document.lines[0].self_assessed_vat) == (0, 21)


def test_a_second_tax_is_named() -> None:
    assert codes(translated(invoice({**ROW, "taxSum2": "1.0"}))) == ["second-tax"]


def test_an_unknown_company_is_named() -> None:
    assert codes(translated(invoice(companyCode="SE01"), company={"SE01": None})) == ["company-unknown"]


@pytest.mark.parametrize("written", ["2026-03", "2026/03", "202603", "03/2026"])
def test_a_period_is_read_in_either_order(written: str) -> None:
    document: Any = translated(invoice(accountingPeriod=written)).document
    assert (document.period.year, document.period.period) == (2026, 3)


def test_a_new_round_is_new_content_and_what_our_answers_cause_is_not() -> None:
    first = translated(invoice())
    answered = invoice(processingStatus="Transferred", voucherNumber1="7", transferResponses=[{"externalCode": "x"}])
    assert translated(answered).content_digest == first.content_digest
    again = translated(invoice(), transfer={"id": "i1", "digest": "e", "round": 1})
    assert again.content_digest != first.content_digest
    assert again.extras["round"] == 1


def test_a_record_that_is_none_of_basware_s_is_rejected_in_its_round() -> None:
    record = translated({"invoiceId": "i1", "currencyCode": "EUR", "codingRows": [{}]})
    assert (record.status, record.extras["round"]) == (RecordStatus.REJECTED, 0)


@pytest.mark.parametrize("splits", [("0.25", "0.75"), ("25", "75")])
def test_a_split_counts_to_one_or_to_a_hundred(splits: tuple[str, str]) -> None:
    rows = [
        {"externalCode": f"c{n}", "rowIndex": n, "splitPercent": split, "accountCode": "4000"}
        for n, split in enumerate(splits)
    ]
    line = {
        "externalCode": "l1",
        "orderLineNumber": 1,
        "quantity": "4",
        "netPrice": "2.5",
        "netSum": "10.0",
        "codingRows": rows,
    }
    order = {
        "orderNumber": "PO-1",
        "companyCode": "NL01",
        "purchaseCurrency": "EUR",
        "netSum": "10.0",
        "orderLines": [line],
    }
    document: Any = translated(order, Entity.PURCHASE_ORDER).document
    assert [coding.share for coding in document.lines[0].accounting] == [25, 75]
