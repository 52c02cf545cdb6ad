"""What every rendering needs: answers of both sides, and each thing that is wrong, found at once."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from connector.domain.digest import digest
from connector.domain.documents.common import Coding, PaymentTerms, SupplierRef, Vat
from connector.domain.identity import Entity, EntityRef
from connector.domain.ports.references import ReferenceKey
from connector.domain.ports.target import (
    Json,
    LinkedObject,
    Lookup,
    Measure,
    NaturalKey,
    Part,
    RenderInput,
    TargetObject,
)
from connector.domain.reasons import Reason
from connector.domain.sync.lookup import link_key, mapping_key

from .settings import CoupaOptions, FieldAccounts, SegmentAccounts, Settings
from .values import differences, plain

RESOURCE_OF = {
    Entity.SUPPLIER: "suppliers",
    Entity.PURCHASE_ORDER: "purchase_orders",
    Entity.INVOICE: "invoices",
    Entity.REFERENCE: "lookup_values",
}


@dataclass(slots=True)
class Rendering:
    """One row on its way to parts."""

    wanted: RenderInput
    lookup: Lookup
    settings: Settings
    findings: list[Reason] = field(default_factory=list)

    @property
    def options(self) -> CoupaOptions:
        options: CoupaOptions = self.wanted.options
        return options

    @property
    def stamp(self) -> str:
        return EntityRef(self.wanted.source, self.wanted.row.entity, self.wanted.row.native_id).key

    def known(self, part: str) -> TargetObject | None:
        return self.wanted.known.get(part)

    def gone(self) -> list[Part]:
        """What is to be taken back: every object the row has in Coupa, whatever the document says by now."""
        resource = RESOURCE_OF[self.wanted.row.entity]
        keys = {name: NaturalKey(resource, (("id", known.target_id),)) for name, known in self.wanted.known.items()}
        return [Part(name, key, self.stamp, {}, Measure(), gone=True) for name, key in keys.items()]

    def find(self, code: str, message: str, *, fix: str, missing: str | None = None, field: str | None = None) -> None:
        self.findings.append(Reason(code=code, message=message, fix=fix, missing=missing, field=field))

    def warn(self, code: str, message: str, *, fix: str, field: str | None = None) -> None:
        self.findings.append(Reason(code=code, message=message, fix=fix, field=field, severity="warn"))

    def key(self, template: str, number: str, limit: int, field: str) -> str:
        """A key made of its template. Keys are never cut: one that is too long is blocked."""
        made = template.replace("{number}", number)
        if len(made) > limit:
            self.find(
                "key-too-long",
                f"{field} {made!r} has {len(made)} characters, Coupa holds {limit}.",
                fix="Shorten the flow's template, or the number in the source system.",
                field=field,
            )
        return made

    def supplier(self, supplier: SupplierRef) -> LinkedObject | None:
        """The supplier in Coupa, by its link."""
        if supplier.id is None:
            self.find(
                "supplier-missing",
                "The document names no supplier.",
                fix="Enter the supplier on the document in its source system.",
                field="supplier",
            )
            return None
        ref = EntityRef(self.wanted.source, Entity.SUPPLIER, supplier.id)
        linked = self.lookup.link(ref)
        shown = " ".join(part for part in (supplier.number, supplier.name) if part) or supplier.id
        if linked is None:
            self.find(
                "supplier-unknown-in-target",
                f"Supplier {shown} is not linked to a supplier in Coupa.",
                missing=link_key(ref),
                fix=f"See why supplier {ref.key} is not synced: create or link it, or let the flow create suppliers.",
                field="supplier",
            )
        elif linked.state == "inactive" and not self.wanted.known:
            self.find(
                "supplier-inactive-in-target",
                f"Supplier {shown} is inactive in Coupa, which takes no new documents of it.",
                missing=link_key(ref),
                fix="Activate the supplier, in the source system or in Coupa.",
                field="supplier",
            )
        return linked

    def reference(self, kind: str, code: str, reason: str, what: str, field: str) -> Json | None:
        """A code of Coupa's own, known to exist there before anything is written: Coupa drops an unknown reference
        silently on update."""
        found = self.lookup.reference(self.wanted.target, kind, code)
        if found is None:
            self.find(
                reason,
                f"Coupa has no active {what} {code!r}.",
                missing=str(ReferenceKey(self.wanted.target, kind, code)),
                fix=f"Create or activate {what} {code!r} in Coupa; the document goes on by itself.",
                field=field,
            )
        return found

    def mapped(self, table: str, code: str, what: str, field: str) -> str | None:
        """An entry of a mapping table; None (and a finding) where there is none, empty where none is to be sent."""
        value = self.lookup.mapping(table, code)
        if value is None:
            self.find(
                f"{what.replace(' ', '-')}-not-mapped",
                f"The source's {what} {code!r} has no entry in the flow's table {table}.",
                missing=mapping_key(table, code),
                fix=f"Add {code!r} to the flow's mapping table {table}, empty where Coupa is to get none.",
                field=field,
            )
        return value

    def currency(self, code: str) -> str:
        self.reference("currency", code, "currency-unknown-in-target", "currency", "currency")
        return code

    def payment_term(self, terms: PaymentTerms | None) -> str | None:
        if terms is None or terms.code is None:
            return None
        code = self.mapped("payment-terms", terms.code, "payment term", "payment_terms")
        if code:
            self.reference("payment-term", code, "payment-term-unknown-in-target", "payment term", "payment_terms")
        return code or None

    def unit(self, code: str | None, field: str) -> str | None:
        """Coupa's unit: mapped, else the source's own code, else the flow's default."""
        unit = (self.lookup.mapping("units", code) or code) if code else self.options.default_unit
        if unit is None:
            self.find(
                "unit-unknown",
                "The line has no unit of measure.",
                fix="Enter the line's unit in the source system, or set the flow's default_unit.",
                field=field,
            )
            return None
        self.reference("uom", unit, "unit-unknown-in-target", "unit of measure", field)
        return unit

    def tax_code(self, vat: Vat, field: str) -> str | None:
        """CODE or CODE@COUNTRY."""
        if vat.code is None:
            return None
        code = self.mapped("tax-codes", vat.code, "VAT code", field)
        if code:
            self.reference("tax-code", code, "tax-code-unknown-in-target", "tax code", field)
        return code or None

    def accounts(self, coding: Sequence[Coding], field: str) -> list[dict[str, str]]:
        """A line's accounting as Coupa's: per share its segments."""
        form = self.options.accounts
        if isinstance(form, FieldAccounts):
            return [{"pct": "100", **_positions(form.account)}]
        if not coding:
            self.find(
                "no-account",
                "The line has no accounting.",
                fix="Code the line in the source system.",
                field=field,
            )
        return [{"pct": plain(row.share), **self._segments(form, row, field)} for row in coding]

    def _segments(self, form: SegmentAccounts, row: Coding, field: str) -> dict[str, str]:
        values = [self._segment(segment.kind, segment.default, row, field) for segment in form.segments]
        return _positions(values)

    def _segment(self, kind: str, default: str | None, row: Coding, field: str) -> str:
        code = _code(row, kind) or default
        if code is None:
            self.find(
                f"{kind}-missing",
                f"The line has no {kind.replace('-', ' ')}, which the chart of accounts needs.",
                fix="Enter it in the source system, or give the segment a default in the flow's options.",
                field=field,
            )
            return ""
        self._value(kind, code, field)
        return code

    def _value(self, kind: str, code: str, field: str) -> None:
        lookup = next(name for named, name in self.options.lookups.items() if named == kind)
        name = {"gl-account": "gl-code"}.get(kind, kind)
        self.reference(lookup_kind(lookup), code, f"{name}-unknown-in-target", f"value of lookup {lookup!r}", field)

    def coding_fields(self, coding: Sequence[Coding], field: str) -> dict[str, str | None]:
        """The source's codes in custom fields, where the flow keeps accounts so. One row: a field holds one value."""
        form = self.options.accounts
        if not isinstance(form, FieldAccounts):
            return {}
        if len(coding) > 1:
            self.find(
                "split-coding",
                "The line is split over several codings; custom fields hold one.",
                fix="Do not split the line, or keep accounts as segments.",
                field=field,
            )
        row = coding[0] if coding else Coding()
        for kind in form.fields:
            if code := _code(row, kind):
                self._value(kind, code, field)
        return {name: _code(row, kind) for kind, name in form.fields.items()}

    def frozen_coding(self, part: str, line: str, coding: Sequence[Coding], item: str | None) -> list[Coding]:
        """The coding a line was first written with, as long as nothing that decides it has changed on the line itself:
        a new account in the item's master data does not recode written documents."""
        known = self.known(part)
        kept = (known.frozen.get("lines", {}).get(line) if known else None) or {}
        if item is None or kept.get("decided_by") != _decides(coding, item):
            return list(coding)
        return [Coding.model_validate(row) for row in kept["coding"]]


def not_taken(part: Part, shown: Json) -> Reason:
    """Coupa answered that all is well, and shows something else than it was sent."""
    compared = {name: value for name, value in part.wanted.items() if name not in ("state", "exported")}
    return Reason(
        code="target-differs",
        message=f"Coupa took it and shows something else: {'; '.join(differences(compared, shown))}.",
        fix="Check in Coupa that these values exist, are active and may be set by API, then: connector release.",
        field=part.name,
    )


def lookup_kind(lookup: str) -> str:
    """The kind of reference that the values of one of Coupa's lookups are."""
    return f"lookup-value:{lookup}"


def freeze(coding: Sequence[Coding], item: str | None) -> Json:
    return {"decided_by": _decides(coding, item), "coding": [row.model_dump(mode="json") for row in coding]}


def _decides(coding: Sequence[Coding], item: str | None) -> str:
    return digest([item, [[row.share, row.cost_center, row.cost_unit, row.project] for row in coding]])


def _code(row: Coding, kind: str) -> str | None:
    code: Any = getattr(row, kind.replace("-", "_"))
    return str(code) if code else None


def _positions(values: Sequence[str]) -> dict[str, str]:
    return {f"segment-{position}": value for position, value in enumerate(values, 1)}
