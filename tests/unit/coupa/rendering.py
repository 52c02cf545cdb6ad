"""Everything a rendering asks answered from memory: no dispatcher, no vendor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connector.adapters.systems.coupa.render import render
from connector.adapters.systems.coupa.settings import ExactCoupaOptions, Settings
from connector.domain.documents.envelope import AnyRecord
from connector.domain.identity import ConnectionId, Entity, EntityRef, FlowId, RowRef
from connector.domain.ports.target import Json, LinkedObject, Rendered, RenderInput, TargetObject

COUPA = ConnectionId("acme", "coupa")
FLOW = FlowId("acme", "exact-coupa")
SETTINGS = Settings(base_url="https://example.coupahost.com", login="integration", order_number_field="erp-order")
OPTIONS: dict[str, Any] = {
    "chart_of_accounts": "COA NL",
    "accounts": {"form": "segments", "segments": [{"kind": "cost-center", "default": "000"}, {"kind": "gl-account"}]},
    "lookups": {"gl-account": "GL Account", "cost-center": "Cost Center"},
    "ship_to_user": "receiving",
    "ship_to_address": "MAIN",
    "create_suppliers": True,
    "orders": "all",
    "invoice_end_state": "submitted",
    "settlement": "source",
    "default_unit": "EA",
}


def options(**changes: Any) -> ExactCoupaOptions:
    return ExactCoupaOptions.model_validate({**OPTIONS, **changes})


@dataclass
class Everything:
    """Knows each code, maps each to itself, and has each document linked; except what is named as absent."""

    absent: frozenset[str] = frozenset()
    orders: Mapping[str, LinkedObject] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def mapping(self, table: str, key: str) -> str | None:
        return None if f"{table}/{key}" in self.absent else f"{table[:3].upper()}-{key}"

    def pattern(self, table: str, key: str) -> str | None:
        return self.mapping(table, key)

    def reference(self, connection: ConnectionId, kind: str, code: str) -> Json | None:
        self.asked.append(f"{kind}/{code}")
        return None if f"{kind}/{code}" in self.absent else {"code": code}

    def link(self, ref: EntityRef) -> LinkedObject | None:
        if f"{ref.entity}/{ref.native_id}" in self.absent:
            return None
        if ref.entity is Entity.SUPPLIER:
            return LinkedObject("501", {}, "active")
        return self.orders.get(ref.native_id)

    def linking(self, key: str) -> Sequence[LinkedObject]:
        return ()


def rendered(
    record: AnyRecord,
    lookup: Everything | None = None,
    known: Mapping[str, TargetObject] | None = None,
    **changes: Any,
) -> Rendered:
    row = RowRef(FLOW, record.entity, record.native_id)
    wanted = RenderInput(row, record.ref.connection, COUPA, record, options(**changes), known or {})
    return render(wanted, lookup or Everything(), SETTINGS)
