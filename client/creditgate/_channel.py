"""Where the server is, and the options of every channel to it."""

from __future__ import annotations

import ipaddress
import json
import os
from typing import Final

Options = tuple[tuple[str, int | str], ...]
"""Of a channel, as gRPC takes them."""

DEFAULT_TARGET: Final = "127.0.0.1:50051"
"""Where `creditgate serve` listens unless told otherwise."""

TARGET_VARIABLE: Final = "CREDITGATE_TARGET"
"""Environment variable that names another target."""

REQUEST_ID_KEY: Final = "x-request-id"
"""Metadata key of the id by which the server's logs and errors name a call."""

HEALTH_CHECK: Final = "/grpc.health.v1.Health/Check"
"""The standard health check. Its request is one string and its answer one number, each in field 1, so that messages of
`google.protobuf` serve for both, and no package beyond the base install is needed."""

KEEPALIVE_TIME_MS: Final = 30_000
"""Silence after which the client pings. A server must allow pings as often, and without calls, or it hangs up."""

KEEPALIVE_TIMEOUT_MS: Final = 5_000
"""How long an answer to a ping may take before the connection counts as dead."""

RECEIVE_BYTES_MAX: Final = 32 * 1024 * 1024
"""Largest answer: a page of 500 reservations with all their labels and draws; gRPC's own 4 MiB would not do."""

RECONNECT_BACKOFF_MS: Final = 100
"""First wait before connecting again; gRPC's own second would outlast most of a call's deadline."""

RECONNECT_BACKOFF_MS_MAX: Final = 1_000
"""Longest wait before connecting again; gRPC's own two minutes are for servers that are far away."""

SERVICE_CONFIG: Final = json.dumps(
    {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": "creditgate.v1.AuthorizationService"},
    }
)
"""Where a target may stand for several servers: all of them are used in turn, but for those that do not serve.

A server that stops says so before it takes no more calls, and so does one that has lost its store. Where there is one
server alone this would only hide what it answers then.
"""

_FOREIGN_SCHEMES: Final = frozenset({"http", "https", "grpc", "grpcs", "tcp"})

OPTIONS: Final[Options] = (
    ("grpc.keepalive_time_ms", KEEPALIVE_TIME_MS),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
    # A connection that died while idle is found before the next call needs it; gRPC alone would soon cease to look.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", RECONNECT_BACKOFF_MS),
    ("grpc.max_reconnect_backoff_ms", RECONNECT_BACKOFF_MS_MAX),
    ("grpc.max_receive_message_length", RECEIVE_BYTES_MAX),
    # What is repeated is decided by the server's reasons (`retries`): not by a service config found in DNS, and not by
    # gRPC itself once more, below all that counts attempts.
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.enable_retries", 0),
    # A sidecar is not behind the proxy that the environment names for the world outside.
    ("grpc.enable_http_proxy", 0),
    # gRPC would share connections between channels of equal options, across a fork too.
    ("grpc.use_local_subchannel_pool", 1),
)
"""Options of every channel. What the server must agree to are the keepalive times."""


def options_of(target: str) -> Options:
    """Return the options of a channel to a target: those of all, and, where it may name several servers, their use."""
    return OPTIONS if _is_one_server(target) else (*OPTIONS, ("grpc.service_config", SERVICE_CONFIG))


def target_of(target: str | None) -> str:
    """Return the target to use: the one given, else the environment's, else the default.

    It has the form `host:port`, `unix:path` or any other name that gRPC resolves. Raises ValueError for the address of
    a web page: gRPC would take all of it for the name of a host.
    """
    chosen = target or os.environ.get(TARGET_VARIABLE) or DEFAULT_TARGET
    scheme, separator, rest = chosen.partition("://")
    if separator and scheme.lower() in _FOREIGN_SCHEMES:
        raise ValueError(f"the target {chosen} must be host:port or unix:path, without {scheme}://: such as {rest}")
    return chosen


def _is_one_server(target: str) -> bool:
    """Tell whether a target is an address, and no name that may stand for several."""
    if target.startswith(("unix:", "unix-abstract:")):
        return True
    address = target.removeprefix("ipv4:").removeprefix("ipv6:").rpartition(":")[0]
    try:
        ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        return False
    return True
