"""A flow into Procore as a tenant declares it: its table of costs from a CSV, cost models that would count twice."""

from pathlib import Path
from typing import Any

import pytest

from connector.adapters.configuration.tenant_file import ConfigurationRefused, load

TENANT = """\
tenant: acme
connections:
  exact:
    system: exact
    settings: {base_url: "https://start.exactonline.nl", division: 7, company: {currency: EUR, vat: {}}}
    secrets: {client_id: "env:ID", client_secret: "env:ID", webhook_secret: "env:ID"}
  procore:
    system: procore
    settings: {company_id: 9}
    secrets: {client_id: "env:ID", client_secret: "env:ID"}
flows:
  costs:
    kind: exact-procore
    source: exact
    target: procore
    start_date: 2026-01-01
    options:
      orders: open-only
      invoice_end_state: approved
      projects:
        P-1: PROJECT
        "*": {cost_model: C}
    mappings:
      costs: {csv: costs.csv}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ID", "planted")
    (tmp_path / "costs.csv").write_text(
        "\ufeffkey,value,comment\n4000/CC1/*,{code}:01-100.M,materials\n40*/*/*,P-1:01-100.O,the rest\n"
    )
    return tmp_path


def tenant(folder: Path, project: str) -> Any:
    (folder / "tenant.yaml").write_text(TENANT.replace("PROJECT", project))
    return load(folder / "tenant.yaml")


def test_the_table_of_costs_comes_from_a_spreadsheet(folder: Path) -> None:
    loaded = tenant(folder, "{cost_model: A}")
    assert loaded.tables["costs", "costs"] == {"4000/CC1/*": "{code}:01-100.M", "40*/*/*": "P-1:01-100.O"}


@pytest.mark.parametrize(
    ("project", "told"),
    [
        ("{cost_model: B}", "cost model B counts cost twice unless the budget view excludes"),
        ("{cost_model: A, budget_view_excludes: confirmed}", "budget_view_excludes is for cost model B only"),
        ("{cost_model: A, accounting_method: unit}", "cost model A bills amounts"),
    ],
)
def test_an_incoherent_cost_model_is_refused_with_its_line(folder: Path, project: str, told: str) -> None:
    with pytest.raises(ConfigurationRefused) as refusal:
        tenant(folder, project)
    (mistake,) = [str(one) for one in refusal.value.mistakes]
    line = TENANT[: TENANT.index("P-1: PROJECT")].count("\n") + 1
    assert f"tenant.yaml:{line}: " in mistake
    assert told in mistake


def test_a_key_that_is_there_twice_is_refused(folder: Path) -> None:
    (folder / "costs.csv").write_text("key,value\n4000/*/*,P-1:A\n4000/*/*,P-1:B\n")
    with pytest.raises(ConfigurationRefused, match=r"costs.csv: line 3: key '4000/\*/\*' is there twice"):
        tenant(folder, "{cost_model: A}")
