"""Machines that misbehave: a small library between a process and its system, compiled when it is needed."""

from __future__ import annotations

import asyncio
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from creditgate_server.store.locate import StoreBinary, locate_store_binary


async def shim(source: str, directory: Path) -> Path:
    """Compile one of the C files beside this one; give the library.

    Skips the test, and says what was not tried, where that cannot be done.
    """
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip(f"NOT TRIED, for want of Linux and a C compiler: a process with {source} between it and its system")
    library = directory / Path(source).with_suffix(".so")
    compiling = await asyncio.create_subprocess_exec(
        *(compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, Path(__file__).with_name(source))
    )
    assert await compiling.wait() == 0
    return library


async def store_binary_with(source: str, directory: Path) -> StoreBinary:
    """Give a store binary that a shim is preloaded into."""
    return replace(locate_store_binary(), preload=await shim(source, directory))
