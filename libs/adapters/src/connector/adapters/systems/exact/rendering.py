"""What every rendering into Exact needs: Exact's own codes, and each thing that is wrong, found at once."""

from dataclasses import dataclass, field

from connector.domain.documents.common import SupplierRef
from connector.domain.identity import Entity, EntityRef
from connector.domain.ports.references import ReferenceKey
from connector.domain.ports.target import Json, LinkedObject, Lookup, Measure, NaturalKey, Part, RenderInput
from connector.domain.reasons import Reason
from connector.domain.sync.lookup import link_key

from .options import BaswareExactOptions
from .references import attribute

NOUNS = {
    "gl-account": "GL account",
    "cost-center": "cost center",
    "cost-unit": "cost unit",
    "project": "project",
    "vat-code": "VAT code",
    "payment-term": "payment condition",
    "journal": "journal",
    "item": "item",
}
ALLOWED, NEEDED, FORBIDDEN = "0", "1", "2"
"""Exact's UseCostcenter and UseCostunit of a GL account."""


@dataclass(slots=True)
class Rendering:
    """One row on its way to parts."""

    wanted: RenderInput
    lookup: Lookup
    findings: list[Reason] = field(default_factory=list)

    @property
    def options(self) -> BaswareExactOptions:
        options: BaswareExactOptions = self.wanted.options
        return options

    @property
    def ref(self) -> EntityRef:
        return EntityRef(self.wanted.source, self.wanted.row.entity, self.wanted.row.native_id)

    @property
    def stamp(self) -> str:
        return self.ref.key

    def gone(self, resources: dict[str, str]) -> list[Part]:
        """What is to be taken back: every object the row has in Exact, by part, whatever the document says by now."""
        return [
            Part(name, NaturalKey(resources[name], (("id", known.target_id),)), self.stamp, {}, Measure(), gone=True)
            for name, known in self.wanted.known.items()
            if name in resources
        ]

    def find(self, code: str, message: str, *, fix: str, missing: str | None = None, field: str | None = None) -> None:
        self.findings.append(Reason(code=code, message=message, fix=fix, missing=missing, field=field))

    def warn(self, code: str, message: str, *, fix: str, field: str | None = None) -> None:
        self.findings.append(Reason(code=code, message=message, fix=fix, field=field, severity="warn"))

    def mapped(self, table: str, code: str | None) -> str | None:
        """The code in Exact: as the flow's table says, else the same."""
        if code is None:
            return None
        value = self.lookup.mapping(table, code)
        return code if value is None else value or None

    def code(self, kind: str, code: str, field: str) -> Json | None:
        """One of Exact's codes that may be used now; a finding names one that is missing or closed."""
        noun = NOUNS[kind]
        found = self.lookup.reference(self.wanted.target, kind, code)
        key = str(ReferenceKey(self.wanted.target, kind, code))
        if found is None:
            self.find(
                f"{kind}-unknown-in-target",
                f"Exact has no {noun} {code}.",
                missing=key,
                fix=f"Create {noun} {code} in Exact, or map the source's code to another one.",
                field=field,
            )
            return None
        if not found.get("active", True):
            self.find(
                f"{kind}-closed-in-target",
                f"{noun[0].upper()}{noun[1:]} {code} is closed in Exact.",
                missing=key,
                fix=f"Open {noun} {code} in Exact, or correct the coding at the source.",
                field=field,
            )
        return found

    def dimension(self, account: Json | None, kind: str, code: str | None, field: str) -> str | None:
        """A cost center or cost unit, as the GL account wants it: needed, allowed or forbidden."""
        if account is None:
            return code
        use = attribute(account, "use_cost_center" if kind == "cost-center" else "use_cost_unit") or ALLOWED
        gl, noun = account["code"], NOUNS[kind]
        if code is None and use == NEEDED:
            self.find(
                f"{kind}-needed",
                f"GL account {gl} needs a {noun}, the coding has none.",
                fix=f"Add a {noun} to the coding at the source.",
                field=field,
            )
        elif code is not None and use == FORBIDDEN:
            self.find(
                f"{kind}-forbidden",
                f"GL account {gl} takes no {noun}, the coding has {code}.",
                fix=f"Remove the {noun} from the coding at the source, or allow it on GL account {gl} in Exact.",
                field=field,
            )
        elif code is not None:
            self.code(kind, code, field)
        return code

    def supplier(self, supplier: SupplierRef) -> LinkedObject | None:
        """The supplier's account in Exact, by its link."""
        shown = " ".join(part for part in (supplier.number, supplier.name) if part) or "without code"
        if supplier.id is None:
            self.find(
                "supplier-unknown-at-source",
                f"Supplier {shown} is not among the vendors that the source shows.",
                fix="Publish the vendor at the source (for Basware: to its API), then transfer the document again.",
                field="supplier",
            )
            return None
        ref = EntityRef(self.wanted.source, Entity.SUPPLIER, supplier.id)
        linked = self.lookup.link(ref)
        if linked is None:
            self.find(
                "supplier-unknown-in-target",
                f"Supplier {shown} has no account in Exact.",
                missing=link_key(ref),
                fix=f"Create it in Exact, link it (connector link {ref.key} <id>), or let the flow create suppliers.",
                field="supplier",
            )
        elif linked.state != "active":
            self.find(
                "supplier-inactive-in-target",
                f"The account of supplier {shown} is {linked.state} in Exact.",
                missing=link_key(ref),
                fix="Activate the account in Exact.",
                field="supplier",
            )
        return linked

    def payment_condition(self, code: str | None) -> str | None:
        """None where the source names none: the account's own counts then."""
        condition = self.mapped("payment-terms", code)
        if condition is not None:
            self.code("payment-term", condition, "payment_terms")
        return condition
