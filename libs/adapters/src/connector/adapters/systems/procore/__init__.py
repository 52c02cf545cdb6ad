"""Procore: a construction management system that orders and invoices are written to. Its surface is `room.py`."""
