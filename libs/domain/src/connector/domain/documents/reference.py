"""Reference data: the codes that documents use (GL accounts, cost centers, VAT codes, terms, items, projects...)."""

from enum import StrEnum

from .money import Canonical


class ReferenceKind(StrEnum):
    GL_ACCOUNT = "gl-account"
    COST_CENTER = "cost-center"
    COST_UNIT = "cost-unit"
    VAT_CODE = "vat-code"
    PAYMENT_TERM = "payment-term"
    ITEM = "item"
    PROJECT = "project"
    JOURNAL = "journal"
    UNIT = "unit"
    CURRENCY = "currency"
    COMPANY = "company"
    PERIOD = "period"


class Reference(Canonical):
    """One code of one kind; its native id in keys is `kind/code`. `attributes` are the kind's own, as text."""

    kind: ReferenceKind
    code: str
    name: str | None = None
    active: bool = True
    source_id: str | None = None
    attributes: dict[str, str | None] = {}
