"""Exact Online: an ERP that purchase orders, supplier invoices and suppliers are read from.

The room's surface: `SYSTEM`, `Settings`, `ExactSource` (the port Source), `TRANSLATIONS` (for the mapper), and
`verify` with `Recipient` and `Verdict` (for the receiver of webhooks).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .settings import Settings
    from .source import ExactSource
    from .translate import TRANSLATIONS
    from .webhook import Recipient, Verdict, notices, verify

SYSTEM = "exact"

_HOMES = {
    "Settings": "settings",
    "ExactSource": "source",
    "TRANSLATIONS": "translate",
    "Recipient": "webhook",
    "Verdict": "webhook",
    "notices": "webhook",
    "verify": "webhook",
}


def __getattr__(name: str) -> Any:
    """Import on first use: the receiver of webhooks needs no HTTP client, the mapper no settings."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


__all__ = ["SYSTEM", "TRANSLATIONS", "ExactSource", "Recipient", "Settings", "Verdict", "notices", "verify"]
