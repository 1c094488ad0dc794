"""Servers as operators run them: those of the tests of the interface, looked after from outside."""

from tests.rpc.conftest import api, connect, server, short_directory, start, start_failure

__all__ = ["api", "connect", "server", "short_directory", "start", "start_failure"]
