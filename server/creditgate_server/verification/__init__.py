"""Verify: reads a live store whole and holds it to the invariants, with no more in memory than one partition needs."""

from __future__ import annotations

from creditgate_server.verification.report import Report
from creditgate_server.verification.verifier import verify

__all__ = ["Report", "verify"]
