"""Everything public says what it is, and the examples that it gives are true of a real server."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import pytest

import creditgate

if TYPE_CHECKING:
    from creditgate.testing import AccountMaker

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.REPORT_NDIFF


def modules() -> Iterator[ModuleType]:
    """Every module of the client library that is not generated."""
    yield creditgate
    for found in pkgutil.walk_packages(creditgate.__path__, "creditgate."):
        if not found.name.startswith("creditgate.v1"):
            yield importlib.import_module(found.name)


def examples() -> list[doctest.DocTest]:
    found = (each for module in modules() for each in doctest.DocTestFinder().find(module))
    return [each for each in found if each.examples]


def public_names(module: ModuleType) -> Iterator[tuple[str, object]]:
    """Name what users may call in a module, and in its classes whatever they inherit of ours."""
    yield module.__name__, module
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", "") != module.__name__:
            continue
        if isinstance(value, TypeVar | ParamSpec):
            continue
        yield f"{module.__name__}.{name}", value
        if inspect.isclass(value):
            ours = [kind for kind in value.__mro__ if kind.__module__.startswith("creditgate.")]
            members = {member: found for kind in reversed(ours) for member, found in vars(kind).items()}
            for member, found in members.items():
                if not member.startswith("_") and (inspect.isroutine(found) or isinstance(found, property)):
                    yield f"{module.__name__}.{name}.{member}", found


def is_documented(value: object) -> bool:
    """Tell whether somebody wrote a docstring; a data class without one gets its signature for one."""
    written = value.__func__.__doc__ if isinstance(value, classmethod | staticmethod) else value.__doc__
    return bool(written) and not str(written).startswith(f"{getattr(value, '__name__', '')}(")


def test_every_public_name_has_a_docstring() -> None:
    public = [module for module in modules() if "._" not in module.__name__]
    names = [found for module in public for found in public_names(module)]

    assert len(names) > 300, "the whole of the library is looked at"
    assert [path for path, value in names if not is_documented(value)] == []


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_examples_are_true(
    example: doctest.DocTest, creditgate_client: creditgate.Client, new_creditgate_account: AccountMaker
) -> None:
    # Each has an organisation of its own. It is called acme for readers, and so, once for all, is its rate card.
    organisation = new_creditgate_account(credits=1000)
    creditgate_client.create_account(f"{organisation}/field")
    for each in example.examples:
        each.source, each.want = (text.replace("acme", organisation) for text in (each.source, each.want))
    example.globs = {"creditgate": creditgate, "client": creditgate_client}
    told: list[str] = []

    doctest.DocTestRunner(optionflags=FLAGS).run(example, out=told.append)

    assert not told, "".join(told)


def test_every_call_of_the_client_has_an_example() -> None:
    shown = {example.name.rpartition(".")[2] for example in examples()}
    calls = {name for name, _ in inspect.getmembers(creditgate.Client, inspect.isfunction) if not name.startswith("_")}

    assert calls - {"close"} <= shown
