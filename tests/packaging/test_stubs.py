"""The committed stubs are those of the proto files, and of no others."""

from __future__ import annotations

import importlib
import shutil
import subprocess
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

PROTOS = sorted((Path(__file__).resolve().parents[2] / "proto/creditgate/v1").glob("*.proto"))


@pytest.fixture(scope="module")
def descriptors(root: Path) -> dict[str, FileDescriptorProto]:
    """Compile the proto files with buf, independently of the generator."""
    buf = shutil.which("buf")
    assert buf is not None
    image = subprocess.run(
        [buf, "build", root / "proto", "--exclude-source-info", "--as-file-descriptor-set", "--output", "-"],
        check=True,
        capture_output=True,
    ).stdout
    return {file.name: file for file in FileDescriptorSet.FromString(image).file}


@pytest.mark.parametrize("proto", PROTOS, ids=lambda proto: proto.stem)
def test_stubs_are_in_step_with_proto(proto: Path, descriptors: dict[str, FileDescriptorProto]) -> None:
    committed = FileDescriptorProto()
    importlib.import_module(f"creditgate.v1.{proto.stem}_pb2").DESCRIPTOR.CopyToProto(committed)
    compiled = descriptors[f"creditgate/v1/{proto.name}"]
    without_json_names(compiled)

    assert committed == compiled, "run scripts/generate stubs"


def test_no_stub_is_left_of_a_removed_proto(root: Path) -> None:
    modules = {path.name.split("_pb2")[0] for path in (root / "client/creditgate/v1").glob("*_pb2*.py*")}

    assert modules == {proto.stem for proto in PROTOS}


def without_json_names(file: FileDescriptorProto) -> None:
    """Drop the names that buf fills in and generated code leaves out, for they follow from the others."""
    messages = list(file.message_type)
    while messages:
        message = messages.pop()
        messages.extend(message.nested_type)
        for field in message.field:
            field.ClearField("json_name")
