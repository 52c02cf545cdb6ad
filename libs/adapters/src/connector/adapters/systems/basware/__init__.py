"""Basware P2P: accounts payable, where invoices are approved and orders are placed. Its surface is `room.py`."""
