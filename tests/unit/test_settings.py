"""Settings: where they come from, what they may be, and how they are shown."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from creditgate_server.listen import SocketMode, TcpAddress, UnixAddress
from creditgate_server.options import OPTIONS, LogFormat, LogLevel
from creditgate_server.settings import InvalidSettings, Settings, load_settings, load_with_origins, shown
from creditgate_server.store.durability import Durability


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a directory without a settings file."""
    monkeypatch.chdir(tmp_path)


def problems(
    flags: dict[str, object] | None = None,
    environment: dict[str, str] | None = None,
    file: Path | None = None,
) -> tuple[str, ...]:
    with pytest.raises(InvalidSettings) as refused:
        load_settings(flags or {}, environment or {}, file)
    return refused.value.problems


def test_every_setting_is_an_option() -> None:
    assert {option.name for option in OPTIONS} == {field.name for field in fields(Settings)}


def test_nothing_need_be_said() -> None:
    settings = load_settings({}, {"XDG_DATA_HOME": "/data"})

    assert settings == Settings(data_dir=Path("/data/creditgate"))
    assert str(settings.listen) == "127.0.0.1:50051"
    assert str(settings.metrics_listen) == "127.0.0.1:9464"
    assert settings.durability is Durability.FSYNC


@pytest.mark.parametrize("environment", [{}, {"XDG_DATA_HOME": ""}, {"XDG_DATA_HOME": "relative"}])
def test_without_a_data_home_the_home_directory_s_is_taken(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")

    assert load_settings({}, environment).data_dir == Path("/home/ann/.local/share/creditgate")


def test_the_fixed_variables_are_read() -> None:
    settings = load_settings(
        {},
        {
            "CREDITGATE_LISTEN": "unix:/run/cg.sock",
            "CREDITGATE_METRICS_LISTEN": "off",
            "CREDITGATE_DATA_DIR": "/var/lib/cg",
            "CREDITGATE_REDIS_URL": "redis://host:6379",
            "CREDITGATE_DURABILITY": "fsync",
            "CREDITGATE_LOG_LEVEL": "debug",
        },
    )

    assert settings == Settings(
        listen=UnixAddress("/run/cg.sock"),
        metrics_listen=None,
        data_dir=Path("/var/lib/cg"),
        redis_url="redis://host:6379",
        durability=Durability.FSYNC,
        log_level=LogLevel.DEBUG,
    )


def test_a_flag_counts_before_a_variable_and_that_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("collect_ms = 1\nqueue_max = 2\ndrain_s = 3\n")

    settings = load_settings(
        {"collect_ms": "7", "queue_max": None},
        {"CREDITGATE_COLLECT_MS": "8", "CREDITGATE_QUEUE_MAX": "9"},
        file,
    )

    assert (settings.collect_ms, settings.queue_max, settings.drain_s) == (7, 9, 3)


def test_it_is_told_where_each_setting_stands_that_was_given(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("collect_ms = 1\nqueue_max = 2\ndrain_s = 3\n")

    _, origins = load_with_origins({"collect_ms": "7"}, {"CREDITGATE_QUEUE_MAX": "9"}, file)

    assert origins == {
        "collect_ms": "flag --collect-ms",
        "queue_max": "variable CREDITGATE_QUEUE_MAX",
        "drain_s": f"{file}: drain_s",
    }


@pytest.mark.parametrize(("text", "bits"), [("0660", 0o660), ("600", 0o600), ("0777", 0o777)])
def test_permissions_are_octal_and_shown_so(text: str, bits: int) -> None:
    settings = load_settings({}, {"CREDITGATE_SOCKET_MODE": text})

    assert settings.socket_mode == SocketMode(bits)
    assert shown(settings)["socket_mode"] == f"{bits:04o}"


def test_the_file_of_the_working_directory_is_read(tmp_path: Path) -> None:
    (tmp_path / "creditgate.toml").write_text('test_clock = true\nlog_format = "json"\nlisten = "[::1]:0"\n')

    settings = load_settings({}, {})

    assert settings.test_clock
    assert settings.log_format is LogFormat.JSON
    assert settings.listen == TcpAddress("::1", 0)


def test_a_store_of_one_s_own_promises_no_more_than_it_does_unless_asked_to() -> None:
    assert load_settings({"redis_url": "redis://host"}, {}).durability is Durability.MEMORY
    assert load_settings({"redis_url": "redis://host", "durability": "fsync"}, {}).durability is Durability.FSYNC


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("listen", "127.0.0.1"),
        ("listen", ":50051"),
        ("listen", "127.0.0.1:70000"),
        ("listen", "127.0.0.1:http"),
        ("listen", "::1:50051"),
        ("listen", "unix:"),
        ("socket_mode", "rw-rw----"),
        ("socket_mode", "0060"),
        ("socket_mode", "0o660"),
        ("socket_mode", "4660"),
        ("socket_mode", "0689"),
        ("metrics_listen", "unix:/run/metrics.sock"),
        ("metrics_listen", "no"),
        ("durability", "everysec"),
        ("log_level", "loud"),
        ("log_format", "xml"),
        ("collect_ms", "-1"),
        ("collect_ms", "101"),
        ("collect_ms", "1.5"),
        ("collect_ms", ""),
        ("queue_max", "0"),
        ("store_timeout_ms", "9"),
        ("drain_s", "forever"),
        ("insecure", "perhaps"),
        ("data_dir", ""),
        ("redis_url", ""),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_to_write(name: str, value: str) -> None:
    variable = f"CREDITGATE_{name.upper()}"

    (problem,) = problems(environment={variable: value})

    assert problem.startswith((f"variable {variable}: write ", f"variable {variable}: name "))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("collect_ms", "true"),
        ("collect_ms", "1.5"),
        ("insecure", '"perhaps"'),
        ("listen", "50051"),
        ("socket_mode", "0o660"),
    ],
)
def test_a_value_of_the_wrong_kind_in_the_file_is_named(name: str, value: str, tmp_path: Path) -> None:
    (tmp_path / "creditgate.toml").write_text(f"{name} = {value}")

    (problem,) = problems()

    assert problem.startswith(f"creditgate.toml: {name}: write ")


def test_what_is_no_option_is_named_with_what_may_have_been_meant(tmp_path: Path) -> None:
    (tmp_path / "creditgate.toml").write_text("[store]\nurl = 1\n")

    found = problems({"nonsense": "1"}, {"CREDITGATE_LISTN": "127.0.0.1:1"})

    assert found == (
        "flag nonsense: there is no such option",
        "variable CREDITGATE_LISTN: there is no such option; CREDITGATE_LISTEN may be meant",
        "creditgate.toml: store: there is no such option",
    )


def test_variables_of_clients_and_tests_are_not_ours() -> None:
    load_settings({}, {"CREDITGATE_TARGET": "127.0.0.1:1", "CREDITGATE_TEST_SMS_FILE": "/texts", "PATH": "/bin"})


@pytest.mark.parametrize("service", ["CREDITGATE", "CREDITGATE_VALKEY"])
def test_variables_that_kubernetes_sets_for_a_service_named_like_ours_are_not_ours(service: str) -> None:
    names = ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_GRPC", "PORT", "PORT_50051_TCP", "PORT_50051_TCP_ADDR")
    load_settings({}, {f"{service}_{name}": "10.0.0.1" for name in names})


@pytest.mark.parametrize("name", ["CREDITGATE_METRICS_PORT", "CREDITGATE_PORT"])
def test_a_port_of_no_service_that_there_is_is_named(name: str) -> None:
    (problem,) = problems(environment={name: "9464", "CREDITGATE_VALKEY_SERVICE_HOST": "10.0.0.1"})

    assert problem.startswith(f"variable {name}: there is no such option")


def test_a_misspelt_variable_of_tests_is_named() -> None:
    (problem,) = problems(environment={"CREDITGATE_TEST_CLOK": "true"})

    assert "CREDITGATE_TEST_CLOCK may be meant" in problem


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    (problem,) = problems(file=tmp_path / "missing.toml")

    assert problem.endswith("missing.toml: there is no such file")


@pytest.mark.parametrize("content", [b"listen = ", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_named(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "broken.toml"
    file.write_bytes(content)

    (problem,) = problems(file=file)

    assert problem.startswith(f"{file}: it is not TOML")


def test_every_problem_is_named_at_once() -> None:
    assert len(problems({"collect_ms": "x"}, {"CREDITGATE_DRAIN_S": "x", "CREDITGATE_NO": ""})) == 3


@pytest.mark.parametrize("address", ["0.0.0.0:50051", "[::]:50051", "10.0.0.1:1", "sidecar.example:1", "*:1"])
def test_other_machines_are_served_only_if_plainly_told_so(address: str) -> None:
    (problem,) = problems({"listen": address})
    assert problem.startswith("listen: other machines can reach")
    assert "--insecure" in problem

    assert str(load_settings({"listen": address, "insecure": True}, {}).listen) == address


def test_metrics_are_shown_to_other_machines_only_if_plainly_told_so() -> None:
    (problem,) = problems({"metrics_listen": "0.0.0.0:9464"})

    assert problem.startswith("metrics_listen: other machines can reach")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.9.9.9:1", "localhost:1", "[::1]:1", "unix:/run/cg.sock"])
def test_this_machine_is_always_served(address: str) -> None:
    assert str(load_settings({"listen": address}, {}).listen) == address


def test_settings_are_shown_without_secrets() -> None:
    flags = {"redis_url": "rediss://ann:hunter2@host:6380/1", "metrics_listen": "off"}

    values = shown(load_settings(flags, {"XDG_DATA_HOME": "/data"}))

    assert values["redis_url"] == "rediss://***@host:6380/1"
    assert values["data_dir"] == "/data/creditgate"
    assert values["metrics_listen"] == "off"
    assert values["collect_ms"] == 1
    assert values["insecure"] is False
    assert values.keys() == {option.name for option in OPTIONS}


def test_an_option_has_one_name_everywhere() -> None:
    (option,) = (option for option in OPTIONS if option.name == "store_timeout_ms")

    assert (option.flag, option.variable) == ("--store-timeout-ms", "CREDITGATE_STORE_TIMEOUT_MS")
    assert [option.name for option in OPTIONS if option.is_switch] == ["insecure", "test_clock"]
