"""The bounds of a usage, each named with the field that breaks it; and what the package may import."""

import ast
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import creditgate.pricing.usage
from creditgate.pricing.usage import (
    BODY_BYTES_MAX,
    COUNT_MAX,
    OPERATION_CREDITS_MAX,
    RECIPIENTS_MAX,
    Body,
    Channel,
    Characters,
    Credits,
    Direction,
    InvalidUsage,
    Seconds,
    Segments,
    Units,
    Usage,
)


@pytest.mark.parametrize(
    ("size", "field", "least", "most"),
    [
        (Segments, "segments", 1, COUNT_MAX),
        (Characters, "characters", 0, COUNT_MAX),
        (Seconds, "seconds", 0, COUNT_MAX),
        (Units, "units", 0, COUNT_MAX),
        (Credits, "credits", 0, OPERATION_CREDITS_MAX),
    ],
)
def test_a_count_outside_its_bounds_is_refused_and_named(
    size: Callable[[int], Segments | Characters | Seconds | Units | Credits], field: str, least: int, most: int
) -> None:
    assert size(least).count == least
    assert size(most).count == most
    for count in (least - 1, most + 1):
        with pytest.raises(InvalidUsage, match=f"{field} must be {least} to {most}") as refused:
            size(count)
        assert refused.value.field == field


@pytest.mark.parametrize(("character", "octets"), [("a", 1), ("é", 2), ("中", 3), ("😀", 4)])
def test_a_body_is_bounded_in_bytes_of_utf_8(character: str, octets: int) -> None:
    fitting = character * (BODY_BYTES_MAX // octets)

    assert Body(fitting).text == fitting
    with pytest.raises(InvalidUsage, match="16384 bytes") as refused:
        Body(fitting + character)
    assert refused.value.field == "body"


def test_a_body_is_not_shown_when_printed() -> None:
    usage = Usage(Channel.SMS, Direction.OUTBOUND, Body("a secret"))

    assert "secret" not in repr(usage)


@pytest.mark.parametrize("recipient_count", [0, -1, RECIPIENTS_MAX + 1])
def test_a_recipient_count_outside_its_bounds_is_refused_and_named(recipient_count: int) -> None:
    with pytest.raises(InvalidUsage) as refused:
        Usage(Channel.SMS, Direction.OUTBOUND, Segments(1), recipient_count=recipient_count)
    assert refused.value.field == "recipient_count"


@pytest.mark.parametrize("region", ["us", "ZZ", "USA", " "])
def test_an_unknown_region_is_refused_and_named(region: str) -> None:
    with pytest.raises(InvalidUsage) as refused:
        Usage(Channel.SMS, Direction.OUTBOUND, Segments(1), region=region)
    assert refused.value.field == "region"


def test_pricing_imports_only_the_standard_library() -> None:
    package = Path(creditgate.pricing.usage.__file__).parent
    imported = set()
    for module in package.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                imported.add(node.module)

    beyond = {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names}
    assert beyond
    assert all(name.startswith("creditgate.pricing") for name in beyond)
