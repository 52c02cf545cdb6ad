"""What records of Exact become, case by case.

`goldens/<case>.source.json` is a value of `documents.exact`, `goldens/<case>.canonical.json` what it becomes. After a
wanted change raise TRANSLATION_VERSION and run with UPDATE_GOLDENS=1; without a raised version it is refused.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from connector.adapters.systems.exact.translate import TRANSLATION_VERSION, TRANSLATIONS
from connector.domain.documents.envelope import SourceDocument
from connector.domain.documents.translation import canonical

GOLDENS = Path(__file__).parent / "goldens"
CASES = sorted(path.name.removesuffix(".source.json") for path in GOLDENS.glob("*.source.json"))


def translated(case: str) -> dict[str, Any]:
    source = SourceDocument.model_validate_json((GOLDENS / f"{case}.source.json").read_bytes())
    record = canonical(source, TRANSLATIONS)
    shown: dict[str, Any] = json.loads(record.model_dump_json(exclude={"resolved"}))
    return shown


def without_version(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "translation_version"}


@pytest.mark.parametrize("case", CASES)
def test_a_record_becomes_its_golden_document(case: str) -> None:
    golden = GOLDENS / f"{case}.canonical.json"
    actual = translated(case)
    if os.environ.get("UPDATE_GOLDENS"):
        if golden.exists():
            before = json.loads(golden.read_text())
            changed = without_version(before) != without_version(actual)
            raised = before["translation_version"] < TRANSLATION_VERSION
            assert not changed or raised, "raise TRANSLATION_VERSION before the goldens change"
        golden.write_text(json.dumps(actual, indent=1, ensure_ascii=False) + "\n")
    assert actual == json.loads(golden.read_text())


def test_every_case_of_the_books_has_a_golden() -> None:
    cases = """
        order-purchase-unit order-vat-included order-header-discount order-jpy order-cancelled order-awaiting
        order-from-rest order-sum-broken order-no-account entry-plain entry-vat-included entry-reverse-charge
        entry-half-deductible entry-credit-note entry-credit-sign entry-negative entry-without-order
        entry-with-purchase-invoice entry-reversal entry-reversed entry-no-supplier entry-unknown-currency
        entry-malformed supplier supplier-blocked reference-vat-code reference-gl-account
    """
    assert set(CASES) >= set(cases.split())
