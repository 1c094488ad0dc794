"""Requests to operations: the one place of validation. What comes out of here is within all its bounds.

Every violation of a request is found, not only the first. Bounds that only the ledger can tell, such as whether a
time has passed by the store's clock, are the engine's.
"""
