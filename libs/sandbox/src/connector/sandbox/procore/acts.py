"""What people do at Procore's screens. The same rules, side effects and locks apply as to any writer."""

from collections.abc import Callable
from typing import Any, TypeVar

from connector.sandbox.core.sandbox import Act

from . import baseline, budget, commitments, costs, direct_costs, directory, requisitions
from .auth import Client, OAuth
from .errors import ApiError, Invalid
from .fields import Spec, parse
from .lines import LINE_SPEC
from .store import Company, Contract, CostCode, DirectCost, Project, Requisition, Vendor, WbsCode
from .sync import Item
from .world import Actor, World

T = TypeVar("T")

PROJECT_SWITCHES = {
    "active",
    "permitted",
    "multicurrency",
    "accounting_method",
    "private_commitments",
    "workflow_on_commitments",
    "auto_budget_lines",
    "budget_locked",
    "excludes_subcontractor_invoices",
    "required_fields",
    "currency",
    "segments",
    "delimiter",
}


class Acts:
    """Every public method is an act: a JSON object in, a JSON value out."""

    def __init__(self, world: World, oauth: OAuth, company: Company, person: Client, other: Client) -> None:
        self._world = world
        self._oauth = oauth
        self._company = company
        self._person: Actor = person.actor
        self._other: Actor = other.actor

    def table(self) -> dict[str, Act]:
        names = [name for name in vars(type(self)) if not name.startswith("_") and name != "table"]
        return {name: self._act(getattr(self, name)) for name in names}

    def _act(self, one: Callable[[Item], Any]) -> Act:
        """`{"items": [...], ...shared}` does the act for each item, with the shared values, and returns a list."""

        async def act(data: Item) -> Any:
            try:
                if isinstance(data.get("items"), list):
                    shared = {name: value for name, value in data.items() if name != "items"}
                    return [one({**shared, **item}) for item in data["items"]]
                return one(data)
            except (Invalid, ApiError) as refusal:
                raise ValueError(str(refusal)) from refusal

        return act

    # Portfolio and directory

    def create_project(self, data: Item) -> Item:
        """name, project_number; optional origin_id, cost_codes [{code, name}], cost_types [code], vendor_ids,
        billing_periods, sub_jobs [{code, name}], and any project switch. Returns the project with its budget codes."""
        world = self._world
        company = world.company(data["company_id"]) if data.get("company_id") else self._company
        switches = {name: data[name] for name in PROJECT_SWITCHES & data.keys()}
        project = baseline.add_project(world, company, data["name"], data["project_number"], **switches)
        world.set_origin(world.store.projects, project, data, self._person)
        for sub_job in data.get("sub_jobs", []):
            baseline.add_sub_job(world, project, sub_job["code"], sub_job["name"])
        codes = [(code["code"], code["name"]) for code in data.get("cost_codes", [])]
        baseline.add_codes(world, project, codes, data.get("cost_types", ["L", "M", "S", "O"]), self._person)
        for vendor_id in data.get("vendor_ids", []):
            directory.add_to_project(world, project, self._vendor({"vendor_id": vendor_id}), self._person)
        for period in data.get("billing_periods", [baseline.this_month(world)]):
            requisitions.create_period(world, project, parse(requisitions.PERIOD_SPEC, period))
        world.tell("Projects", "create", project, self._person)
        return self._shown_project(project)

    def edit_project(self, data: Item) -> Item:
        """Any project switch, name, or tools (the list of tools that stay on)."""
        project = self._project(data)
        for name in (PROJECT_SWITCHES - {"segments", "delimiter"}) & data.keys():
            setattr(project, name, data[name])
        project.name = data.get("name", project.name)
        project.tools = set(data.get("tools", project.tools))
        project.updated_at = self._world.stamp()
        self._world.tell("Projects", "update", project, self._person)
        return self._shown_project(project)

    def close_project(self, data: Item) -> Item:
        return self.edit_project({**data, "active": False})

    def reopen_project(self, data: Item) -> Item:
        return self.edit_project({**data, "active": True})

    def create_vendor(self, data: Item) -> Item:
        """name and the vendor fields; optional project_ids to add it to, synced_to_erp (an ERP tool owns it)."""
        values = parse(directory.VENDOR_SPEC, data)
        company = self._world.company(data["company_id"]) if data.get("company_id") else self._company
        row = directory.create_vendor(self._world, company, values, self._person)
        row.synced_to_erp = bool(data.get("synced_to_erp", False))
        for id_ in data.get("project_ids", []):
            directory.add_to_project(self._world, self._project({"project_id": id_}), row, self._person)
        return directory.show_vendor(row)

    def edit_vendor(self, data: Item) -> Item:
        row = self._vendor(data)
        values = parse(directory.VENDOR_SPEC, data)
        return directory.show_vendor(directory.update_vendor(self._world, row, values, self._person))

    def add_vendor_to_project(self, data: Item) -> Item:
        row = self._vendor(data)
        directory.add_to_project(self._world, self._project(data), row, self._person)
        return directory.show_vendor(row)

    def remove_vendor_from_project(self, data: Item) -> Item:
        row = self._vendor(data)
        directory.remove_from_project(self._world, self._project(data), row, self._person)
        return directory.show_vendor(row)

    # Codes and budget

    def create_cost_code(self, data: Item) -> Item:
        """project, code, name; optional cost_types [code] to make budget codes with."""
        project, values = self._project(data), parse(costs.COST_CODE_SPEC, data)
        row = costs.create_cost_code(self._world, project, values, self._person)
        for cost_type in data.get("cost_types", []):
            chosen = {"cost_code": row.id, "line_item_type": self._cost_type(project, cost_type)}
            costs.create_wbs_code(self._world, project, chosen)
        return costs.show_cost_code(self._world, row)

    def edit_cost_code(self, data: Item) -> Item:
        row, values = self._cost_code(data), parse(costs.COST_CODE_SPEC, data)
        costs.update_cost_code(self._world, row, values, self._person)
        return costs.show_cost_code(self._world, row)

    def deactivate_cost_code(self, data: Item) -> Item:
        row = costs.set_cost_code_active(self._world, self._cost_code(data), False, self._person)
        return costs.show_cost_code(self._world, row)

    def activate_cost_code(self, data: Item) -> Item:
        row = costs.set_cost_code_active(self._world, self._cost_code(data), True, self._person)
        return costs.show_cost_code(self._world, row)

    def delete_cost_code(self, data: Item) -> Item:
        row = costs.delete_cost_code(self._world, self._cost_code(data), self._person)
        return costs.show_cost_code(self._world, row)

    def create_wbs_code(self, data: Item) -> Item:
        """project, cost_code (full code), cost_type (code); optional sub_job (code), description."""
        project = self._project(data)
        chosen = {"cost_code": self._cost_code(data).id, "line_item_type": self._cost_type(project, data["cost_type"])}
        if data.get("sub_job"):
            jobs = self._world.store.sub_jobs.live(project.id)
            chosen["sub_job"] = next(job.id for job in jobs if job.code == data["sub_job"])
        row = costs.create_wbs_code(self._world, project, chosen, data.get("description", ""))
        return costs.show_wbs_code(self._world, row)

    def deactivate_wbs_code(self, data: Item) -> Item:
        row = self._wbs_code(self._project(data), data)
        row.status, row.updated_at = "inactive", self._world.stamp()
        return costs.show_wbs_code(self._world, row)

    def create_budget_line(self, data: Item) -> Item:
        project = self._project(data)
        values = parse(budget.BUDGET_SPEC, data) | {"wbs_code_id": self._wbs_code(project, data).id}
        row = self._world.store.budget_of_wbs.get(values["wbs_code_id"])
        if row is None:
            row = budget.create_budget_line(self._world, project, values, self._person)
        else:
            budget.update_budget_line(self._world, project, row, values, self._person)
        return budget.show_budget_line(self._world, row)

    def budget(self, data: Item) -> list[Item]:
        """The budget of a project, rolled up."""
        return budget.budget_rows(self._world, self._project(data))

    # Commitments

    def create_purchase_order(self, data: Item) -> Item:
        """project, vendor_id, status, header fields, lines [{flat_code or wbs_code_id, amount, ...}]."""
        return self._created_contract(commitments.PURCHASE_ORDER, data, self._person)

    def create_work_order(self, data: Item) -> Item:
        return self._created_contract(commitments.WORK_ORDER, data, self._person)

    def create_foreign_commitment(self, data: Item) -> Item:
        """A purchase order that another integration wrote and owns by its own origin_id."""
        if not data.get("origin_id"):
            raise ValueError("origin_id is required: it is what makes the commitment another integration's")
        return self._created_contract(commitments.PURCHASE_ORDER, data, self._other)

    def edit_purchase_order(self, data: Item) -> Item:
        row = self._contract(data)
        values = parse(commitments.KINDS[row.kind].spec, data)
        return self._shown(commitments.update_contract(self._world, row, values, self._person))

    def approve_purchase_order(self, data: Item) -> Item:
        return self.edit_purchase_order({**data, "status": "Approved"})

    def close_purchase_order(self, data: Item) -> Item:
        is_purchase_order = self._contract(data).kind == commitments.PURCHASE_ORDER.name
        return self.edit_purchase_order({**data, "status": "Closed" if is_purchase_order else "Terminated"})

    def delete_purchase_order(self, data: Item) -> Item:
        return self._shown(commitments.delete_contract(self._world, self._contract(data), self._person))

    def add_purchase_order_line(self, data: Item) -> Item:
        row = self._contract(data)
        values = self._line_values(self._world.project(row.project_id or 0), data)
        commitments.write_line(self._world, row, values, None, self._person)
        return self._shown(row)

    def edit_purchase_order_line(self, data: Item) -> Item:
        row = self._contract(data)
        values = self._line_values(self._world.project(row.project_id or 0), data)
        commitments.write_line(self._world, row, values, row.lines[data["line_id"]], self._person)
        return self._shown(row)

    def delete_purchase_order_line(self, data: Item) -> Item:
        row = self._contract(data)
        commitments.delete_line(self._world, row, row.lines[data["line_id"]], self._person)
        return self._shown(row)

    # Cost

    def create_direct_cost(self, data: Item) -> Item:
        """project, direct_cost_type, vendor_id, invoice_number, header fields, lines."""
        return self._created_direct_cost(data, self._person)

    def create_foreign_direct_cost(self, data: Item) -> Item:
        """A direct cost that another integration wrote and owns by its own origin_id."""
        if not data.get("origin_id"):
            raise ValueError("origin_id is required: it is what makes the direct cost another integration's")
        return self._created_direct_cost(data, self._other)

    def edit_direct_cost(self, data: Item) -> Item:
        row = self._direct_cost(data)
        direct_costs.require_writable(self._world, row, self._person, by_sync=False)
        direct_costs.update_direct_cost(self._world, row, parse(direct_costs.SPEC, data), self._person)
        return direct_costs.show_direct_cost(self._world, row, with_lines=True)

    def delete_direct_cost(self, data: Item) -> Item:
        row = self._direct_cost(data)
        direct_costs.require_writable(self._world, row, self._person, by_sync=False)
        direct_costs.delete_direct_cost(self._world, row, self._person)
        return direct_costs.show_direct_cost(self._world, row)

    def create_billing_period(self, data: Item) -> Item:
        values = parse(requisitions.PERIOD_SPEC, {"status": "open", **data})
        return requisitions.show_period(requisitions.create_period(self._world, self._project(data), values))

    def open_billing_period(self, data: Item) -> Item:
        return self._period_set(data, "open")

    def close_billing_period(self, data: Item) -> Item:
        return self._period_set(data, "closed")

    def create_requisition(self, data: Item) -> Item:
        """commitment_id, header fields, lines [{line_item_id, work_completed_this_period}]."""
        contract = self._contract({"id": data["commitment_id"]})
        project = self._world.project(contract.project_id or 0)
        values, items = self._requisition_values(data)
        row = requisitions.create_requisition(self._world, project, contract, values, items, self._person)
        return requisitions.show_requisition(self._world, row, view="items")

    def edit_requisition(self, data: Item) -> Item:
        row = self._requisition(data)
        values, items = self._requisition_values(data)
        requisitions.update_requisition(self._world, row, values, items, self._person)
        return requisitions.show_requisition(self._world, row, view="items")

    def delete_requisition(self, data: Item) -> Item:
        row = requisitions.delete_requisition(self._world, self._requisition(data), self._person)
        return requisitions.show_requisition(self._world, row)

    # The connection

    def revoke_tokens(self, data: Item) -> Item:
        """An administrator reinstalls the application: every token issued so far is dead."""
        return {"revoked": self._oauth.revoke_all()}

    def drop_webhooks(self, data: Item) -> Item:
        """Lose the next `count` notices of resource_name and event_type (either may be left out)."""
        key = (data.get("resource_name", ""), data.get("event_type", ""))
        self._world.webhooks.drop_next[key] = int(data.get("count", 1))
        return {"resource_name": key[0], "event_type": key[1], "count": self._world.webhooks.drop_next[key]}

    # Finding what an act is about

    def _project(self, data: Item) -> Project:
        """By project_id, or by project_number."""
        projects = self._world.store.projects
        number = data.get("project_number")
        row = projects.find(data["project_id"]) if data.get("project_id") else None
        if row is None and number:
            row = next((project for project in projects.live() if project.number == number), None)
        return _found(row, "project", data.get("project_id") or number)

    def _vendor(self, data: Item) -> Vendor:
        return _found(self._world.store.vendors.find(data["vendor_id"]), "vendor", data["vendor_id"])

    def _cost_code(self, data: Item) -> CostCode:
        """By cost_code_id, or by project and cost_code (its full code)."""
        rows = self._world.store.cost_codes
        if data.get("cost_code_id"):
            return _found(rows.find(data["cost_code_id"]), "cost code", data["cost_code_id"])
        project = self._project(data)
        row = next((code for code in rows.live(project.id) if code.full_code == data["cost_code"]), None)
        return _found(row, "cost code", data["cost_code"])

    def _cost_type(self, project: Project, code: str) -> int:
        types = self._world.store.line_item_types.live()
        row = next((row for row in types if row.company_id == project.company_id and row.code == code), None)
        return _found(row, "cost type", code).id

    def _wbs_code(self, project: Project, data: Item) -> WbsCode:
        codes = self._world.store.wbs_codes
        if data.get("wbs_code_id"):
            return _found(codes.find(data["wbs_code_id"], project=project.id), "budget code", data["wbs_code_id"])
        row = next((code for code in codes.live(project.id) if code.flat_code == data["flat_code"]), None)
        return _found(row, "budget code", data["flat_code"])

    def _contract(self, data: Item) -> Contract:
        store = self._world.store
        row = store.purchase_orders.find(data["id"]) or store.work_orders.find(data["id"])
        return _found(row, "commitment", data["id"])

    def _direct_cost(self, data: Item) -> DirectCost:
        return _found(self._world.store.direct_costs.find(data["id"]), "direct cost", data["id"])

    def _requisition(self, data: Item) -> Requisition:
        return _found(self._world.store.requisitions.find(data["id"]), "requisition", data["id"])

    # Helpers

    def _created_contract(self, kind: commitments.Kind, data: Item, actor: Actor) -> Item:
        """Lines go in while it is a Draft; the status asked for comes last."""
        project, values = self._project(data), parse(_without_status(kind.spec), data)
        row = commitments.create_contract(self._world, project, kind, values, actor)
        for line in data.get("lines", []):
            commitments.write_line(self._world, row, self._line_values(project, line), None, actor)
        if data.get("status", row.status) != row.status:
            status = parse({"status": kind.spec["status"]}, data)
            commitments.update_contract(self._world, row, status, actor)
        return self._shown(row)

    def _created_direct_cost(self, data: Item, actor: Actor) -> Item:
        project, values = self._project(data), parse(direct_costs.SPEC, data)
        lines = [self._line_values(project, line) for line in data.get("lines", [])]
        row = direct_costs.create_direct_cost(self._world, project, values, lines, actor)
        return direct_costs.show_direct_cost(self._world, row, with_lines=True)

    def _line_values(self, project: Project, data: Item) -> Item:
        values = parse({**LINE_SPEC, "manual_amount": LINE_SPEC["amount"]}, data)
        if data.get("flat_code"):
            values["wbs_code_id"] = self._wbs_code(project, data).id
        return values

    def _requisition_values(self, data: Item) -> tuple[Item, list[Item]]:
        items = [{"item_type": "contract_item", **item} for item in data.get("lines", [])]
        return parse(requisitions.SPEC, data), [parse(requisitions.ITEM_SPEC, item) for item in items]

    def _period_set(self, data: Item, status: str) -> Item:
        id_ = data["period_id"]
        row = _found(self._world.store.billing_periods.find(id_), "billing period", id_)
        row.status, row.updated_at = status, self._world.stamp()
        return requisitions.show_period(row)

    def _shown(self, row: Contract) -> Item:
        return commitments.show_contract(self._world, row, extended=True)

    def _shown_project(self, project: Project) -> Item:
        codes = self._world.store.wbs_codes.live(project.id)
        return directory.show_project(self._world, project) | {"wbs_codes": {row.flat_code: row.id for row in codes}}


def _without_status(spec: Spec) -> Spec:
    return {name: parser for name, parser in spec.items() if name != "status"}


def _found(row: T | None, what: str, key: Any) -> T:
    if row is None:
        raise ValueError(f"no {what} {key}")
    return row
