"""Canonical documents: purchase orders (UBL Order), invoices (EN 16931), suppliers, payments and references."""
