"""Creating, changing and removing objects by the rules; the API and the people at the screen both come here."""

from collections.abc import Mapping

from .accounting import ACCOUNT_RULES, ACCOUNT_TYPE_RULES, LOOKUP_VALUE_RULES, resolve_account
from .fields import Kind, Record
from .integrations import ERROR_RULES, HISTORY_RULES, RUN_RULES
from .invoices import INVOICE_RULES, linked_by_numbers, recount
from .orders import ORDER_LINE_RULES, ORDER_RULES, cancel, close
from .rules import Action, Payload, Rules
from .schema import ADDRESS, INVOICE, ORDER
from .store import Instance, Rejected, Unit
from .suppliers import SUPPLIER_RULES, USER_RULES
from .view import View
from .writing import Writer, true

NO_RULES = Rules()
RULES: Mapping[str, Rules] = {
    "suppliers": SUPPLIER_RULES,
    "purchase_orders": ORDER_RULES,
    "purchase_order_lines": ORDER_LINE_RULES,
    "invoices": INVOICE_RULES,
    "accounts": ACCOUNT_RULES,
    "account_types": ACCOUNT_TYPE_RULES,
    "lookup_values": LOOKUP_VALUE_RULES,
    "users": USER_RULES,
    "integration_runs": RUN_RULES,
    "integration_errors": ERROR_RULES,
    "integration_history_records": HISTORY_RULES,
}


class Service:
    """All writes to one instance. Every method commits whole or raises `Rejected` and changes nothing."""

    def __init__(self, instance: Instance, view: View) -> None:
        self.instance = instance
        self.view = view
        self._writer = Writer(instance, view, {"accounts": resolve_account})

    def create(self, kind: Kind, payload: Payload, user: Record | None, *, person: bool = False) -> Record:
        with self._unit(user, creating=True, person=person) as unit:
            record = unit.create(kind)
            self._write(unit, record, payload)
        self._after(record)
        return record

    def create_part(self, owner: Record, list_name: str, kind: Kind, payload: Payload, user: Record | None) -> Record:
        """A new object inside another one, such as a supplier's remit-to address."""
        with self._unit(user, creating=True) as unit:
            part = unit.create(kind, owner)
            self._writer.write(unit, part, payload)
            unit.set(owner, list_name, [*(owner.values.get(list_name) or ()), part])
            self._settle(unit, owner)
        return part

    def update(self, record: Record, payload: Payload, user: Record | None, *, person: bool = False) -> Record:
        with self._unit(user, creating=False, person=person) as unit:
            if record.kind is ADDRESS and not record.flag("active") and not person:
                unit.fail("base", "an inactive address can't be updated")
            rest = self._shortcuts(unit, record, payload)
            self._write(unit, record, rest)
        self._after(record)
        return record

    def act(
        self, record: Record, action: Action, payload: Payload, user: Record | None, *, person: bool = False
    ) -> Record:
        with self._unit(user, creating=False, person=person) as unit:
            action(unit, record, payload)
        self._after(record)
        return record

    def mark_exported(self, record: Record, user: Record | None, exported: bool) -> Record:
        """The call `PUT /{id}?exported=true`: a mark, not a change of the document."""
        with self._unit(user, creating=False) as unit:
            unit.quiet = not self.instance.settings.exporting_touches_updated_at
            unit.set(record, "exported", exported)
            if exported:
                unit.set(record, "last-exported-at", self.instance.moment())
        return record

    def delete(self, record: Record, user: Record | None, *, person: bool = False) -> None:
        """Remove an object, or a part from its owner; it stays in the dump, marked."""
        with self._unit(user, creating=False, person=person) as unit:
            if record.kind is INVOICE and record.text("status") != "new":
                raise Rejected(
                    {"status": [f"an invoice that is {record.text('status')} can't be deleted, only a new one"]}
                )
            unit.touch(record)
            record.deleted = True
            if record.owner is not None:
                self._settle(unit, _root(record))

    def account_problems(self, raw: Payload) -> list[str]:
        """Why an account reference can't be used; empty when it can. Nothing is created."""
        with self._unit(None, creating=True) as unit:
            probe = Record(INVOICE, 0, {})
            found = resolve_account(unit, probe, {key.replace("_", "-"): value for key, value in raw.items()})
            problems = unit.errors.pop("account", [])
            unit.created.clear()
        return problems or ([] if found else ["is not known"])

    def _unit(self, user: Record | None, *, creating: bool, person: bool = False) -> Unit:
        return Unit(self.instance, user, creating=creating, person=person)

    def _write(self, unit: Unit, record: Record, payload: Payload) -> None:
        if record.kind is INVOICE:
            payload = linked_by_numbers(self.instance, {key.replace("_", "-"): value for key, value in payload.items()})
        self._writer.write(unit, record, payload)
        self._settle(unit, _root(record))

    def _settle(self, unit: Unit, root: Record) -> None:
        self._writer.check_unique(unit)
        RULES.get(root.kind.path, NO_RULES).settle(unit, root)

    def _shortcuts(self, unit: Unit, record: Record, payload: Payload) -> Payload:
        """`_cancel` and `_close` in an order's body act like the actions."""
        if record.kind is not ORDER:
            return payload
        for name, action in (("_cancel", cancel), ("_close", close)):
            if true(payload.get(name)):
                action(unit, record, payload)
        return {key: value for key, value in payload.items() if key not in ("_cancel", "_close")}

    def _after(self, record: Record) -> None:
        if record.kind is INVOICE:
            recount(self.instance, record)


def _root(record: Record) -> Record:
    while record.owner is not None:
        record = record.owner
    return record
