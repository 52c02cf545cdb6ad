"""Basware's records as canonical documents: pure, in the order of Basware's field tables.

A record of `documents.basware` is complete on its own: joined values and the companies' settings lie under `resolved`.
"""

from connector.domain.documents.translation import Translations
from connector.domain.identity import Entity

from .invoice import translate_invoice
from .order import translate_order
from .supplier import translate_supplier
from .values import guarded

TRANSLATION_VERSION = 3
"""Raise it whenever a record becomes another document: what is written already is compared again."""

TRANSLATIONS = Translations(
    system="basware",
    version=TRANSLATION_VERSION,
    by_entity={
        Entity.INVOICE: guarded(translate_invoice),
        Entity.PURCHASE_ORDER: guarded(translate_order),
        Entity.SUPPLIER: guarded(translate_supplier),
    },
)

__all__ = ["TRANSLATIONS", "TRANSLATION_VERSION"]
