"""Another team compiles `proto/` alone, by protoc or by buf, in Go, TypeScript and Java."""

from __future__ import annotations

import hashlib
import importlib
import platform
import shutil
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileOptions
from tests.foreign.workers import Worker
from tests.toolchains import FETCH_TIMEOUT_S, ROOT, cached, fetch, find, not_tried, protoc, succeed

PROTOS = sorted((ROOT / "proto/creditgate/v1").glob("*.proto"))

JAVA = Path(__file__).with_name("java")

MAVEN_COPIES_DEPENDENCIES = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


@pytest.fixture(params=PROTOS, ids=lambda proto: proto.stem)
def file(request: pytest.FixtureRequest) -> FileDescriptor:
    """Each file of the interface."""
    descriptor: FileDescriptor = importlib.import_module(f"creditgate.v1.{request.param.stem}_pb2").DESCRIPTOR
    return descriptor


def test_it_imports_nothing_but_the_well_known_types(file: FileDescriptor) -> None:
    imported = {imported.name for imported in file.dependencies}

    assert {name for name in imported if not name.startswith(("creditgate/v1/", "google/protobuf/"))} == set()


def test_it_says_where_its_code_goes(file: FileDescriptor) -> None:
    options: FileOptions = file.GetOptions()

    assert options.go_package == "creditgate/v1;creditgatev1"
    assert options.java_package == "com.creditgate.v1"
    assert options.java_multiple_files


@pytest.mark.timeout(FETCH_TIMEOUT_S)
def test_protoc_makes_the_go_code_that_buf_makes(go_worker: Worker, tmp_path: Path) -> None:
    """And what buf has made is what the worker was compiled with."""
    plugins = ("google.golang.org/protobuf/cmd/protoc-gen-go", "google.golang.org/grpc/cmd/protoc-gen-go-grpc")
    for plugin in plugins:
        succeed(find("go"), "build", "-o", tmp_path / "bin" / Path(plugin).name, plugin, cwd=go_worker.directory)
    made = tmp_path / "gen"
    made.mkdir()

    succeed(
        *protoc(),
        f"--proto_path={ROOT / 'proto'}",
        *(f"--plugin={tmp_path / 'bin' / Path(plugin).name}" for plugin in plugins),
        *(f"--{kind}_out={made}" for kind in ("go", "go-grpc")),
        *(f"--{kind}_opt=paths=source_relative" for kind in ("go", "go-grpc")),
        *PROTOS,
    )

    assert code_below(made) == code_below(go_worker.directory / "gen")


def test_go_finds_nothing_to_format_or_to_warn_of(go_worker: Worker) -> None:
    assert succeed(find("gofmt"), "-l", ".", cwd=go_worker.directory) == ""
    succeed(find("go"), "vet", "./...", cwd=go_worker.directory)


def test_protoc_makes_the_typescript_code_that_buf_makes(node_worker: Worker, tmp_path: Path) -> None:
    """And what buf has made is what the worker was compiled with, strictly."""
    succeed(
        *protoc(),
        f"--proto_path={ROOT / 'proto'}",
        f"--plugin={node_worker.directory / 'node_modules/.bin/protoc-gen-es'}",
        f"--es_out={tmp_path}",
        "--es_opt=target=ts,import_extension=js",
        *PROTOS,
    )

    assert code_below(tmp_path / "creditgate") == code_below(node_worker.directory / "gen/creditgate")


def code_below(directory: Path) -> dict[Path, list[str]]:
    """The files below a directory, without the lines that name the program that made them."""
    return {
        path.relative_to(directory): [
            line for line in path.read_text(encoding="utf-8").splitlines() if "protoc " not in line
        ]
        for path in directory.rglob("*.*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def java_library() -> Path:
    """What a Java team depends on, protoc and the plugin of grpc-java among it; skips where Maven cannot bring it."""
    machine = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch_64", "arm64": "aarch_64"}.get(
        platform.machine()
    )
    system = {"linux": "linux", "darwin": "osx"}.get(sys.platform)
    if machine is None or system is None:
        not_tried(f"Maven has no protoc for {sys.platform} on {platform.machine()}")
    maven = find("mvn")
    find("javac")
    pom = JAVA / "pom.xml"

    def copy_dependencies(directory: Path) -> None:
        fetch(
            *(maven, "--batch-mode", "--quiet", "--file", pom, f"-Dplatform={system}-{machine}"),
            *(f"-DoutputDirectory={directory}", MAVEN_COPIES_DEPENDENCIES),
        )
        for program in directory.glob("*.exe"):
            program.chmod(0o755)
        (well_known_types,) = directory.glob("protobuf-java-[0-9]*.jar")
        with ZipFile(well_known_types) as archive:
            archive.extractall(directory, [name for name in archive.namelist() if name.endswith(".proto")])

    return cached(f"java-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}", copy_dependencies)


@pytest.mark.timeout(FETCH_TIMEOUT_S)
def test_protoc_makes_java_code_that_compiles_without_a_warning(java_library: Path, tmp_path: Path) -> None:
    (compiler,) = java_library.glob("protoc-[0-9]*.exe")
    (plugin,) = java_library.glob("protoc-gen-grpc-java-*.exe")
    succeed(
        compiler,
        *(f"--proto_path={path}" for path in (ROOT / "proto", java_library)),
        f"--plugin=protoc-gen-grpc-java={plugin}",
        *(f"--{kind}_out={tmp_path}" for kind in ("java", "grpc-java")),
        *PROTOS,
    )
    shutil.copy(JAVA / "Worker.java", tmp_path)
    made = sorted(tmp_path.rglob("*.java"))

    # One compiler of the virtual machine's two: compiled code would never be run often enough for the second.
    quickly = ("-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC")
    strictly = ("-Xlint:all", "-Werror", "-proc:none")
    places = ("--class-path", f"{java_library}/*", "-d", tmp_path / "classes")
    succeed(find("javac"), *quickly, *strictly, *places, *made)

    assert {path.name for path in made} >= {"ReserveRequest.java", "AuthorizationServiceGrpc.java", "ErrorReason.java"}
    assert (tmp_path / "classes/Worker.class").exists()
