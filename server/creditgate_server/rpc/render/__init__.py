"""Outcomes to responses: pure, and without a decision of its own."""
