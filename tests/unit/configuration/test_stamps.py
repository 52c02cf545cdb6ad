"""A changed setting reads again the documents that were read under it: its name is the one readers stamp."""

from typing import Any

import pytest

from connector.adapters.configuration.difference import stamped_otherwise
from connector.adapters.systems.basware.documents import stamp_of
from connector.adapters.systems.basware.settings import Settings as Basware
from connector.adapters.systems.exact.joins import Joins
from connector.adapters.systems.exact.settings import Settings as Exact

EXACT = {"region": "nl", "division": 1, "company": {"currency": "EUR", "vat": {"4": {"category": "AE"}}}}
BASWARE = {"region": "eu", "company": {"NL01": {"tax": {"V21": {"category": "AE"}}}}}
INVOICE = {"companyCode": "NL01", "codingRows": [{"taxCode": "V21"}]}


def stamped_by_exact(settings: dict[str, Any]) -> dict[str, Any]:
    company = Exact.model_validate(settings).company
    return Joins(client=None, company=company, keep_s=1.0, boot_time_s=float).company(["4"], ["PAPER"])  # type: ignore[arg-type]


def stamped_by_basware(settings: dict[str, Any]) -> dict[str, Any]:
    return stamp_of(Basware.model_validate(settings), INVOICE)


def names_that_differ(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    "changed",
    [
        {"vat": {"4": {"category": "S"}}},
        {"vat": {}},
        {"accounts": {"PAPER": "4000"}},
        {"currency": "USD"},
        {"credit_amounts": "positive"},
        {"percentages": "percent"},
    ],
)
def test_of_exact(changed: dict[str, Any]) -> None:
    other = EXACT | {"company": EXACT["company"] | changed}  # type: ignore[operator]
    dumped = [Exact.model_validate(one).model_dump(mode="json") for one in (EXACT, other)]
    stamps = names_that_differ(stamped_by_exact(EXACT), stamped_by_exact(other))
    assert stamps == stamped_otherwise(*dumped)
    assert len(stamps) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"company": {"NL01": {"tax": {"V21": {"category": "S"}}}}},
        {"company": {"NL01": {"tax": {"V21": {"category": "AE"}}, "credit_types": ["CN"]}}},
        {"cost_unit": "dimCode3"},
        {"project": "dimCode4"},
    ],
)
def test_of_basware(changed: dict[str, Any]) -> None:
    dumped = [Basware.model_validate(one).model_dump(mode="json") for one in (BASWARE, BASWARE | changed)]
    stamps = names_that_differ(stamped_by_basware(BASWARE), stamped_by_basware(BASWARE | changed))
    assert stamps == stamped_otherwise(*dumped)
    assert len(stamps) == 1
