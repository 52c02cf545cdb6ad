"""The vendors as local servers, faithful to what is documented of them, with fault knobs and a controllable clock.

Nothing here imports the connector: a sandbox is written from the vendor's facts, so that a wrong client fails on it.
"""
