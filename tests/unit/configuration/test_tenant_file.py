"""What a tenant's file may say, and how a mistake in it is told."""

from pathlib import Path

import pytest

from connector.adapters.configuration.difference import Act, difference
from connector.adapters.configuration.tenant_file import ConfigurationRefused, Tenant, load
from connector.adapters.parts.part import checkout
from connector.adapters.systems import flow_kinds, room
from connector.domain.identity import ConnectionId, FlowId
from connector.domain.ports.configuration import Connection, Flow, MappingEntry, OnBlock, OnMappingChange, Snapshot

EXAMPLE = checkout() / "contracts" / "examples" / "tenant.yaml"
SECRETS = (
    "EXACT_CLIENT_ID",
    "EXACT_CLIENT_SECRET",
    "EXACT_WEBHOOK_SECRET",
    "COUPA_CLIENT_ID",
    "COUPA_CLIENT_SECRET",
)


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, f"planted-{name}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tenant.yaml"
    path.write_text(EXAMPLE.read_text())
    return path


def changed(file: Path, before: str, after: str) -> int:
    """Change the file's text; return the line where that is."""
    text = file.read_text()
    assert text.count(before) >= 1, before
    file.write_text(text.replace(before, after, 1))
    return text[: text.index(before)].count("\n") + 1


def refused(file: Path) -> list[str]:
    with pytest.raises(ConfigurationRefused) as refusal:
        load(file, loopback_http=True)
    return [str(mistake) for mistake in refusal.value.mistakes]


def test_the_example_is_a_configuration(file: Path) -> None:
    tenant = load(file, loopback_http=True)
    assert (tenant.name, sorted(tenant.connections), list(tenant.flows)) == (
        "acme",
        ["coupa", "exact-nl"],
        ["exact-to-coupa"],
    )
    assert tenant.tables["exact-to-coupa", "payment-terms"] == {"30": "Net 30"}
    assert tenant.secrets["coupa", "client_id"].reveal() == "planted-COUPA_CLIENT_ID"


def test_secrets_are_in_no_printed_form_of_it(file: Path) -> None:
    assert "planted" not in repr(load(file, loopback_http=True))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("system: coupa", "system: coupe", "there is no system 'coupe'"),
        ("division: 674359", "divison: 674359", "divison: there is no such setting"),
        ("division: 674359", "division: many", "division"),
        ("target: coupa", "target: copua", "'copua' is not a connection of this tenant"),
        ("source: exact-nl", "source: coupa", "must be a connection to exact, not to coupa"),
        ("kind: exact-coupa", "kind: exact-sap", "there is no kind of flow 'exact-sap'"),
        ("references: [gl-account, cost-center]", "references: [item]", "cannot write references 'item'"),
        ("      payment-terms:", "      terms:", "has no mapping table 'terms'"),
        ("orders: all", "orders: some", "options.orders"),
        ("start_date: 2025-01-01", "start_date: soon", "start_date"),
        ("env:COUPA_CLIENT_SECRET", "hunter2", "client_secret"),
        ("env:COUPA_CLIENT_SECRET", "env:NOT_SET_ANYWHERE", "env:NOT_SET_ANYWHERE is not there or empty"),
        ("client_secret: env:COUPA", "client_secrte: env:COUPA", "coupa has no secret 'client_secrte'"),
        ("http://127.0.0.1:8102", "http://coupa.example.com", "is plain http"),
    ],
)
def test_a_mistake_is_told_with_its_line(file: Path, before: str, after: str, told: str) -> None:
    line = changed(file, before, after)
    assert any(f"{file}:{line}: " in mistake and told in mistake for mistake in refused(file)), refused(file)


def test_all_mistakes_are_told_at_once(file: Path) -> None:
    changed(file, "division: 674359", "division: 0")
    changed(file, "target: coupa", "target: nowhere")
    assert len(refused(file)) == 2


def test_loopback_http_needs_the_switch(file: Path) -> None:
    with pytest.raises(ConfigurationRefused, match="CONNECTOR_ALLOW_LOOPBACK_HTTP"):
        load(file)


@pytest.mark.parametrize("secret", ["pässwörd", "two\nlines"])
def test_a_secret_that_no_vendor_gives_is_refused_by_connection_and_name(
    file: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("EXACT_CLIENT_SECRET", secret)
    (mistake,) = refused(file)
    assert "exact-nl: secret 'client_secret': env:EXACT_CLIENT_SECRET holds a character outside" in mistake
    assert "Copy it again" in mistake
    assert secret not in mistake


def test_a_webhook_secret_that_people_made_up_may_hold_any_letters(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXACT_WEBHOOK_SECRET", "pässwörd")
    assert load(file, loopback_http=True).secrets["exact-nl", "webhook_secret"].reveal() == "pässwörd"


@pytest.mark.parametrize(("secret", "told"), [("whsec_AAAA", "has 3 bytes"), ("whsec_!", "is not base64")])
def test_a_reminders_secret_that_cannot_sign_is_refused_before_the_first_reminder(
    file: Path, monkeypatch: pytest.MonkeyPatch, secret: str, told: str
) -> None:
    file.write_text(file.read_text() + "reminders: {url: 'https://hooks.example', secret: 'env:HOOK'}\n")
    monkeypatch.setenv("HOOK", secret)
    (mistake,) = refused(file)
    assert told in mistake
    assert "openssl rand" in mistake
    assert secret not in mistake


def test_what_is_no_yaml_is_told_with_its_line(file: Path) -> None:
    file.write_text("tenant: acme\nconnections: [unclosed\n")
    (mistake,) = refused(file)
    assert f"{file}:3: not valid YAML" in mistake


def test_a_mapping_table_may_be_a_csv_file(file: Path) -> None:
    changed(file, '        "30": Net 30', "        csv: terms.csv")
    terms = file.parent / "terms.csv"
    terms.write_text("key,value\n30,Net 30\n60,Net 60\n")
    assert load(file, loopback_http=True).tables["exact-to-coupa", "payment-terms"] == {"30": "Net 30", "60": "Net 60"}
    terms.write_text("key,value\n30,Net 30\n30,Net 60\n")
    assert "line 3: key '30' is there twice" in refused(file)[0]


def test_two_flows_may_not_claim_the_same_numbers_in_one_target(file: Path) -> None:
    text = file.read_text()
    again = text[text.index("  exact-to-coupa:") :].replace("exact-to-coupa", "second")
    file.write_text(text + again)
    assert any("both write po_number '{number}' into coupa" in mistake for mistake in refused(file))


def applied(tenant: Tenant) -> Snapshot:
    """The snapshot that applying a file makes."""
    connections = [
        Connection(ConnectionId(tenant.name, name), entry.system, room(entry.system).Settings(**entry.settings))
        for name, entry in tenant.connections.items()
    ]
    flows = [
        Flow(
            id=FlowId(tenant.name, name),
            kind=entry.kind,
            source=ConnectionId(tenant.name, entry.source),
            target=ConnectionId(tenant.name, entry.target),
            entities=frozenset(entry.entities or tenant.kind(name).entities),
            references=frozenset(entry.references),
            start_date=entry.start_date,
            options=flow_kinds()[entry.kind].options.model_validate(entry.options),
            on_mapping_change=OnMappingChange.NONE,
            on_block=OnBlock.HOLD,
        )
        for name, entry in tenant.flows.items()
    ]
    mappings = {
        (FlowId(tenant.name, flow), name): {key: MappingEntry(value, "1") for key, value in entries.items()}
        for (flow, name), entries in tenant.tables.items()
    }
    return Snapshot(1, {one.id: one for one in connections}, {one.id: one for one in flows}, mappings)


def test_applying_the_same_again_changes_nothing(file: Path) -> None:
    tenant = load(file, loopback_http=True)
    assert not difference(tenant, applied(tenant))


def test_a_changed_entry_names_what_depended_on_it(file: Path) -> None:
    now = applied(load(file, loopback_http=True))
    changed(file, '"30": Net 30', '"30": Net 45')
    changed(file, "category: AE", "category: S")
    found = difference(load(file, loopback_http=True), now)
    assert [(change.act, change.after) for change in found.changes] == [(Act.CHANGE, "S"), (Act.CHANGE, "Net 45")]
    assert found.mapping_keys == {FlowId("acme", "exact-to-coupa"): {"mapping:payment-terms/30"}}
    assert found.read_under == {ConnectionId("acme", "exact-nl"): {"vat/4"}}
