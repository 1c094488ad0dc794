"""The gRPC surface: bytes to operations, outcomes to bytes, and every failure to one form of error.

Importing this package sets what gRPC reads once, when it is first used: the listener of the event engine is
switched off, which raises the rate of unary calls by a fifth or more. An operator who sets the variable decides.
Measure again at each upgrade of grpcio: an unknown experiment is only logged.
"""

from __future__ import annotations

import os

os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_listener")
