"""Account paths and operation ids: what is one, and what follows from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditgate_server.credit.ids import is_account_id, is_operation_id, parent_of, root_of

PARTS = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True)
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


@pytest.mark.parametrize(
    "good", ["a", "0", "acme", "acme/field", "a/b/c/d", "a.b-c_d", "9" * 63, "/".join(["x" * 63] * 4)]
)
def test_account_ids(good: str) -> None:
    assert is_account_id(good)


@pytest.mark.parametrize(
    "bad",
    [
        "", "/", "a/", "/a", "a//b", "a/b/c/d/e", "A", "acme/Field", "-a", ".a", "_a", "a/-b", "x" * 64, "a b", "a|b",
        "a:b", "{a}", "a\n", "\na", "é", "\u0430cme", "\uff41", "a\u200b", "a\x00", "..", "a/..", "a*",
    ],
)  # fmt: skip
def test_what_is_no_account_id(bad: str) -> None:
    assert not is_account_id(bad)


@given(PATHS)
def test_a_path_of_good_parts_is_an_account_id(path: str) -> None:
    assert is_account_id(path)


@given(PATHS)
def test_going_up_from_an_account_ends_at_its_root(path: str) -> None:
    levels = [path]
    while parent := parent_of(levels[-1]):
        levels.append(parent)
    assert levels[-1] == root_of(path)
    assert len(levels) == path.count("/") + 1
    assert all(is_account_id(level) for level in levels)


@pytest.mark.parametrize("good", ["m", "a b", "~", "!", "x" * 128, "{a}|b:/c", "550e8400-e29b-41d4-a716-446655440000"])
def test_operation_ids(good: str) -> None:
    assert is_operation_id(good)


@pytest.mark.parametrize(
    "bad", ["", " ", " a", "a ", "x" * 129, "é", "a\n", "\n", "a\tb", "a\x7f", "a\x00b", "\u0430", "😀"]
)
def test_what_is_no_operation_id(bad: str) -> None:
    assert not is_operation_id(bad)
