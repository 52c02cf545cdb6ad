"""Suppliers and users: what a supplier must have, and full names."""

import re

from .fields import Record
from .rules import Rules
from .store import Unit

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def settle_supplier(unit: Unit, supplier: Record) -> None:
    email = supplier.text("po-email")
    if supplier.text("po-method") == "email" and not email:
        unit.fail("po-email", "Supplier email can't be blank when the PO method is email.")
    if email and not EMAIL.fullmatch(email):
        unit.fail("po-email", "Supplier email is not a valid email address.")
    contacts = [supplier.one("primary-contact"), *supplier.many("contacts")]
    for contact in filter(None, contacts):
        unit.set(contact, "name-fullname", _joined(contact, "name-given", "name-family"))


def settle_user(unit: Unit, user: Record) -> None:
    unit.set(user, "fullname", _joined(user, "firstname", "lastname"))


def _joined(record: Record, *names: str) -> str | None:
    return " ".join(filter(None, map(record.text, names))) or None


SUPPLIER_RULES = Rules(settle_supplier)
USER_RULES = Rules(settle_user)
