"""Schedules on the vendors' real rooms: Exact's source and Coupa's target, against their sandboxes in this process."""
