"""Supplier: who is ordered from and paid."""

from enum import StrEnum

from .common import Address, BankAccount, Contact, PaymentTerms
from .money import Canonical


class SupplierStatus(Canonical):
    active: bool
    ordering_blocked: bool | None = None
    payment_blocked: bool | None = None


class AccountRole(StrEnum):
    SUPPLIER = "supplier"
    CUSTOMER = "customer"


class Supplier(Canonical):
    """`roles` holds customer too where the source keeps both in one account: only purchase-side fields are ours."""

    number: str | None = None
    name: str
    alias: str | None = None
    vat_id: str | None = None
    registration: str | None = None
    endpoint: str | None = None
    roles: list[AccountRole] = []
    companies: list[str] = []
    status: SupplierStatus
    currency: str | None = None
    payment_terms: PaymentTerms | None = None
    payment_method: str | None = None
    vat_code: str | None = None
    default_gl_account: str | None = None
    language: str | None = None
    website: str | None = None
    email: str | None = None
    phone: str | None = None
    addresses: list[Address] = []
    contacts: list[Contact] = []
    bank_accounts: list[BankAccount] = []
