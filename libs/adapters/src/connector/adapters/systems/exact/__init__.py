"""Exact Online: the ERP that orders, supplier invoices and suppliers are read from. Its surface is `room.py`."""
