"""The Creditgate server: gRPC in front, a Valkey or Redis ledger behind."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("creditgate")
except PackageNotFoundError:  # a source tree that was never installed has no metadata to read
    __version__ = "0+unknown"
