"""What a tenant may choose of a flow into Procore, and how its table of costs is read."""

from typing import Any

import pytest
from pydantic import ValidationError

from connector.adapters.systems.procore.errors import refusal, words_of
from connector.adapters.systems.procore.settings import ExactProcoreOptions
from connector.domain.sync.patterns import Patterns

CONFIRMED = {"budget_view_excludes": "confirmed"}


def options(**project: Any) -> ExactProcoreOptions:
    return ExactProcoreOptions.model_validate(
        {"projects": {"P-1": project}, "orders": "open-only", "invoice_end_state": "approved"}
    )


@pytest.mark.parametrize(
    ("project", "why"),
    [
        ({"cost_model": "B"}, "counts cost twice"),
        ({"cost_model": "A", **CONFIRMED}, "for cost model B only"),
        ({"cost_model": "C", **CONFIRMED}, "for cost model B only"),
        ({"cost_model": "A", "accounting_method": "unit"}, "bills amounts"),
        ({"cost_model": "D"}, "'A', 'B' or 'C'"),
    ],
)
def test_incoherent_cost_models_are_refused(project: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        options(**project)


def test_coherent_cost_models_are_taken_and_a_star_is_for_every_other_project() -> None:
    assert options(cost_model="B", **CONFIRMED).project("P-1") is not None
    assert options(cost_model="A").project("P-2") is None


def test_the_entry_with_the_most_fixed_text_counts() -> None:
    table = Patterns(["*/*/*", "40*/*/*", "4000/*/P-1", "4000/CC1/P-1"])
    assert table.best("4000/CC1/P-1") == "4000/CC1/P-1"
    assert table.best("4000/CC2/P-1") == "4000/*/P-1"
    assert table.best("4099//P-2") == "40*/*/*"
    assert table.best("7000//") == "*/*/*"
    assert Patterns(["4000/*/*"]).best("7000//") is None


@pytest.mark.parametrize(
    "body",
    [
        {"errors": {"base": ["No such thing"]}},
        {"errors": [{"base": "No such thing"}]},
        {"errors": "No such thing"},
        {"error": {"code": "X", "message": "No such thing", "details": []}},
        {"error": {"reason": "No such thing"}},
        {"message": "No such thing"},
        {"code": 403, "message": "No such thing", "fields": "", "reason": ""},
    ],
)
def test_every_shape_of_error_gives_its_words(body: dict[str, Any]) -> None:
    assert list(dict.fromkeys(words_of(body))) == ["No such thing"]


def test_a_refused_item_is_named_by_what_was_refused() -> None:
    taken = refusal({"origin_id": "x", "errors": {"invoice_number": ["has already been taken"]}})
    assert taken.code == "number-taken-in-target"
    assert "invoice_number has already been taken" in taken.message
    assert refusal({"errors": {"title": ["is too long"]}}).code == "rejected-by-target"
