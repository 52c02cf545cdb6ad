"""Exact's records as canonical documents: pure, in the order of Exact's field tables.

A record of `documents.exact` is complete on its own: joined values and the company's settings lie under `resolved`.
"""

from connector.domain.documents.translation import Translations
from connector.domain.identity import Entity

from .invoice import translate_invoice
from .order import translate_order
from .reference import translate_reference
from .supplier import translate_supplier
from .values import guarded

TRANSLATION_VERSION = 2
"""Raise it whenever a record becomes another document: what is written already is compared again."""

TRANSLATIONS = Translations(
    system="exact",
    version=TRANSLATION_VERSION,
    by_entity={
        Entity.PURCHASE_ORDER: guarded(translate_order),
        Entity.INVOICE: guarded(translate_invoice),
        Entity.SUPPLIER: guarded(translate_supplier),
        Entity.REFERENCE: guarded(translate_reference),
    },
)

__all__ = ["TRANSLATIONS", "TRANSLATION_VERSION"]
