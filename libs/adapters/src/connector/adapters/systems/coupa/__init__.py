"""Coupa: a procurement system that suppliers, orders and invoices are written to. Its surface is `room.py`.

(Functions there are named as modules here: in this file the one would replace the other once both are imported.)
"""
