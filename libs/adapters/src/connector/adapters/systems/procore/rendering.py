"""What every rendering needs: where each line's cost belongs, and each thing that is wrong, found at once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from connector.domain.digest import digest
from connector.domain.documents.common import Coding, SupplierRef
from connector.domain.documents.money import spread
from connector.domain.identity import Entity, EntityRef
from connector.domain.ports.references import ReferenceKey
from connector.domain.ports.target import LinkedObject, Lookup, RenderInput
from connector.domain.reasons import Reason
from connector.domain.sync.lookup import link_key, mapping_key

from .naming import REQUISITIONS, is_ours, line_origin, part_name
from .settings import ExactProcoreOptions, Project
from .values import ZERO, Json

_HUNDRED = Decimal(100)


class Share(NamedTuple):
    """One coded share of a source line: what it costs, and where."""

    origin: str
    amount: Decimal
    wbs_code_id: int
    project: str
    line: Any
    of_several: bool
    """The line is split over several codings."""


@dataclass(frozen=True, slots=True)
class Place:
    """A project as Procore has it, with the flow's own rules for it."""

    number: str
    id: int
    currency: str
    rules: Project


@dataclass(slots=True)
class Rendering:
    """One row on its way to parts."""

    wanted: RenderInput
    lookup: Lookup
    findings: list[Reason] = field(default_factory=list)
    frozen: dict[str, Json] = field(default_factory=dict)
    """Origin id of a line -> its coding, kept from its first write on."""

    @property
    def options(self) -> ExactProcoreOptions:
        options: ExactProcoreOptions = self.wanted.options
        return options

    @property
    def ref(self) -> EntityRef:
        return EntityRef(self.wanted.source, self.wanted.row.entity, self.wanted.row.native_id)

    def find(self, code: str, message: str, *, fix: str, missing: str | None = None, field: str | None = None) -> None:
        reason = Reason(code=code, message=message, fix=fix, missing=missing, field=field)
        if reason not in self.findings:
            self.findings.append(reason)

    def vendor(self, supplier: SupplierRef) -> int | None:
        """The supplier's vendor in the company directory, by its link."""
        if supplier.id is None:
            fix = "Enter the supplier on the document in its source system."
            self.find("supplier-missing", "The document names no supplier.", fix=fix, field="supplier")
            return None
        ref = EntityRef(self.wanted.source, Entity.SUPPLIER, supplier.id)
        linked = self.lookup.link(ref)
        if linked is not None:
            return int(linked.target_id)
        shown = " ".join(part for part in (supplier.number, supplier.name) if part) or supplier.id
        self.find(
            "supplier-unknown-in-target",
            f"Supplier {shown} is not linked to a vendor in Procore.",
            missing=link_key(ref),
            fix=f"See why supplier {ref.key} is not synced: create or link it.",
            field="supplier",
        )
        return None

    def place(self, number: str) -> Place | None:
        """The project, if documents can be written into it."""
        rules = self.options.project(number)
        if rules is None:
            fix = f"Add {number!r} (or '*') with its cost model to the flow's options.projects."
            self.find("no-cost-model", f"Nobody has said how project {number!r} books its cost.", fix=fix)
        shown = self.lookup.reference(self.wanted.target, "project", number)
        missing = str(ReferenceKey(self.wanted.target, "project", number))
        if shown is None:
            self.find(
                "project-unknown-in-target",
                f"Procore shows no project with the number {number!r}.",
                missing=missing,
                fix="Create the project, or permit it for the service account; or correct the mapping table costs.",
            )
            return None
        if not shown["active"]:
            fix = "Reopen the project in Procore, or map the cost to another one."
            self.find("project-closed", f"Project {number!r} is not active in Procore.", missing=missing, fix=fix)
        if shown["foreign"]:
            self.find(
                "origin-owned-by-other",
                f"In project {number!r} another integration owns origin ids, such as {shown['foreign']}.",
                missing=missing,
                fix="Procore allows one integration: end the other one's sync of this project, or leave it out here.",
            )
        return None if rules is None else Place(number, shown["id"], shown["currency"], rules)

    def in_currency_of(self, place: Place, currency: str) -> None:
        if currency != place.currency:
            self.find(
                "currency-differs",
                f"The document is in {currency}, project {place.number!r} keeps its books in {place.currency}.",
                fix="Book it in the project's currency, or map it to a project that has its own.",
                field="currency",
            )

    def shares(self, lines: Iterable[Any], amounts: Mapping[str, Decimal], currency: str) -> list[Share]:
        """Each line's amount on its project and WBS code; lines that have no place are findings."""
        placed: list[Share] = []
        for line in lines:
            codings: Sequence[Coding] = line.accounting or [Coding()]
            parts = spread(amounts[line.line_id], [coding.share for coding in codings], currency)
            for index, (coding, amount) in enumerate(zip(codings, parts, strict=True)):
                origin = line_origin(self.ref, line.line_id, index)
                code = self._code(origin, coding, line)
                where = self._wbs(code) if code else None
                if where is not None:
                    placed.append(Share(origin, amount, where[1], where[0], line, len(codings) > 1))
        return placed

    def _code(self, origin: str, coding: Coding, line: Any) -> str | None:
        """`project:WBS` of a coding: as first written while nothing that decides it has changed on the line itself, and
        Procore still has the code."""
        third = coding.project if self.options.third_code == "project" else coding.cost_unit
        item = line.item.buyer_id if line.item is not None else None
        decides = digest([item or coding.gl_account, coding.cost_center, third, coding.share])
        code = self._kept(origin, decides) or self._mapped(coding, third, line)
        if code is not None:
            self.frozen[origin] = {"decided_by": decides, "code": code}
        return code

    def _kept(self, origin: str, decides: str) -> str | None:
        """What the line was written with. A requisition is never there without what it bills."""
        for known in self.wanted.known.values():
            kept: Json = known.frozen.get(origin, {})
            written = origin in known.sub_ids or known.extra.get("collection") == REQUISITIONS
            if written and kept.get("decided_by") == decides and self._usable(kept["code"]):
                return str(kept["code"])
        return None

    def _usable(self, code: str) -> bool:
        """Whether the WBS code is still there and active; where its project is not, that is what has to be told."""
        project, _, flat = code.partition(":")
        place = self.lookup.reference(self.wanted.target, "project", project)
        shown = self.lookup.reference(self.wanted.target, "wbs-code", f"{place['id']}/{flat}") if place else None
        return place is None or (shown is not None and shown["status"] == "active")

    def _mapped(self, coding: Coding, third: str | None, line: Any) -> str | None:
        """By the table `costs`, after its codes are known to exist at the source."""
        where = f"lines[{line.line_number}].accounting"
        self._at_source("gl-account", coding.gl_account, where)
        self._at_source("cost-center", coding.cost_center, where)
        key = f"{coding.gl_account or ''}/{coding.cost_center or ''}/{third or ''}"
        value = self.lookup.pattern("costs", key)
        if value is None:
            self.find(
                "cost-not-mapped",
                f"GL account {coding.gl_account or '(none)'}, cost center {coding.cost_center or '(none)'} and "
                f"{self.options.third_code} {third or '(none)'} have no project and WBS code.",
                missing=mapping_key("costs", key),
                fix=f"Add the key {key} to the flow's table costs, with its project and WBS code, and apply it.",
                field=where,
            )
            return None
        project, separator, wbs = value.replace("{code}", third or "").partition(":")
        if not separator or not project or not wbs:
            fix = "Write the value as project number:WBS code, such as P-100:01-100.M, and apply it."
            message = f"The table costs says {value!r} for {key}, which names no project and WBS code."
            self.find("cost-not-mapped", message, missing=mapping_key("costs", key), fix=fix, field=where)
            return None
        return f"{project}:{wbs}"

    def _at_source(self, kind: str, code: str | None, where: str) -> None:
        if code and self.lookup.reference(self.wanted.source, kind, code) is None:
            name = kind.replace("-", " ")
            self.find(
                f"{kind}-unknown-at-source",
                f"The source's reference data has no {name} {code!r}.",
                missing=str(ReferenceKey(self.wanted.source, kind, code)),
                fix=f"Check {name} {code!r} in the source system; it goes on by itself once that is read again.",
                field=where,
            )

    def _wbs(self, code: str) -> tuple[str, int] | None:
        """Project number and id of the WBS code, which must exist and be active in that project."""
        project, _, flat = code.partition(":")
        place = self.lookup.reference(self.wanted.target, "project", project)
        if place is None or not place["active"]:
            self.place(project)
            return None
        key = f"{place['id']}/{flat}"
        shown = self.lookup.reference(self.wanted.target, "wbs-code", key)
        missing = str(ReferenceKey(self.wanted.target, "wbs-code", key))
        if shown is None:
            fix = f"Add {flat} to the project's budget codes, or correct the table costs."
            message = f"Project {project!r} has no WBS code {flat!r}."
            self.find("wbs-code-unknown-in-target", message, missing=missing, fix=fix)
            return None
        if shown["status"] != "active":
            fix = f"Activate {flat} in the project, or correct the table costs."
            message = f"WBS code {flat!r} of project {project!r} is {shown['status']}."
            self.find("wbs-code-inactive", message, missing=missing, fix=fix)
            return None
        return project, int(shown["id"])

    def on_commitment(
        self, project: str, place_id: int, commitment_id: str, lines: Iterable[str]
    ) -> list[LinkedObject]:
        """What our own rows have written in the project on a commitment with these lines: by its order's link, or by a
        person's decision. Another document of the same rows may be on another commitment by now."""
        orders = {origin.partition("#")[0] for origin in lines}
        decided = ReferenceKey(self.wanted.target, "commitment", f"{place_id}/{commitment_id}")
        keys = [*(link_key(EntityRef.parse(order)) for order in sorted(orders) if is_ours(order)), str(decided)]
        written = [one.parts.get(part_name(project)) for key in keys for one in self.lookup.linking(key)]
        by_id = {(one.extra.get("collection"), one.target_id): one for one in written if one is not None}
        return list(by_id.values())

    def linked(self, entity: Entity, native_id: str) -> LinkedObject | None:
        return self.lookup.link(EntityRef(self.wanted.source, entity, native_id))


def by_project(shares: Iterable[Share]) -> dict[str, list[Share]]:
    grouped: defaultdict[str, list[Share]] = defaultdict(list)
    for share in shares:
        grouped[share.project].append(share)
    return dict(sorted(grouped.items()))


def spread_header(lines: Mapping[str, Decimal], extra: Decimal, currency: str) -> dict[str, Decimal]:
    """Line amounts with a header discount or freight spread over them, so that they sum to the document."""
    if not extra:
        return dict(lines)
    weights = [abs(amount) for amount in lines.values()]
    if not sum(weights, ZERO):
        weights = [Decimal(1)] * len(lines)
    parts = spread(extra, weights, currency)
    return {line: amount + part for (line, amount), part in zip(lines.items(), parts, strict=True)}
