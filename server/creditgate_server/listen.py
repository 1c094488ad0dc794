"""Addresses to listen on, and whether other machines can reach them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

PORT_MAX: Final = 65535
"""The highest TCP port."""


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A host and a port; port 0 lets the system choose a free one."""

    host: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect; a name other than localhost may be anything."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        """Give the form that gRPC and people read."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A socket in the file system; who may connect is up to its mode, and to the rights of its directory."""

    path: str

    @property
    def is_local(self) -> bool:
        """Always: a socket in the file system belongs to this machine."""
        return True

    def __str__(self) -> str:
        """Give the form that gRPC reads: the path of a URI."""
        return f"unix:{quote(self.path)}"


ListenAddress = TcpAddress | UnixAddress


@dataclass(frozen=True, slots=True)
class SocketMode:
    """The permissions of a socket in the file system: to connect takes the right to write."""

    bits: int

    @property
    def mask(self) -> int:
        """What a process must mask (umask(2)) to make a socket of this mode."""
        return 0o777 & ~self.bits

    def __str__(self) -> str:
        """Give the form that chmod(1) reads."""
        return f"{self.bits:04o}"


def parse_tcp_address(text: str) -> TcpAddress:
    """Read `host:port`; an IPv6 host stands in brackets. Raises ValueError, which says what is expected."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("write an IPv6 address in brackets, such as [::1]:50051")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > PORT_MAX:
        raise ValueError(f"write host:port with a port of 0 to {PORT_MAX}, such as 127.0.0.1:50051")
    return TcpAddress(host, int(port))


def parse_listen_address(text: str) -> ListenAddress:
    """Read `host:port` or `unix:path`, the latter as gRPC does. Raises ValueError, which says what is expected."""
    if not text.startswith("unix:"):
        return parse_tcp_address(text)
    path = unquote(text.removeprefix("unix:").removeprefix("//"))
    if not path or "\0" in path:
        raise ValueError("name the socket, such as unix:/run/creditgate/creditgate.sock")
    return UnixAddress(path)


def parse_socket_mode(text: str) -> SocketMode:
    """Read octal permissions that let the server's own user connect. Raises ValueError, which says what is expected."""
    if not re.fullmatch("0?[67][0-7]{2}", text):
        raise ValueError("write octal permissions in three digits, of which the first is 6 or 7, such as 0660")
    return SocketMode(int(text, 8))


class ListenFailed(Exception):
    """An address of ours cannot be listened on, most often because another process does."""

    def __init__(self, option: str, address: ListenAddress, problem: str) -> None:
        """Name the setting, its address, and what the system says of it."""
        flag = "--" + option.replace("_", "-")
        super().__init__(
            f"{option}: cannot listen on {address} ({problem}); stop the process that does, or give another {flag}"
        )
