"""The server under measurement: Creditgate as it is, and in the same process a gRPC method that does nothing.

Prints one line of JSON with the two addresses, and serves until its input ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

from creditgate_server.app import serving
from creditgate_server.logs import configure_logs
from creditgate_server.options import LogFormat, LogLevel
from creditgate_server.process import collect_garbage_seldom, new_runner
from creditgate_server.rpc.server import OPTIONS
from creditgate_server.settings import load_settings
from creditgate_server.store.embedded import EmbeddedStore

import grpc  # isort: skip -- after creditgate_server.rpc, which chooses gRPC's settings before gRPC is loaded

SERVICE = "creditgate.bench.NoOp"


async def _nothing(_request: bytes, _context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    return b""


async def _serve(directory: Path) -> None:
    async with EmbeddedStore(directory) as store:
        flags = {"listen": "127.0.0.1:0", "metrics_listen": "off", "redis_url": store.url, "durability": "fsync"}
        async with serving(load_settings(flags, {})) as server:
            idle = grpc.aio.server(options=OPTIONS)
            handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(_nothing)
            idle.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Call": handler}),))
            port = idle.add_insecure_port("127.0.0.1:0")
            await idle.start()
            collect_garbage_seldom()
            found = {"creditgate": str(server.address), "no_op": f"127.0.0.1:{port}", "store": store.url}
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.read)
            await idle.stop(None)


def main() -> None:
    """Serve on the processor named by the first argument, if the system has it."""
    core = int(sys.argv[1])
    if core in os.sched_getaffinity(0):
        os.sched_setaffinity(0, {core})
    configure_logs(LogLevel.ERROR, LogFormat.JSON)
    with tempfile.TemporaryDirectory(prefix="creditgate-bench-") as directory, new_runner() as runner:
        runner.run(_serve(Path(directory) / "data"))


if __name__ == "__main__":
    main()
